"""Phonons of tungsten from DFT forces of its molecular dynamics, and potentials beside them.

The data hold four trajectories of the perfect crystal, 4 × 4 × 4 cubic cells with 128 atoms: two
at one lattice constant, which differ in temperature, and two at others. Effective harmonic
frequencies of each are found from the forces of DFT and, on the same configurations, from those of
a potential; Gamma is left out. Eight of the sixty configurations are among those for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import ase.build
import numpy as np

from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import ForceField
from madelung.forcefields.reference.configurations import Configuration
from madelung.phonons.effective import EffectivePhonons, effective_phonons

__all__ = ["Trajectory", "phonon_errors", "references", "trajectories"]

# Points of the zone that have names, in reciprocal vectors of the primitive cell.
POINTS = {"N": (0.0, 0.0, 0.5), "H": (0.5, 0.5, 0.5), "P": (0.25, 0.25, 0.25)}
# Displacements in Å for harmonic frequencies by finite differences: larger than rounding, and
# too small for anharmonicity.
_SMALL = 1e-3


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Configurations of one run, and the effective phonons of their DFT forces."""

    lattice_constant: float
    configurations: list[Configuration]
    reference: EffectivePhonons

    @property
    def primitive(self) -> Any:
        """The primitive cell."""
        return ase.build.bulk("W", "bcc", a=self.lattice_constant)

    def phonons(self, force_field: ForceField) -> EffectivePhonons:
        """Phonons of a potential on the same configurations."""
        crystals = [one.crystal for one in self.configurations]
        forces = [force_field.evaluate(crystal).forces for crystal in crystals]
        return effective_phonons(self.primitive, crystals, forces)

    def harmonic(self, force_field: ForceField) -> EffectivePhonons:
        """Phonons of a potential at rest."""
        ideal = ase.build.bulk("W", "bcc", a=self.lattice_constant, cubic=True) * 4
        ideal.positions += _SMALL * np.random.default_rng(0).normal(size=ideal.positions.shape)
        crystal = Crystal.from_ase(ideal)
        return effective_phonons(self.primitive, [crystal], [force_field.evaluate(crystal).forces])


def trajectories(configurations: list[Configuration]) -> list[Trajectory]:
    """Divide the configurations of the group ``md_bulk``, in the order of the file, into runs."""
    moving = sorted((one for one in configurations if one.group == "md_bulk"), key=lambda c: c.id)
    found = []
    for lattice_constant, run in groupby(moving, lambda one: float(one.crystal.cell[0, 0]) / 4):
        members = list(run)
        found.append(Trajectory(lattice_constant, members, _reference(lattice_constant, members)))
    return found


def _reference(lattice_constant: float, members: list[Configuration]) -> EffectivePhonons:
    primitive = ase.build.bulk("W", "bcc", a=lattice_constant)
    forces = [np.asarray(one.forces) for one in members]
    return effective_phonons(primitive, [one.crystal for one in members], forces)


def references(runs: list[Trajectory]) -> list[dict[str, Any]]:
    """What the record says of each run; noise is half of what two halves of it differ by."""
    found = []
    for run in runs:
        halves = [
            _reference(run.lattice_constant, run.configurations[first::2]) for first in (0, 1)
        ]
        found.append(
            {
                "lattice_constant_A": round(run.lattice_constant, 4),
                "configurations": len(run.configurations),
                "temperature_K": round(run.reference.temperature, 1),
                "noise_THz": round(halves[0].rms_difference(halves[1]) / 2, 4),
                "frequencies_THz": at_points(run.reference),
            }
        )
    return found


def phonon_errors(force_field: ForceField, runs: list[Trajectory]) -> list[dict[str, Any]]:
    """RMS differences in THz from DFT for each run, and from the potential's own harmonic ones."""
    found = []
    for run in runs:
        effective, harmonic = run.phonons(force_field), run.harmonic(force_field)
        found.append(
            {
                "rmse_THz": round(effective.rms_difference(run.reference), 4),
                "from_harmonic_THz": round(effective.rms_difference(harmonic), 4),
                "frequencies_THz": at_points(effective),
                "harmonic_frequencies_THz": at_points(harmonic),
            }
        )
    return found


def at_points(phonons: EffectivePhonons) -> dict[str, list[float]]:
    """Frequencies at the points of the zone that have names."""
    found = {}
    for name, point in POINTS.items():
        (place,) = np.flatnonzero(np.abs(phonons.wave_vectors - point).max(axis=1) < 1e-9)
        found[name] = [round(value, 3) for value in phonons.frequencies[place].tolist()]
    return found
