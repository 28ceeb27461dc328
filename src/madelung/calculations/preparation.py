"""Structures with their calculators, as the jobs need them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from madelung.common.errors import CrystalError, ForceFieldError
from madelung.common.text import read_text
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.crystals.reading.ase_formats import read_with_ase
from madelung.forcefields.interface import ForceField

__all__ = ["calculator_of", "constraints_in", "crystal_of", "prepare_atoms"]


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


def constraints_in(path: str | os.PathLike[str], crystal: Crystal) -> Any:
    """Return the last structure of a file as ASE ``Atoms`` if the file fixes atoms of it.

    Parameters
    ----------
    path
        A POSCAR with selective dynamics, or an extxyz file with a ``move_mask``, which may be
        compressed. Other files fix no atoms.
    crystal
        What was read from the file.

    Returns
    -------
    ase.Atoms or None
        The crystal with the constraints; None where there are none.

    Raises
    ------
    ForceFieldError
        If the atoms of the file are not those of the crystal, so that it is not known which are
        fixed.
    """
    try:
        text = read_text(path, ForceFieldError)
    except ForceFieldError:  # binary files, which have been read otherwise
        return None
    lines = text.split("\n", 9)[:9]
    selective = any(line.strip().lower().startswith("s") for line in lines[5:8])
    if "move_mask" in text:
        kind = "extxyz"
    elif selective and not str(path).lower().endswith((".cif", ".json")):
        kind = "vasp"
    else:
        return None
    try:
        read = read_with_ase(text.encode("utf-8"), text, kind, -1, str(path))
    except CrystalError:
        return None
    if not read.constraints:
        return None
    atoms = crystal.to_ase()
    same = len(read) == len(atoms) and (read.numbers == atoms.numbers).all()
    if not same or not np.allclose(read.positions, atoms.positions, atol=1e-6):
        raise ForceFieldError(f"{path}: it is not clear which atoms are fixed; read it with ASE")
    atoms.set_constraint(read.constraints)
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
