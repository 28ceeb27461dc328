"""Phonons of polar crystals: dipoles as complete sums, and longitudinal modes at Γ.

Equations 9 and 10 of docs/theory/dipole-sums.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.harmonic_crystal import HarmonicCrystal, frequencies_of
from madelung.phonons.wave_vectors import commensurate_steps
from madelung.sums.dipoles import dipole_tensors

__all__ = ["PolarCrystal", "neutral_charges", "shortest_images"]

Complex = NDArray[np.complex128]
_SAME_LENGTH = 1e-5
_NEARBY = np.indices((5, 5, 5)).reshape(3, -1).T - 2


@dataclass(frozen=True, eq=False)
class PolarCrystal:
    """A harmonic crystal with Born charges whose dipoles are summed completely.

    Parameters
    ----------
    harmonic
        Force constants as a supercell shows them, with Born charges and a dielectric tensor.
    multiples
        (3, 3) lattice vectors of that supercell, as rows, in those of the primitive cell.
    tolerance
        Absolute error of the sums, in eV/(e Å)².

    Raises
    ------
    PhononError
        If there are no Born charges.
    """

    harmonic: HarmonicCrystal
    multiples: NDArray[np.int64]
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse crystals without charges."""
        if self.harmonic.born is None or self.harmonic.dielectric is None:
            raise PhononError(
                f"{self.harmonic.crystal.source or self.harmonic.crystal.formula}: "
                "a non-analytical term needs Born charges and a dielectric tensor"
            )

    def dynamical_matrices(
        self, wave_vectors: ArrayLike, direction: ArrayLike | None = None
    ) -> Complex:
        """Return (Q, 3n, 3n) dynamical matrices; see :class:`HarmonicCrystal` for their form.

        Parameters
        ----------
        wave_vectors
            (Q, 3) in reciprocal lattice vectors.
        direction
            (3,) Cartesian direction from which Γ is approached; without it the macroscopic field
            is left out there.
        """
        points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
        short = self._short_ranged.dynamical_matrices(points)
        return short + self._dipoles(points, direction)

    def frequencies(
        self, wave_vectors: ArrayLike, direction: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return (Q, 3n) frequencies in THz, ascending; those of unstable modes are negative."""
        return frequencies_of(self.dynamical_matrices(wave_vectors, direction))

    @cached_property
    def _charges(self) -> NDArray[np.float64]:
        assert self.harmonic.born is not None
        return neutral_charges(self.harmonic.born)

    @cached_property
    def _at_gamma(self) -> Complex:
        """(n, 3, 3) what the acoustic sum rule takes off each atom."""
        blocks = self._blocks(np.zeros((1, 3)), None)[0]
        return np.asarray(blocks.sum(axis=1))

    def _blocks(self, points: NDArray[np.float64], direction: ArrayLike | None) -> Complex:
        """(Q, n, n, 3, 3) interaction of the dipoles of displacements in eV/Å²."""
        assert self.harmonic.dielectric is not None
        sums = dipole_tensors(
            self.harmonic.crystal, self.harmonic.dielectric, points,
            direction=direction, tolerance=self.tolerance,
        )  # fmt: skip
        charges = self._charges
        half = np.einsum("iax,qijab->qijxb", charges, sums.values)
        return np.asarray(np.einsum("qijxb,jby->qijxy", half, charges))

    def _with_sum_rule(self, points: NDArray[np.float64], direction: ArrayLike | None) -> Complex:
        """Equation 9."""
        blocks = self._blocks(points, direction)
        own = np.arange(len(self.harmonic.crystal))
        at_gamma = (self._at_gamma + self._at_gamma.conj().swapaxes(1, 2)) / 2.0
        blocks[:, own, own] -= at_gamma
        return blocks

    def _dipoles(self, points: NDArray[np.float64], direction: ArrayLike | None) -> Complex:
        blocks = self._with_sum_rule(points, direction)
        size = 3 * len(self.harmonic.crystal)
        full = blocks.transpose(0, 1, 3, 2, 4).reshape(len(points), size, size)
        scale = 1.0 / np.sqrt(np.repeat(self.harmonic.masses, 3))
        full = full * scale[:, None] * scale
        hermitian: Complex = (full + full.conj().swapaxes(1, 2)) / 2.0
        return hermitian

    @cached_property
    def _short_ranged(self) -> HarmonicCrystal:
        """The force constants without what the dipoles of the supercell add to them."""
        harmonic, crystal = self.harmonic, self.harmonic.crystal
        steps, cells = commensurate_steps(self.multiples)
        points = steps / cells
        blocks = self._with_sum_rule(points, None)
        first, second, shifts, shares = shortest_images(crystal, self.multiples)
        scaled = crystal.scaled_positions
        vectors = scaled[second] + shifts - scaled[first]
        phases = np.exp(-2j * np.pi * (points @ vectors.T))
        dipoles = np.einsum("qe,qexy->exy", phases, blocks[:, first, second]).real / cells
        return replace(
            harmonic,
            first=np.concatenate([harmonic.first, first]),
            second=np.concatenate([harmonic.second, second]),
            shifts=np.concatenate([harmonic.shifts, shifts]),
            matrices=np.concatenate([harmonic.matrices, -dipoles * shares[:, None, None]]),
        )


def neutral_charges(born: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 3, 3) Born charges whose sum is zero: each gives up an equal part of it."""
    neutral: NDArray[np.float64] = born - born.mean(axis=0)
    return neutral


def shortest_images(
    crystal: Crystal, multiples: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find the shortest vectors between the atoms of a cell and those of a supercell.

    Parameters
    ----------
    crystal
        The primitive cell of n atoms.
    multiples
        (3, 3) lattice vectors of the supercell, as rows, in those of the cell.

    Returns
    -------
    first, second : (E,) int64
        Atoms of the cell.
    shifts : (E, 3) int64
        Cell of the second atom.
    shares : (E,) float64
        One over the number of equally short vectors of the pair.
    """
    from madelung.crystals.lattice import reduce_cells

    lattice = multiples @ crystal.cell
    basis = reduce_cells(lattice[None]).basis[0]
    whole = np.rint(basis @ np.linalg.inv(crystal.cell)).astype(np.int64)
    cells = _cells_of(multiples)
    scaled = crystal.scaled_positions
    atoms = len(crystal)
    first, second, cell = (part.ravel() for part in np.indices((atoms, atoms, len(cells))))
    apart = (scaled[second] + cells[cell] - scaled[first]) @ crystal.cell
    # Into the reduced supercell, around which the shortest images are looked for.
    turns = np.rint(apart @ np.linalg.inv(basis)).astype(np.int64)
    shifts = cells[cell] - turns @ whole
    apart = apart - turns @ basis
    images = apart[:, None, :] + _NEARBY @ basis
    lengths = np.linalg.norm(images, axis=2)
    pair, image = np.nonzero(lengths < lengths.min(axis=1, keepdims=True) + _SAME_LENGTH)
    counts = np.bincount(pair, minlength=len(first))
    found = shifts[pair] + _NEARBY[image] @ whole
    return first[pair], second[pair], found, 1.0 / counts[pair]


def _cells_of(multiples: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 3) one lattice vector of the cell for each cell of the supercell."""
    count = round(abs(np.linalg.det(multiples)))
    adjugate = np.rint(np.linalg.inv(multiples) * count).astype(np.int64)
    found: dict[tuple[int, ...], NDArray[np.int64]] = {}
    spans = np.abs(multiples).sum(axis=0)
    for step in np.indices(spans + 1).reshape(3, -1).T:
        found.setdefault(tuple((step @ adjugate % count).tolist()), step)
        if len(found) == count:
            break
    return np.array(list(found.values()))
