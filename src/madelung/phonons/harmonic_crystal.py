"""A crystal with its force constants: dynamical matrices and frequencies at any wave vector.

Equations 1 to 3 of docs/theory/phonons.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.common.units import TERAHERTZ
from madelung.crystals.crystal import Crystal

__all__ = ["HarmonicCrystal", "frequencies_of"]

Complex = NDArray[np.complex128]


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
    """

    crystal: Crystal
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shifts: NDArray[np.int64]
    matrices: NDArray[np.float64]
    masses: NDArray[np.float64]
    born: NDArray[np.float64] | None = None
    dielectric: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        entries, atoms = len(self.first), len(self.crystal)
        shapes = {
            "second": (entries,), "shifts": (entries, 3), "matrices": (entries, 3, 3),
            "masses": (atoms,), "born": (atoms, 3, 3), "dielectric": (3, 3),
        }  # fmt: skip
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise PhononError(f"{name} must have the shape {shape}, and has {value.shape}")
        if (self.born is None) != (self.dielectric is None):
            raise PhononError("Born charges need a dielectric tensor, and it needs them")
        if not all(np.isfinite(value).all() for value in (self.matrices, self.masses)):
            raise PhononError("force constants and masses must be finite")

    def dynamical_matrices(self, wave_vectors: ArrayLike) -> Complex:
        """Return the dynamical matrices, whose eigenvalues are squared angular frequencies.

        Parameters
        ----------
        wave_vectors
            (Q, 3) in reciprocal lattice vectors of the primitive cell.

        Returns
        -------
        (Q, 3n, 3n) complex array
            In eV/(Å² u), Hermitian, with phases exp(2πi q·(r_j − r_i)) as in phonopy.
        """
        points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
        places = np.exp(2j * np.pi * (points @ self.crystal.scaled_positions.T))
        shift = np.repeat(places, 3, axis=1)
        matrices: Complex = self.matrices_of_cells(points)
        matrices *= shift.conj()[:, :, None]
        matrices *= shift[:, None, :]
        return matrices

    def matrices_of_cells(self, wave_vectors: NDArray[np.float64]) -> Complex:
        """Return dynamical matrices with phases exp(2πi q·T) of whole cells T instead."""
        atoms = len(self.crystal)
        cells, blocks = self._by_cell
        waves = np.exp(2j * np.pi * (wave_vectors @ cells.T))
        # Two real products take half the time of one of complex numbers with real ones.
        matrices = waves.real @ blocks + 1j * (waves.imag @ blocks)
        shaped = matrices.reshape(-1, atoms, atoms, 3, 3).transpose(0, 1, 3, 2, 4)
        full = shaped.reshape(len(wave_vectors), 3 * atoms, 3 * atoms)
        hermitian: Complex = (full + full.conj().swapaxes(1, 2)) / 2.0
        return hermitian

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

    def frequencies(self, wave_vectors: ArrayLike) -> NDArray[np.float64]:
        """Return (Q, 3n) frequencies in THz, ascending; those of unstable modes are negative."""
        return frequencies_of(self.dynamical_matrices(wave_vectors))


def frequencies_of(dynamical: Complex) -> NDArray[np.float64]:
    """Return (Q, 3n) frequencies in THz of (Q, 3n, 3n) matrices in eV/(Å² u).

    Imaginary frequencies are stated as negative ones.
    """
    squares = np.linalg.eigvalsh(dynamical)
    frequencies: NDArray[np.float64] = TERAHERTZ * np.sign(squares) * np.sqrt(np.abs(squares))
    return frequencies
