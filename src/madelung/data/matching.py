"""Crystals that two collections have in common, so that what is tested on was not learnt from."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from madelung.common.arrays import to_numpy
from madelung.common.errors import DatasetError
from madelung.common.progress import watched
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import chemical_formula
from madelung.data.records import Record

__all__ = ["Match", "find_matches", "reduced_formula"]

# Reducing a cell takes memory with the square of its atoms, comparing two takes time with more
# than their cube.
_LARGEST_REDUCED = 2_000
_LARGEST_COMPARED = 250


@dataclass(frozen=True)
class Match:
    """Two records whose crystals are the same.

    Parameters
    ----------
    left, right
        Ids of the records.
    formula
        Reduced formula of both.
    note
        Empty, or why the crystals could not be compared, so that they are taken for the same.
    """

    left: str
    right: str
    formula: str
    note: str = ""


def find_matches(
    left: Iterable[Record],
    right: Iterable[Record],
    *,
    length_tolerance: float = 0.2,
    site_tolerance: float = 0.3,
    angle_tolerance: float = 5.0,
    largest: int = _LARGEST_COMPARED,
    progress: bool = False,
) -> list[Match]:
    """Find the crystals of one collection that are in another one as well.

    Crystals of the same reduced formula are compared by pymatgen's ``StructureMatcher``: primitive
    cells are scaled to the same volume for each atom, and are the same if one can be laid onto the
    other within the tolerances. Cells may be rotated, repeated, strained a little, or chosen
    otherwise. Charges do not count, and all crystals are taken for periodic in three directions.

    Parameters
    ----------
    left
        Records, read once and one at a time.
    right
        Records, which are held in memory.
    length_tolerance, site_tolerance, angle_tolerance
        ``ltol`` (part of a length), ``stol`` (part of the length that an atom has by its volume)
        and ``angle_tol`` (degrees) of ``StructureMatcher``.
    largest
        Most atoms of primitive cells that are compared. Crystals of the same formula with larger
        ones of equal size are taken for the same, as are those whose comparison fails: what is
        wrongly held out of training does little harm. :attr:`Match.note` says so.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    list of Match
        In the order of the left records, then of the right ones.

    Raises
    ------
    DatasetError
        If pymatgen is not installed.
    """
    matcher = _matcher(length_tolerance, site_tolerance, angle_tolerance)
    groups: dict[str, list[_Candidate]] = defaultdict(list)
    for record in right:
        groups[reduced_formula(record.crystal)].append(_Candidate(record))
    total = len(left) if isinstance(left, Sized) else None
    matches = []
    with watched("comparing crystals", show=progress) as advance, warnings.catch_warnings():
        # pymatgen warns of coordinates and electronegativities that play no part here.
        warnings.simplefilter("ignore")
        for number, record in enumerate(left, start=1):
            formula = reduced_formula(record.crystal)
            candidate = _Candidate(record)
            for other in groups.get(formula, ()):
                note = _verdict(matcher, candidate, other, largest)
                if note is not None:
                    matches.append(Match(record.id, other.record.id, formula, note))
            advance(number, total)
    return matches


def reduced_formula(crystal: Crystal) -> str:
    """Return the formula with the smallest whole numbers: NaCl for a cell of Na4Cl4."""
    numbers, counts = np.unique(crystal.numbers, return_counts=True)
    return chemical_formula(np.repeat(numbers, counts // math.gcd(*counts.tolist())))


class _Candidate:
    """A record whose crystal is reduced when it is first compared."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @cached_property
    def reduced(self) -> Any:
        """The primitive cell as ``StructureMatcher`` makes it, or why there is none."""
        crystal = self.record.crystal
        if len(crystal) > _LARGEST_REDUCED:
            return f"{self.record.id} has {len(crystal)} atoms"
        try:
            structure = replace(crystal, charges=None, pbc=True).to_pymatgen()
            return structure.get_reduced_structure("niggli").get_primitive_structure()
        except Exception as error:  # pymatgen and NumPy raise whatever comes
            return f"{self.record.id} has no reduced cell ({error or type(error).__name__})"


def _verdict(matcher: Any, left: _Candidate, right: _Candidate, largest: int) -> str | None:
    """Return None for different crystals, "" for the same, and else why it cannot be said."""
    if _is_copy(left.record.crystal, right.record.crystal):
        return ""
    for reduced in (left.reduced, right.reduced):
        if isinstance(reduced, str):
            return f"not compared: {reduced}"
    # StructureMatcher comes to the same conclusion after more work.
    if len(left.reduced) != len(right.reduced):
        return None
    if len(left.reduced) > largest:
        return f"not compared: primitive cells of {len(left.reduced)} atoms"
    try:
        # Close to a tolerance, one may be laid onto the other in one direction only.
        same = any(
            matcher.fit(first.reduced, second.reduced, skip_structure_reduction=True)
            for first, second in ((left, right), (right, left))
        )
    except Exception as error:  # pymatgen and NumPy raise whatever comes
        return f"not compared: {error or type(error).__name__}"
    return "" if same else None


def _is_copy(left: Crystal, right: Crystal) -> bool:
    """Return whether two crystals are written in the same numbers."""
    return all(
        np.array_equal(to_numpy(getattr(left, name)), to_numpy(getattr(right, name)))
        for name in ("numbers", "cell", "positions")
    )


def _matcher(length_tolerance: float, site_tolerance: float, angle_tolerance: float) -> Any:
    try:
        from pymatgen.core.structure_matcher import ElementComparator, StructureMatcher
    except ImportError as error:
        raise DatasetError(
            f"crystals are compared by pymatgen, which cannot be imported ({error}): "
            "pip install 'madelung[pymatgen]'"
        ) from None
    return StructureMatcher(
        ltol=length_tolerance,
        stol=site_tolerance,
        angle_tol=angle_tolerance,
        primitive_cell=True,
        scale=True,
        comparator=ElementComparator(),
    )
