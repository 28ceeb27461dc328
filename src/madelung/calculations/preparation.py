"""Structures with their calculators, as the jobs need them."""

from __future__ import annotations

from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.interface import ForceField

__all__ = ["calculator_of", "crystal_of", "prepare_atoms"]


def prepare_atoms(structure: Any, force_field: Any) -> Any:
    """Return a copy of a structure as ASE ``Atoms`` with a calculator.

    Parameters
    ----------
    structure
        Whatever :func:`madelung.as_crystals` takes. ASE ``Atoms`` keep their momenta,
        masses and constraints.
    force_field
        A :class:`ForceField`, or an ASE calculator.

    Raises
    ------
    ForceFieldError
        If there are several structures, or the second argument is neither.
    """
    if hasattr(structure, "get_pbc") and hasattr(structure, "copy"):
        atoms = structure.copy()
    else:
        crystals, single = as_crystals(structure)
        if not single:
            raise ForceFieldError("a job takes one structure; call it for each of several")
        atoms = crystals[0].to_ase()
    atoms.calc = calculator_of(force_field)
    return atoms


def calculator_of(force_field: Any) -> Any:
    """Return the ASE calculator of a force field, or an ASE calculator as it is."""
    if isinstance(force_field, ForceField):
        from madelung.forcefields.calculator import ForceFieldCalculator

        return ForceFieldCalculator(force_field)
    if hasattr(force_field, "get_property"):
        return force_field
    raise ForceFieldError(
        f"an object of type {type(force_field).__name__!r} is neither a force field nor an ASE "
        "calculator; see load_force_field for files"
    )


def crystal_of(atoms: Any, source: str | None = None) -> Crystal:
    """Return ASE ``Atoms`` as a crystal."""
    return Crystal.from_ase(atoms, source)
