"""Errors of a force field against reference data, configuration by configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, ForceFieldError
from madelung.common.outputs import whole_file
from madelung.common.progress import counted
from madelung.common.tables import TableWriter
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.interface import ForceField
from madelung.forcefields.reference.configurations import Configuration

__all__ = ["ComparedConfiguration", "Comparison", "compare"]

FIELDS = (
    "id", "part", "group", "atoms", "energy", "predicted_energy", "force_rmse",
    "largest_force_error",
)  # fmt: skip
"""Columns of a table of predictions; energies in eV/atom, forces in eV/Å."""


@dataclass(frozen=True, eq=False)
class ComparedConfiguration:
    """What a force field says of a configuration beside what the reference says.

    Parameters
    ----------
    id, part, group
        Its name, the part of the data it is in, and its kind.
    atoms
        Number of atoms n.
    energy, predicted_energy
        In eV/atom; None without a reference.
    forces, predicted_forces
        (n, 3) in eV/Å; None without a reference.
    stress, predicted_stress
        (3, 3) in eV/Å³, positive under tension; both None without a reference, or where the
        structure is not periodic in three directions.
    """

    id: str
    part: str
    group: str
    atoms: int
    energy: float | None
    predicted_energy: float
    forces: NDArray[np.float64] | None
    predicted_forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None
    predicted_stress: NDArray[np.float64] | None = None

    @property
    def force_errors(self) -> NDArray[np.float64]:
        """(3n,) differences of force components in eV/Å; empty without a reference."""
        if self.forces is None:
            return np.zeros(0)
        differences: NDArray[np.float64] = (self.predicted_forces - self.forces).ravel()
        return differences


@dataclass(eq=False)
class Comparison:
    """A force field beside reference data.

    Parameters
    ----------
    configurations
        Those that could be evaluated.
    problems
        Why others could not be.
    shift
        What was added to predicted energies, in eV/atom: zero, or the mean difference.
    """

    configurations: list[ComparedConfiguration]
    problems: list[str] = field(default_factory=list)
    shift: float = 0.0

    def part(self, name: str) -> Comparison:
        """Return the comparison of one part of the data."""
        chosen = [item for item in self.configurations if item.part == name]
        return Comparison(chosen, [], self.shift)

    @property
    def parts(self) -> list[str]:
        """Names of the parts, in order of appearance."""
        return list(dict.fromkeys(item.part for item in self.configurations))

    @property
    def energy_errors(self) -> NDArray[np.float64]:
        """Differences of energies in eV/atom, the shift included."""
        return np.array(
            [
                item.predicted_energy + self.shift - item.energy
                for item in self.configurations
                if item.energy is not None
            ]
        )

    @property
    def force_errors(self) -> NDArray[np.float64]:
        """Differences of all force components in eV/Å."""
        return np.concatenate([np.zeros(0), *(item.force_errors for item in self.configurations)])

    @property
    def energy_rmse(self) -> float:
        """Root mean square error of energies in meV/atom; NaN without energies."""
        return MILLIELECTRONVOLTS * _rms(self.energy_errors)

    @property
    def force_rmse(self) -> float:
        """Root mean square error of force components in eV/Å; NaN without forces."""
        return _rms(self.force_errors)

    def with_mean_shift(self) -> Comparison:
        """Return the comparison with the mean difference of energies taken off."""
        errors = Comparison(self.configurations).energy_errors
        shift = -float(errors.mean()) if len(errors) else 0.0
        return Comparison(self.configurations, self.problems, shift)

    def errors(self) -> dict[str, float | int]:
        """Return counts and errors: meV/atom and eV/Å."""
        energies, forces = self.energy_errors, self.force_errors
        return {
            "configurations": len(self.configurations),
            "atoms": sum(item.atoms for item in self.configurations),
            "energy_rmse": self.energy_rmse,
            "energy_mae": MILLIELECTRONVOLTS * _mean(np.abs(energies)),
            "force_rmse": self.force_rmse,
            "force_mae": _mean(np.abs(forces)),
        }

    def errors_by_group(self) -> dict[str, dict[str, float | int]]:
        """Return the errors of each kind of configuration."""
        groups: dict[str, list[ComparedConfiguration]] = {}
        for item in self.configurations:
            groups.setdefault(item.group, []).append(item)
        return {name: Comparison(own, [], self.shift).errors() for name, own in groups.items()}

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a table with a line for each configuration."""
        with whole_file(path) as temporary, temporary.open("w", newline="") as stream:
            writer = TableWriter(stream)
            writer.writerow(FIELDS)
            for item in self.configurations:
                errors = item.force_errors
                known = len(errors) > 0
                writer.writerow(
                    [
                        item.id,
                        item.part,
                        item.group,
                        item.atoms,
                        "" if item.energy is None else f"{item.energy:.8g}",
                        f"{item.predicted_energy + self.shift:.8g}",
                        f"{_rms(errors):.6g}" if known else "",
                        f"{np.abs(errors).max():.6g}" if known else "",
                    ]
                )


def compare(
    force_field: ForceField,
    configurations: Iterable[tuple[str, Configuration]],
    *,
    shifts: Mapping[str, float] | None = None,
    progress: bool = False,
) -> Comparison:
    """Evaluate configurations and set the results beside the reference.

    Parameters
    ----------
    force_field
        What is tested.
    configurations
        Pairs of a part's name and a configuration of it. One that cannot be evaluated is noted
        among the problems and left out.
    shifts
        Energies in eV to add for each atom of an element, by symbol.
    progress
        Whether to show on stderr how far it is.
    """
    compared, problems = [], []
    for part, item in counted(configurations, "testing", show=progress):
        try:
            evaluation = force_field.evaluate(item.crystal)
        except (CrystalError, ForceFieldError) as problem:
            problems.append(f"{item.id}: {problem}")
            continue
        atoms = len(item.crystal)
        moved = sum((shifts or {}).get(symbol, 0.0) for symbol in item.crystal.symbols)
        has_stress = item.stress is not None and evaluation.volume > 0.0
        compared.append(
            ComparedConfiguration(
                id=item.id,
                part=part,
                group=item.group,
                atoms=atoms,
                energy=None if item.energy is None else item.energy / atoms,
                predicted_energy=(evaluation.energy + moved) / atoms,
                forces=item.forces,
                predicted_forces=evaluation.forces,
                stress=item.stress if has_stress else None,
                predicted_stress=evaluation.stress if has_stress else None,
            )
        )
    return Comparison(compared, problems)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
