"""The symmetry that a CIF block states, and the choice where it can be read in several ways."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError
from madelung.crystals.checks import crystal_error
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.crystals.reading.cif_tags import column, formula_counts, value
from madelung.crystals.reading.symmetry import (
    Operations,
    expand,
    operations_from_group,
    operations_from_triplets,
)

__all__ = ["choose_expansion"]

_OPERATION_ITEMS = (
    ("space_group_symop", "operation_xyz"),
    ("symmetry_equiv", "pos_as_xyz"),
)
_NAME_ITEMS = (
    ("space_group", "name_H-M_alt"),
    ("symmetry", "space_group_name_H-M"),
    ("space_group", "name_H-M_full"),
    ("space_group", "name_H-M_ref"),
)
_HALL_ITEMS = (("space_group", "name_Hall"), ("symmetry", "space_group_name_Hall"))
_NUMBER_ITEMS = (("space_group", "IT_number"), ("symmetry", "Int_Tables_number"))

_Expansion = tuple[NDArray[np.float64], NDArray[np.int64]]


def choose_expansion(
    block: Any,
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    numbers: NDArray[np.int64],
    labels: Sequence[str],
    check: Callable[[NDArray[np.float64], NDArray[np.int64]], None],
    source: str,
) -> _Expansion:
    """Expand the sites of a CIF block by the symmetry that the block states.

    A list of operations comes before a Hall name, that before a Hermann-Mauguin name, that before
    the number of the space group. Where the statement can be read in several ways (two origin
    choices, a list with fewer operations than the named group has), a reading that ``check``
    refuses is dropped, and the multiplicities, the formula and the number of formula units decide.

    Parameters
    ----------
    block
        A ``gemmi.cif.Block``.
    cell
        (3, 3) lattice vectors as rows, in Å.
    fractional
        (n, 3) fractional coordinates of the listed sites.
    numbers
        (n,) atomic numbers of the listed sites.
    labels
        (n,) names of the listed sites.
    check
        Raises CrystalError for an expansion that no crystal can have.
    source
        The file and block, for messages.

    Returns
    -------
    fractional : (N, 3)
        Fractional coordinates of all the atoms.
    parents : (N,)
        The listed site of which each atom is an image.

    Raises
    ------
    CrystalError
        If the symmetry cannot be read, contradicts the cell, or stays ambiguous.
    """
    readings = _readings(block, cell, source)
    failures: list[CrystalError] = []
    graded: list[tuple[int, _Expansion]] = []
    for reading in readings:
        try:
            expansion = expand(reading, cell, fractional, labels, source)
            check(*expansion)
        except CrystalError as error:
            failures.append(error)
            continue
        if len(readings) == 1:
            return expansion
        graded.append((_agreement(block, expansion[1], numbers), expansion))
    best = max((grade for grade, _ in graded), default=0)
    chosen = [expansion for grade, expansion in graded if grade == best]
    if best > 0 and len(chosen) == 1:
        return chosen[0]
    if failures and len(failures) == len(readings):
        raise failures[0]
    raise crystal_error(
        source,
        f"its symmetry can be read as {' or '.join(r.name for r in readings)}, and nothing in the "
        "file decides which; give the complete list of symmetry operations "
        "(_space_group_symop_operation_xyz)",
    )


def _first(block: Any, items: Sequence[tuple[str, str]]) -> str | None:
    found = (value(block, category, item) for category, item in items)
    return next((text for text in found if text is not None), None)


def _readings(block: Any, cell: NDArray[np.float64], source: str) -> list[Operations]:
    lists = (column(block, category, item) for category, item in _OPERATION_ITEMS)
    triplets = next((rows for rows in lists if rows and rows[0] not in {"?", "."}), None)
    named = _named_groups(block, cell)
    if triplets is not None:
        listed = operations_from_triplets(triplets, source)
        # A list cut down to fewer operations than its group has is as common as a stale name.
        fuller = [group for group in named if len(group) > len(listed)]
        return [listed, *fuller] if len(fuller) == len(named) else [listed]
    if column(block, "space_group_symop_magn_operation", "xyz"):
        text = "a magnetic CIF without ordinary symmetry operations; give it in an ordinary setting"
        raise crystal_error(source, text)
    stated = [_first(block, items) for items in (_HALL_ITEMS, _NAME_ITEMS, _NUMBER_ITEMS)]
    if not any(stated):
        return [operations_from_triplets(["x,y,z"], source)]
    if not named:
        text = f"space group {' / '.join(s for s in stated if s)!r} is not known"
        raise crystal_error(source, f"{text}; give the list of symmetry operations")
    return named


def _named_groups(block: Any, cell: NDArray[np.float64]) -> list[Operations]:
    """Return the space groups that the names in the block can mean; none if none is known."""
    import gemmi

    hall = _first(block, _HALL_ITEMS)
    if hall is not None:
        with contextlib.suppress(RuntimeError, ValueError):
            return [operations_from_group(gemmi.symops_from_hall(hall), f"Hall symbol {hall!r}")]
    name = _first(block, _NAME_ITEMS)
    groups = [] if name is None else _groups_of_name(name, cell)
    number = _first(block, _NUMBER_ITEMS)
    if not groups and number is not None and number.isdecimal():
        settings = [group for group in gemmi.spacegroup_table() if group.number == int(number)]
        # A number means the standard setting, unless it stands beside a name of another setting.
        if settings and (name is None or len(settings) == 1):
            groups = _groups_of_name(settings[0].hm, cell)
    return [
        operations_from_group(group.operations(), f"space group {group.xhm()!r}")
        for group in groups
    ]


def _groups_of_name(name: str, cell: NDArray[np.float64]) -> list[Any]:
    """Return the settings of a Hermann-Mauguin name: two where it leaves the origin open."""
    import gemmi

    text = name.replace("_", " ").strip()
    text = re.sub(r"\s*\(?\s*origin\s*(?:choice)?\s*@?\s*([12])\s*\)?$", r":\1", text, flags=re.I)
    # The ICSD marks origin choice 1 by S and choice 2, at the centre of symmetry, by Z.
    text = re.sub(r"\s*:?\s*S$", ":1", text)
    text = re.sub(r"\s*:?\s*Z$", ":2", text)
    angles = _angles(cell)
    group = gemmi.find_spacegroup_by_name(text, angles[0], angles[2])
    if group is None and text[-2:] in {":1", ":2"}:
        group = gemmi.find_spacegroup_by_name(text[:-2], angles[0], angles[2])
        return [] if group is None or group.ext in {"1", "2"} else [group]
    if group is None:
        return []
    if group.ext in {"1", "2"} and not re.search(r":\s*[12]$", text):
        return [gemmi.find_spacegroup_by_name(f"{group.hm}:{choice}") for choice in (1, 2)]
    return [group]


def _angles(cell: NDArray[np.float64]) -> list[float]:
    unit = cell / np.linalg.norm(cell, axis=1)[:, None]
    cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
    return [float(angle) for angle in np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))]


def _agreement(block: Any, parents: NDArray[np.int64], numbers: NDArray[np.int64]) -> int:
    """Grade how well an expansion agrees with the numbers of atoms that the block states.

    3: as stated; 2: as stated, if the formula is that of the whole cell and not of one of its Z
    units, as some programs write it; 1: nothing is stated; 0: otherwise.
    """
    grades = []
    made = np.bincount(parents, minlength=len(numbers)).tolist()
    for item in ("site_symmetry_multiplicity", "symmetry_multiplicity"):
        stated = column(block, "atom_site", item)
        if len(stated) == len(numbers) and all(text.isdecimal() for text in stated):
            grades.append(3 if [int(text) for text in stated] == made else 0)
    formula = formula_counts(block)
    units = value(block, "cell", "formula_units_Z")
    if formula and units is not None and units.isdecimal():
        atoms = np.bincount(numbers[parents], minlength=119)
        expected = np.zeros(119)
        for symbol, count in formula.items():
            expected[ATOMIC_NUMBERS[symbol]] = count
        whole = 2 if np.allclose(atoms, expected) else 0
        grades.append(3 if np.allclose(atoms, expected * int(units)) else whole)
    return min(grades, default=1)
