"""The full cell of a CIF block, and the choice where its symmetry can be read in several ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError
from madelung.crystals.checks import crystal_error
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.crystals.reading.cif_statements import stated_readings
from madelung.crystals.reading.cif_tags import CifBlock, formula_counts, site_column, value
from madelung.crystals.reading.symmetry import Operations, expand

__all__ = ["choose_expansion"]

_Expansion = tuple[NDArray[np.float64], NDArray[np.int64]]


def choose_expansion(
    block: CifBlock,
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    numbers: NDArray[np.int64],
    labels: Sequence[str],
    check: Callable[[NDArray[np.float64], NDArray[np.int64]], None],
    source: str,
    warnings: list[str],
) -> _Expansion:
    """Expand the sites of a CIF block by the symmetry that the block states.

    What is stated is read by :func:`madelung.crystals.reading.cif_statements.stated_readings`.
    Where it can be read in several ways (two origin choices, a list with fewer operations than the
    named group has), a reading that ``check`` refuses is dropped, and the multiplicities, the
    formula and the number of formula units decide.

    Parameters
    ----------
    block
        The block.
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
    warnings
        Takes what should be known of the block.

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
    readings = stated_readings(block, cell, source, warnings)
    failures: list[CrystalError] = []
    expansions: list[_Expansion] = []
    remaining: list[Operations] = []
    for reading in readings:
        try:
            expansion = expand(reading, cell, fractional, labels, source)
            check(*expansion)
        except CrystalError as error:
            failures.append(error)
            continue
        if len(readings) == 1:
            return expansion
        expansions.append(expansion)
        remaining.append(reading)
    grades = _overall([_agreement(block, parents, numbers) for _, parents in expansions])
    decided = _decided(remaining, grades, warnings)
    if decided is not None:
        return expansions[decided]
    if failures and len(failures) == len(readings):
        raise failures[0]
    raise crystal_error(
        source,
        f"its symmetry can be read as {' or '.join(r.name for r in readings)}, and nothing in the "
        "file decides which; give the complete list of symmetry operations "
        "(_space_group_symop_operation_xyz)",
    )


def _decided(
    readings: Sequence[Operations], grades: Sequence[int], warnings: list[str]
) -> int | None:
    """Return which reading has the best grade, or is the standard one of those that have it."""
    best = max(grades, default=0)
    if best == 0:
        return None
    chosen = [place for place, grade in enumerate(grades) if grade == best]
    if len(chosen) == 1:
        return chosen[0]
    standard = [place for place in chosen if readings[place].is_standard]
    if len(standard) != 1:
        return None
    named = " or ".join(readings[place].name for place in chosen)
    taken = readings[standard[0]].name
    warnings.append(f"its symmetry can be read as {named}; {taken}, the standard, was taken")
    return standard[0]


def _agreement(
    block: CifBlock, parents: NDArray[np.int64], numbers: NDArray[np.int64]
) -> dict[str, int]:
    """Grade how well an expansion agrees with each number of atoms that the block states.

    3: as stated; 2: as stated, if the formula is that of the whole cell and not of one of its Z
    units, as some programs write it; 0: otherwise.
    """
    grades = {}
    made = np.bincount(parents, minlength=len(numbers)).tolist()
    for item in ("site_symmetry_multiplicity", "symmetry_multiplicity"):
        stated = site_column(block, item)
        if len(stated) == len(numbers) and all(text.isdecimal() for text in stated):
            grades[item] = 3 if [int(text) for text in stated] == made else 0
    formula = formula_counts(block)
    units = value(block, "cell", "formula_units_Z")
    if formula and units is not None and units.isdecimal():
        atoms = np.bincount(numbers[parents], minlength=119)
        expected = np.zeros(119)
        for symbol, count in formula.items():
            expected[ATOMIC_NUMBERS[symbol]] = count
        whole = 2 if np.allclose(atoms, expected) else 0
        grades["formula"] = 3 if np.allclose(atoms, expected * int(units)) else whole
    return grades


def _overall(grades: list[dict[str, int]]) -> list[int]:
    """Return the lowest grade of each expansion; 1 where nothing is stated.

    What no expansion meets says nothing about which is right: SHELXL writes 1 for the multiplicity
    of every general position.
    """
    met = {item for own in grades for item, grade in own.items() if grade > 0}
    return [min((own[item] for item in met), default=1) for own in grades]
