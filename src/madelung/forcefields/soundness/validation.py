"""Whether a force field is sound: derivatives, invariances, smoothness, additivity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.interface import ForceField
from madelung.forcefields.soundness.checks import Case, Check, Tolerances, checks_of_structure
from madelung.forcefields.soundness.smoothness import checks_of_space
from madelung.forcefields.soundness.trial_structures import trial_structures

__all__ = ["Check", "Tolerances", "ValidationReport", "validate_force_field"]


@dataclass(frozen=True)
class ValidationReport:
    """What was checked of a force field.

    Parameters
    ----------
    checks
        Every check, with the error found and the error that is allowed.
    refused
        Trial structures that the force field does not take, with its reason.
    """

    checks: tuple[Check, ...]
    refused: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks whose error is larger than allowed."""
        return tuple(check for check in self.checks if not check.passed)

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping for each check: check, structure, error, tolerance, unit, passed."""
        return [check.as_object() for check in self.checks]

    def __str__(self) -> str:
        """Return a table."""
        lines = [f"{'check':<28} {'structure':<14} {'error':>9} {'allowed':>9}  unit"]
        for check in self.checks:
            mark = "" if check.passed else "  FAILED"
            lines.append(
                f"{check.name:<28} {check.structure:<14} {check.error:9.1e} "
                f"{check.tolerance:9.1e}  {check.unit}{mark}"
            )
        return "\n".join([*lines, *(f"not taken: {text}" for text in self.refused)])


def validate_force_field(
    force_field: ForceField,
    structures: Any = None,
    *,
    tolerances: Tolerances | None = None,
    seed: int = 0,
    strict: bool = True,
) -> ValidationReport:
    """Check that a force field is what it says it is.

    On each structure: shapes; forces and virial against finite differences of the energy; the
    order of atoms; proper and improper rotations; translations; atoms moved by lattice vectors;
    supercells, atom by atom. In open space: an atom alone has no forces (and the same energy in
    a large cell); energy and forces do not jump while an atom leaves others across the cutoff,
    nor while it comes as near as a seventh of the distance of neighbours; and atoms beyond the
    cutoff add nothing.

    Parameters
    ----------
    force_field
        What to check.
    structures
        Structures to check it on, in which forces should not be zero by symmetry. By default
        a crystal, a skewed cell, a slab and a molecule of its species are made; of these, the
        ones that it refuses are listed in the report.
    tolerances
        Errors that are allowed.
    seed
        For displacements, rotations and permutations.
    strict
        Whether to raise an error if a check fails.

    Returns
    -------
    ValidationReport

    Raises
    ------
    ForceFieldError
        If checks fail, with the numbers of each; or if the force field refuses structures that
        were given, or all.
    """
    allowed = Tolerances() if tolerances is None else tolerances
    generator = np.random.default_rng(seed)
    checks: list[Check] = []
    refused: list[str] = []
    for name, crystal in _structures(force_field, structures, generator):
        try:
            evaluation = force_field.evaluate(crystal)
        except ForceFieldError as error:
            if structures is not None:
                raise
            refused.append(f"{name}: {error}")
            continue
        case = Case(force_field, name, crystal, evaluation, allowed, generator)
        checks.extend(checks_of_structure(case))
    if not checks:
        raise ForceFieldError("the force field takes no structure: " + "; ".join(refused))
    checks.extend(checks_of_space(force_field, allowed, generator))
    report = ValidationReport(tuple(checks), tuple(refused))
    if strict and report.failed:
        lines = "; ".join(str(check) for check in report.failed)
        raise ForceFieldError(
            f"{len(report.failed)} of {len(checks)} checks of the force field fail: {lines}"
        )
    return report


def _structures(
    force_field: ForceField, structures: Any, generator: np.random.Generator
) -> Iterator[tuple[str, Crystal]]:
    if structures is None:
        yield from trial_structures(force_field.species, generator)
        return
    crystals: Sequence[Crystal] = as_crystals(structures)[0]
    for index, crystal in enumerate(crystals):
        yield f"{index}: {crystal.formula}", crystal
