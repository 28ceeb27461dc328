"""Phonons of polar crystals: dipoles as complete sums, and longitudinal modes at Γ.

Equations 12 to 14 of docs/theory/dipole-sums.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import CrystalWarning, PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.harmonic_crystal import HarmonicCrystal, frequencies_of
from madelung.phonons.wave_vectors import commensurate_steps, space_group_operations
from madelung.sums.dipoles import dipole_tensors, require_wave_vectors

__all__ = ["PolarCrystal", "neutral_charges", "shortest_images", "symmetric_charges"]

Complex = NDArray[np.complex128]
_SAME_LENGTH = 1e-5
# Largest correction of Born charges, in e, that is not worth a warning.
_LARGE_CORRECTION = 0.05
# Numbers that the dipoles of one step may take.
_CHUNK = 1 << 21
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

    Warns
    -----
    CrystalWarning
        If the Born charges are far from neutral; see :attr:`charge_correction`.
    """

    harmonic: HarmonicCrystal
    multiples: NDArray[np.int64]
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse crystals without charges, and warn of those that are not neutral."""
        where = self.harmonic.crystal.source or self.harmonic.crystal.formula
        if self.harmonic.born is None or self.harmonic.dielectric is None:
            raise PhononError(
                f"{where}: a non-analytical term needs Born charges and a dielectric tensor"
            )
        if not np.isfinite(self.harmonic.born).all():
            raise PhononError(f"{where}: Born charges must be finite")
        if self.charge_correction > _LARGE_CORRECTION:
            warnings.warn(
                f"{where}: the Born charges do not sum to zero; each atom's are changed by up to "
                f"{self.charge_correction:.3f} e to make the crystal neutral",
                CrystalWarning,
                stacklevel=3,
            )

    @property
    def charge_correction(self) -> float:
        """Largest change of an element of the Born charges that makes them neutral, in e."""
        assert self.harmonic.born is not None
        return float(np.abs(self.harmonic.born.mean(axis=0)).max())

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

        Raises
        ------
        PotentialError
            If wave vectors or the direction are not finite or of another shape.
        """
        points = require_wave_vectors(wave_vectors)
        size = 3 * len(self.harmonic.crystal)
        found = np.empty((len(points), size, size), dtype=complex)
        for some in self._parts(len(points)):
            found[some] = self._dipoles(points[some], direction)
            found[some] += self._short_ranged.dynamical_matrices(points[some])
        return found

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

    def _parts(self, count: int) -> Iterator[slice]:
        """Go through so many wave vectors in parts whose matrices have a bounded size."""
        width = max(1, _CHUNK // (9 * len(self.harmonic.crystal) ** 2))
        return (slice(start, min(start + width, count)) for start in range(0, count, width))

    def _with_sum_rule(self, points: NDArray[np.float64], direction: ArrayLike | None) -> Complex:
        """Equation 12."""
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
        first, second, shifts, shares = shortest_images(crystal, self.multiples)
        codes = _codes(shifts, self.multiples)
        _, index, place = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        classes = shifts[index]
        atoms, scaled = len(crystal), crystal.scaled_positions
        apart = (scaled[None] - scaled[:, None]).reshape(-1, 3)
        sums = np.zeros((len(classes), atoms * atoms * 9))
        # Both inverse Fourier transforms, of places in the cell and of cells, a part at a time.
        for some in self._parts(cells):
            points = steps[some] / cells
            blocks = self._with_sum_rule(points, None).reshape(-1, atoms * atoms, 9)
            blocks *= np.exp(-2j * np.pi * (points @ apart.T))[:, :, None]
            waves = 2.0 * np.pi * (classes @ points.T)
            flat = blocks.reshape(len(blocks), -1)
            sums += np.cos(waves) @ flat.real + np.sin(waves) @ flat.imag
        by_pair = sums.reshape(len(classes), atoms * atoms, 3, 3)
        dipoles = by_pair[place.reshape(-1), first * atoms + second] / cells
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


def symmetric_charges(
    crystal: Crystal, born: ArrayLike, dielectric: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average Born charges and a dielectric tensor over the space group: equation 14.

    Parameters
    ----------
    crystal
        The cell of n atoms that the charges belong to.
    born
        (n, 3, 3) Born charges in e.
    dielectric
        (3, 3) dielectric tensor.

    Returns
    -------
    born : (n, 3, 3) float64
        Invariant under all operations. Their sum is not made zero: :func:`neutral_charges`.
    dielectric : (3, 3) float64
        Symmetric and invariant.

    Raises
    ------
    PhononError
        If the arrays do not fit the crystal.
    """
    charges, metric = np.asarray(born, dtype=np.float64), np.asarray(dielectric, dtype=np.float64)
    if charges.shape != (len(crystal), 3, 3) or metric.shape != (3, 3):
        raise PhononError(
            f"{crystal.source or crystal.formula}: {len(crystal)} atoms need Born charges of the "
            f"shape {(len(crystal), 3, 3)} and a dielectric tensor of (3, 3), not {charges.shape} "
            f"and {metric.shape}"
        )
    cell, scaled = np.asarray(crystal.cell), crystal.scaled_positions
    operations = space_group_operations(crystal)
    summed, averaged = np.zeros_like(charges), np.zeros_like(metric)
    for rotation, translation in operations:
        apart = (scaled @ rotation.T + translation)[:, None] - scaled[None]
        lengths = np.linalg.norm((apart - np.rint(apart)) @ cell, axis=2)
        image = lengths.argmin(axis=1)
        turn = cell.T @ rotation @ np.linalg.inv(cell.T)
        summed[image] += turn @ charges @ turn.T
        averaged += turn @ (metric + metric.T) @ turn.T / 2.0
    return summed / len(operations), averaged / len(operations)


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
    found: dict[tuple[int, ...], NDArray[np.int64]] = {}
    spans = np.abs(multiples).sum(axis=0)
    steps = np.indices(spans + 1).reshape(3, -1).T
    for step, code in zip(steps, _codes(steps, multiples).tolist(), strict=True):
        found.setdefault(tuple(code), step)
        if len(found) == count:
            break
    return np.array(list(found.values()))


def _codes(cells: NDArray[np.int64], multiples: NDArray[np.int64]) -> NDArray[np.int64]:
    """(E, 3) numbers that are the same for cells that a supercell makes equal."""
    count = round(abs(np.linalg.det(multiples)))
    adjugate = np.rint(np.linalg.inv(multiples) * count).astype(np.int64)
    return cells @ adjugate % count
