"""A crystal with its force constants: dynamical matrices and frequencies at any wave vector.

Equations 1 and 8 of docs/theory/harmonic-network.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.common.units import TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.sums.dipoles import dipole_tensors

__all__ = ["HarmonicCrystal", "frequencies_of", "signed_roots"]

Complex = NDArray[np.complex128]
# Error of sums of dipoles that is allowed, in eV/(e Å)².
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class HarmonicCrystal:
    """Force constants between the atoms of a primitive cell and all atoms of the crystal.

    The energy of displacements u is ½ Σ u_i Φ_ij u_j. Born charges stand beside the force
    constants, which are those of a supercell without a macroscopic field.

    Parameters
    ----------
    crystal
        The primitive cell of n atoms.
    first, second
        (E,) atoms of the cell. Every pair is there in both orders, and an atom with itself.
    shifts
        (E, 3) cell in which the second atom lies, in lattice vectors; the first is in cell 0.
    matrices
        (E, 3, 3) force constants in eV/Å². Those of one pair may be divided among several entries.
    masses
        (n,) in u.
    born
        (n, 3, 3) Born charges in e, or None. The first index is of the field, the second of the
        displacement.
    dielectric
        (3, 3) dielectric tensor of the electrons, or None.
    screened_charges
        (n, 3, 3) charges in e whose dipoles interact as in a vacuum, or None. What they add is a
        complete sum on top of ``matrices``.
    """

    crystal: Crystal
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shifts: NDArray[np.int64]
    matrices: NDArray[np.float64]
    masses: NDArray[np.float64]
    born: NDArray[np.float64] | None = None
    dielectric: NDArray[np.float64] | None = None
    screened_charges: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        entries, atoms = len(self.first), len(self.crystal)
        shapes = {
            "second": (entries,), "shifts": (entries, 3), "matrices": (entries, 3, 3),
            "masses": (atoms,), "born": (atoms, 3, 3), "dielectric": (3, 3),
            "screened_charges": (atoms, 3, 3),
        }  # fmt: skip
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise PhononError(f"{name} must have the shape {shape}, and has {value.shape}")
        if (self.born is None) != (self.dielectric is None):
            raise PhononError("Born charges need a dielectric tensor, and it needs them")
        if not all(np.isfinite(value).all() for value in (self.matrices, self.masses)):
            raise PhononError("force constants and masses must be finite")

    def dynamical_matrices(
        self, wave_vectors: ArrayLike, direction: ArrayLike | None = None
    ) -> Complex:
        """Return the dynamical matrices, whose eigenvalues are squared angular frequencies.

        Parameters
        ----------
        wave_vectors
            (Q, 3) in reciprocal lattice vectors of the primitive cell.
        direction
            (3,) Cartesian direction from which Γ is approached, where screened charges interact;
            without it the macroscopic field is left out there.

        Returns
        -------
        (Q, 3n, 3n) complex array
            In eV/(Å² u), Hermitian, with phases exp(2πi q·(r_j − r_i)) as in phonopy.
        """
        points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
        places = np.exp(2j * np.pi * (points @ self.crystal.scaled_positions.T))
        shift = np.repeat(places, 3, axis=1)
        matrices = self.matrices_of_cells(points, self.dipole_waves(points, direction))
        matrices *= shift.conj()[:, :, None]
        matrices *= shift[:, None, :]
        return matrices

    def dipole_waves(
        self, wave_vectors: NDArray[np.float64], direction: ArrayLike | None = None
    ) -> Complex | None:
        """Return what :meth:`matrices_of_cells` needs of the geometry, where charges interact.

        It is the same for all harmonic crystals with these atoms: (1 + Q, 3n, 3n) sums of
        dipoles with phases of whole cells, the first of them at Γ.
        """
        if self.screened_charges is None:
            return None
        points = np.vstack([np.zeros((1, 3)), wave_vectors])
        vacuum = np.eye(3)
        sums = dipole_tensors(self.crystal, vacuum, points, tolerance=_TOLERANCE).values
        if direction is not None:
            along = dipole_tensors(
                self.crystal, vacuum, wave_vectors, direction=direction, tolerance=_TOLERANCE
            )
            sums[1:] = along.values
        places = np.exp(2j * np.pi * (points @ self.crystal.scaled_positions.T))
        turned = sums * (places[:, :, None] * places.conj()[:, None, :])[..., None, None]
        size = 3 * len(self.crystal)
        full: Complex = turned.transpose(0, 1, 3, 2, 4).reshape(-1, size, size)
        return full

    def matrices_of_cells(
        self, wave_vectors: NDArray[np.float64], waves: Complex | None = None
    ) -> Complex:
        """Return dynamical matrices with phases exp(2πi q·T) of whole cells T instead.

        Parameters
        ----------
        wave_vectors
            (Q, 3) in reciprocal lattice vectors.
        waves
            From :meth:`dipole_waves` of the same wave vectors; found if not given.
        """
        atoms = len(self.crystal)
        cells, blocks = self._by_cell
        phases = np.exp(2j * np.pi * (wave_vectors @ cells.T))
        # Two real products take half the time of one of complex numbers with real ones.
        matrices = phases.real @ blocks + 1j * (phases.imag @ blocks)
        shaped = matrices.reshape(-1, atoms, atoms, 3, 3).transpose(0, 1, 3, 2, 4)
        full = shaped.reshape(len(wave_vectors), 3 * atoms, 3 * atoms)
        if self.screened_charges is not None:
            scale = 1.0 / np.sqrt(np.repeat(self.masses, 3))
            full = full + self.dipole_blocks(wave_vectors, waves) * scale[:, None] * scale
        hermitian: Complex = (full + full.conj().swapaxes(1, 2)) / 2.0
        return hermitian

    def dipole_blocks(
        self, wave_vectors: NDArray[np.float64], waves: Complex | None = None
    ) -> Complex:
        """Return (Q, 3n, 3n) what dipoles add to force constants, with phases of whole cells.

        Equation 7 of docs/theory/harmonic-network.md, in eV/Å².
        """
        assert self.screened_charges is not None
        waves = self.dipole_waves(wave_vectors) if waves is None else waves
        assert waves is not None
        atoms = len(self.crystal)
        turned = _on_diagonal(self.screened_charges)
        # Γ is the first of the waves; there the acoustic sum rule tells what atoms give up.
        gamma = (turned.T @ waves[0] @ turned).real
        own = gamma.reshape(atoms, 3, atoms, 3).sum(axis=2)
        blocks: Complex = turned.T @ waves[1:] @ turned
        blocks -= _on_diagonal((own + own.swapaxes(1, 2)) / 2.0)
        return blocks

    @cached_property
    def _by_cell(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(T, 3) cells, and (T, 9 n²) force constants over roots of masses for each of them."""
        atoms = len(self.crystal)
        cells, place = np.unique(self.shifts, axis=0, return_inverse=True)
        scale = 1.0 / np.sqrt(self.masses[self.first] * self.masses[self.second])
        blocks = np.zeros((len(cells), atoms * atoms, 9))
        rows = (place.reshape(-1), self.first * atoms + self.second)
        np.add.at(blocks, rows, (self.matrices * scale[:, None, None]).reshape(-1, 9))
        return cells.astype(np.float64), blocks.reshape(len(cells), -1)

    def frequencies(
        self, wave_vectors: ArrayLike, direction: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return (Q, 3n) frequencies in THz, ascending; those of unstable modes are negative."""
        return frequencies_of(self.dynamical_matrices(wave_vectors, direction))


def _on_diagonal(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3n, 3n) matrix with (n, 3, 3) blocks on its diagonal."""
    atoms = len(blocks)
    found = np.zeros((atoms, 3, atoms, 3))
    at = np.arange(atoms)
    found[at, :, at] = blocks
    return found.reshape(3 * atoms, 3 * atoms)


def frequencies_of(dynamical: Complex) -> NDArray[np.float64]:
    """Return (Q, 3n) frequencies in THz of (Q, 3n, 3n) matrices in eV/(Å² u).

    Imaginary frequencies are stated as negative ones.
    """
    return signed_roots(np.linalg.eigvalsh(dynamical))


def signed_roots(squares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return frequencies in THz of squared ones in eV/(Å² u); negative ones of negative squares."""
    roots: NDArray[np.float64] = TERAHERTZ * np.sign(squares) * np.sqrt(np.abs(squares))
    return roots
