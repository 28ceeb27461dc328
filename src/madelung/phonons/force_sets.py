"""Forces of displaced supercells: what finite displacements measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal

__all__ = ["ForceSets"]

_LARGEST_SUPERCELL = 100_000
_SHORTEST, _LONGEST = 1e-5, 1.0


@dataclass(frozen=True, eq=False)
class ForceSets:
    """A crystal and the forces of its supercells with one displaced atom each.

    Parameters
    ----------
    crystal
        The unit cell of n atoms; its source names the record.
    supercell_matrix
        (3, 3) integers, as phonopy takes them; the N atoms of the supercell are in its order.
    primitive_matrix
        (3, 3) lattice vectors of the primitive cell in those of the unit cell, as columns.
    atoms
        (D,) the displaced atom of each supercell.
    displacements
        (D, 3) in Å.
    forces
        (D, N, 3) in eV/Å.
    born
        (p, 3, 3) Born charges of the atoms of the primitive cell in e, or None.
    dielectric
        (3, 3) dielectric tensor of the electrons, or None.
    """

    crystal: Crystal
    supercell_matrix: NDArray[np.int64]
    primitive_matrix: NDArray[np.float64]
    atoms: NDArray[np.int64]
    displacements: NDArray[np.float64]
    forces: NDArray[np.float64]
    born: NDArray[np.float64] | None = None
    dielectric: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        volume = round(abs(float(np.linalg.det(self.supercell_matrix))))
        size, runs = volume * len(self.crystal), len(self.atoms)
        where = self.crystal.source or self.crystal.formula
        if not 0 < size <= _LARGEST_SUPERCELL:
            raise PhononError(f"{where}: a supercell of {size} atoms is not read")
        if self.displacements.shape != (runs, 3) or self.forces.shape != (runs, size, 3):
            raise PhononError(
                f"{where}: {runs} displacements of {size} atoms need forces of the shape "
                f"{(runs, size, 3)}, not {self.forces.shape}"
            )
        if runs and not 0 <= int(self.atoms.min()) <= int(self.atoms.max()) < size:
            raise PhononError(
                f"{where}: a displaced atom is not one of the {size} of the supercell"
            )
        if not all(np.isfinite(values).all() for values in (self.displacements, self.forces)):
            raise PhononError(f"{where}: displacements and forces must be finite")
        lengths = np.linalg.norm(self.displacements, axis=1)
        if runs and not _SHORTEST <= lengths.min() <= lengths.max() <= _LONGEST:
            raise PhononError(
                f"{where}: displacements of {lengths.min():.2g} to {lengths.max():.2g} Å make no "
                f"force constants; they have to lie between {_SHORTEST} and {_LONGEST} Å"
            )

    @property
    def primitive_size(self) -> int:
        """Atoms of the primitive cell."""
        return round(len(self.crystal) * abs(float(np.linalg.det(self.primitive_matrix))))
