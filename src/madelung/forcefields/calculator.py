"""The face that a force field has in ASE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import ForceField

__all__ = ["ForceFieldCalculator"]

# What some force fields give beyond the interface, and what it is called in ASE.
_FURTHER_RESULTS = {
    "charges": "charges",
    "energy_uncertainty": "energy_uncertainty",
    "force_uncertainty": "forces_uncertainty",
}


class ForceFieldCalculator(Calculator):
    """ASE calculator of a force field, for crystals, slabs and molecules.

    Parameters
    ----------
    force_field
        The force field.

    Notes
    -----
    Gives ``energy``, ``free_energy`` (the same), ``energies``, ``forces``, and, where the
    structure is periodic in three directions, ``stress``; elsewhere ASE raises
    ``PropertyNotImplementedError`` when it is asked for the stress. Where the force field gives
    them there are ``charges`` (n,) in e, and in ``results`` the standard errors
    ``energy_uncertainty`` in eV and ``forces_uncertainty`` (n, 3) in eV/Å.

    Raises
    ------
    ForceFieldError
        When a structure is evaluated whose elements the force field does not know.
    """

    # ASE declares a list here.
    implemented_properties = [  # noqa: RUF012
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "charges",
    ]

    def __init__(self, force_field: ForceField) -> None:
        super().__init__()
        self.force_field = force_field

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the force field; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        crystal = Crystal.from_ase(self.atoms)
        if len(crystal) != len(self.atoms or ()):
            raise ForceFieldError("sites of occupancy 0 have no forces; take them out of the atoms")
        evaluation = self.force_field.evaluate(crystal)
        self.results = {
            "energy": evaluation.energy,
            "free_energy": evaluation.energy,
            "energies": evaluation.energies,
            "forces": np.array(evaluation.forces),
        }
        if evaluation.volume > 0.0:
            self.results["stress"] = full_3x3_to_voigt_6_stress(evaluation.stress)
        for own, name in _FURTHER_RESULTS.items():
            value = getattr(evaluation, own, None)
            if value is not None:
                self.results[name] = value
