"""A harmonic crystal as a calculator of ASE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from madelung.common.errors import PhononError

__all__ = ["HarmonicCalculator"]

# Half of the distance between neighbours is more than any harmonic displacement.
_FAR = 1.0


class HarmonicCalculator(Calculator):
    """Energy ½ Σ u Φ u and forces −Φ u of the displacements u from a crystal at rest.

    Parameters
    ----------
    phonon
        A Phonopy object with force constants.

    Notes
    -----
    ``reference`` holds the atoms at rest, in the order and cell in which displaced ones are
    expected. Energies are in eV over that of the crystal at rest, forces in eV/Å.
    """

    # ASE declares a list here.
    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012

    def __init__(self, phonon: Any) -> None:
        from phonopy.harmonic.force_constants import compact_fc_to_full_fc

        super().__init__()
        cell = phonon.supercell
        self.reference = Atoms(
            numbers=cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True
        )
        constants = np.asarray(phonon.force_constants)
        if len(constants) != len(cell):
            constants = compact_fc_to_full_fc(phonon.primitive, constants)
        size = 3 * len(cell)
        self._matrix = np.asarray(constants).transpose(0, 2, 1, 3).reshape(size, size)

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate displaced atoms; called by ASE.

        Raises
        ------
        PhononError
            If they are not those of ``reference``, displaced by less than 1 Å.
        """
        super().calculate(atoms, properties, system_changes)
        rest, given = self.reference, self.atoms
        assert given is not None
        if len(given) != len(rest) or (given.numbers != rest.numbers).any():
            raise PhononError("these are not the atoms of the harmonic crystal, in its order")
        if not np.allclose(given.cell.array, rest.cell.array, atol=1e-6):
            raise PhononError("a harmonic crystal has the cell it was made in, and no other")
        scaled = (given.positions - rest.positions) @ np.linalg.inv(rest.cell.array)
        moved = (scaled - np.rint(scaled)) @ rest.cell.array
        if np.linalg.norm(moved, axis=1).max() > _FAR:
            raise PhononError(f"atoms displaced by more than {_FAR} Å are not harmonic")
        forces = -self._matrix @ moved.ravel()
        energy = -0.5 * float(forces @ moved.ravel())
        self.results = {"energy": energy, "free_energy": energy, "forces": forces.reshape(-1, 3)}
