"""Checks of a force field on one structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import Evaluation, ForceField

__all__ = ["Case", "Check", "Tolerances", "checks_of_structure"]

Array = NDArray[np.float64]

_DIRECTIONS = 3


@dataclass(frozen=True)
class Tolerances:
    """Errors that are allowed, and the step of finite differences.

    Parameters
    ----------
    energy
        Between energies that should be equal, in eV for each atom.
    forces
        Between forces that should be equal, in eV/Å; times the largest force if that is above 1.
    derivative
        Between forces and finite differences of the energy, in eV/Å; scaled likewise.
    virial
        Between the virial and finite differences, in eV for each atom; times the largest element
        of the virial for each atom if that is above 1.
    energy_jump, force_jump
        Jumps along a path, in eV and eV/Å.
    step
        Step of the finite differences in Å (for strains, as part of 1). The error of the
        four-point formula on cubic splines is about a third of the square of the step times the
        jump of the third derivative.
    """

    energy: float = 1e-8
    forces: float = 1e-7
    derivative: float = 2e-5
    virial: float = 2e-5
    energy_jump: float = 1e-7
    force_jump: float = 1e-5
    step: float = 3e-4


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name
        What was checked.
    structure
        On what.
    error, tolerance
        What was found and what is allowed, in the unit.
    unit
        The unit.
    """

    name: str
    structure: str
    error: float
    tolerance: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the error is allowed; NaN is not."""
        return self.error <= self.tolerance

    def as_object(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "check": self.name,
            "structure": self.structure,
            "error": self.error,
            "tolerance": self.tolerance,
            "unit": self.unit,
            "passed": self.passed,
        }

    def __str__(self) -> str:
        """Return the check as part of a sentence."""
        return (
            f"{self.name} ({self.structure}): {self.error:.2e} {self.unit}, "
            f"allowed {self.tolerance:.1e}"
        )


@dataclass(frozen=True, eq=False)
class Case:
    """A structure on which a force field is checked, with what it says of it."""

    force_field: ForceField
    name: str
    crystal: Crystal
    evaluation: Evaluation
    tolerances: Tolerances
    generator: np.random.Generator

    @property
    def force_scale(self) -> float:
        """Largest component of a force in eV/Å, at least 1."""
        return max(1.0, float(np.abs(self.evaluation.forces).max()))

    def same(self, what: str, crystal: Crystal, expected: Evaluation) -> Iterator[Check]:
        """Check that a structure has the energies, forces and virial that are expected."""
        found = self.force_field.evaluate(crystal)
        allowed = self.tolerances
        count = len(crystal)
        virial_scale = max(1.0, float(np.abs(expected.virial).max()) / count)
        differences = (
            ("energies", found.energies - expected.energies, allowed.energy, "eV"),
            ("forces", found.forces - expected.forces, allowed.forces * self.force_scale, "eV/Å"),
            (
                "virial",
                (found.virial - expected.virial) / count,
                allowed.forces * virial_scale,
                "eV/atom",
            ),
        )
        for part, difference, tolerance, unit in differences:
            error = float(np.abs(difference).max())
            yield Check(f"{what}: {part}", self.name, error, tolerance, unit)


def checks_of_structure(case: Case) -> Iterator[Check]:
    """Carry out all checks of one structure."""
    yield from _shapes(case)
    yield from _force_derivatives(case)
    yield from _virial_derivatives(case)
    yield from _permutation(case)
    yield from _rotations(case)
    yield from _translation(case)
    yield from _wrapping(case)
    yield from _supercell(case)


def _shapes(case: Case) -> Iterator[Check]:
    evaluation, count = case.evaluation, len(case.crystal)
    good = (
        evaluation.energies.shape == (count,)
        and evaluation.forces.shape == (count, 3)
        and evaluation.virial.shape == (3, 3)
    )
    periodic = bool(case.crystal.pbc.all())
    good = good and evaluation.volume == (case.crystal.volume if periodic else 0.0)
    yield Check("shapes and volume", case.name, 0.0 if good else 1.0, 0.0, "wrong")
    skew = float(np.abs(evaluation.virial - evaluation.virial.T).max()) / count
    scale = max(1.0, float(np.abs(evaluation.virial).max()) / count)
    yield Check("virial is symmetric", case.name, skew, case.tolerances.forces * scale, "eV/atom")
    net = float(np.abs(evaluation.forces.sum(axis=0)).max()) / count
    allowed = case.tolerances.forces * case.force_scale
    yield Check("forces add up to zero", case.name, net, allowed, "eV/Å/atom")


def _derivative(energy: Callable[[float], float], step: float) -> float:
    """Four-point derivative at zero."""
    near = energy(step) - energy(-step)
    far = energy(2.0 * step) - energy(-2.0 * step)
    return (8.0 * near - far) / (12.0 * step)


def _force_derivatives(case: Case) -> Iterator[Check]:
    """Along directions of all atoms together, and of single atoms."""
    crystal, generator = case.crystal, case.generator
    count = len(crystal)
    directions = [generator.normal(size=(count, 3)) for _ in range(_DIRECTIONS)]
    for atom in generator.permutation(count)[:_DIRECTIONS]:
        single = np.zeros((count, 3))
        single[atom] = generator.normal(size=3)
        directions.append(single)
    errors = []
    for direction in directions:
        unit = direction / np.linalg.norm(direction)

        def energy(step: float, unit: Array = unit) -> float:
            moved = replace(crystal, positions=crystal.positions + step * unit)
            return case.force_field.evaluate(moved).energy

        slope = _derivative(energy, case.tolerances.step)
        errors.append(abs(slope + float((case.evaluation.forces * unit).sum())))
    allowed = case.tolerances.derivative * case.force_scale
    yield Check("forces are derivatives", case.name, max(errors), allowed, "eV/Å")


def _virial_derivatives(case: Case) -> Iterator[Check]:
    crystal, virial = case.crystal, case.evaluation.virial
    count = len(crystal)
    errors = []
    for _ in range(_DIRECTIONS):
        strain = case.generator.normal(size=(3, 3))
        strain = 0.5 * (strain + strain.T)
        strain /= np.linalg.norm(strain)

        def energy(step: float, strain: Array = strain) -> float:
            change = np.eye(3) + step * strain
            strained = replace(
                crystal, positions=crystal.positions @ change, cell=crystal.cell @ change
            )
            return case.force_field.evaluate(strained).energy

        slope = _derivative(energy, case.tolerances.step)
        errors.append(abs(slope - float((virial * strain).sum())) / count)
    scale = max(1.0, float(np.abs(virial).max()) / count)
    allowed = case.tolerances.virial * scale
    yield Check("virial is a derivative", case.name, max(errors), allowed, "eV/atom")


def _permutation(case: Case) -> Iterator[Check]:
    crystal, expected = case.crystal, case.evaluation
    order = case.generator.permutation(len(crystal))
    permuted = replace(
        crystal,
        positions=crystal.positions[order],
        numbers=crystal.numbers[order],
        charges=None if crystal.charges is None else crystal.charges[order],
    )
    reordered = replace(expected, energies=expected.energies[order], forces=expected.forces[order])
    yield from case.same("order of atoms", permuted, reordered)


def _rotations(case: Case) -> Iterator[Check]:
    crystal, expected = case.crystal, case.evaluation
    rotation, triangle = np.linalg.qr(case.generator.normal(size=(3, 3)))
    rotation *= np.sign(np.diag(triangle)) * np.sign(np.linalg.det(rotation))
    if np.linalg.det(rotation) < 0.0:
        rotation = -rotation
    for what, matrix in (("rotation", rotation), ("improper rotation", -rotation)):
        turned = replace(crystal, positions=crystal.positions @ matrix, cell=crystal.cell @ matrix)
        result = replace(
            expected,
            forces=expected.forces @ matrix,
            virial=matrix.T @ expected.virial @ matrix,
        )
        yield from case.same(what, turned, result)


def _translation(case: Case) -> Iterator[Check]:
    shift = case.generator.uniform(-5.0, 5.0, 3)
    moved = replace(case.crystal, positions=case.crystal.positions + shift)
    yield from case.same("translation", moved, case.evaluation)


def _wrapping(case: Case) -> Iterator[Check]:
    crystal = case.crystal
    if not crystal.pbc.any():
        return
    steps = case.generator.integers(-3, 4, (len(crystal), 3)) * crystal.pbc
    moved = replace(crystal, positions=crystal.positions + steps @ crystal.cell)
    yield from case.same("lattice vectors added", moved, case.evaluation)


def _supercell(case: Case) -> Iterator[Check]:
    crystal, one = case.crystal, case.evaluation
    for axis in np.flatnonzero(crystal.pbc):
        counts = [1, 1, 1]
        counts[axis] = 2
        twice = Evaluation(
            np.tile(one.energies, 2), np.tile(one.forces, (2, 1)), 2.0 * one.virial, 0.0
        )
        yield from case.same(f"supercell {counts}", crystal.repeat(counts), twice)
