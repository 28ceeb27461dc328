"""Crystals, targets and splits from the plain values of JSON and CSV files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from madelung.common.errors import CrystalError, DatasetError
from madelung.crystals.checks import as_reals
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES
from madelung.crystals.occupancy import refuse_partial_occupancy
from madelung.data.records import Record

__all__ = [
    "FOLDS",
    "crystal_from_lists",
    "fold_splits",
    "make_record",
    "split_values",
    "target_value",
]

FOLDS = 5
"""Number of folds where a file gives each crystal the fold that it is tested in."""

_MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-"})


def crystal_from_lists(
    lattice: Any,
    coordinates: Any,
    species: Any,
    source: str,
    *,
    cartesian: bool = False,
    pbc: Any = True,
    charges: Any = None,
) -> Crystal:
    """Build a crystal from nested lists.

    Parameters
    ----------
    lattice
        (3, 3) lattice vectors as rows, in Å.
    coordinates
        (n, 3) fractional coordinates, or Cartesian ones in Å.
    species
        (n,) element symbols; a mapping from symbols to occupancies is allowed if it is one whole
        element.
    source
        Where the crystal comes from, for messages.
    cartesian
        Whether the coordinates are Cartesian.
    pbc, charges
        As in :class:`~madelung.Crystal`.

    Raises
    ------
    CrystalError
        If there is no usable crystal.
    """
    if not isinstance(species, list) or not species:
        raise CrystalError(f"{source}: there are no species; list the element symbol of each atom")
    numbers = [_atomic_number(item, site, source) for site, item in enumerate(species)]
    cell = as_reals(lattice, "cell", (3, 3), source)
    positions = as_reals(coordinates, "positions", (len(numbers), 3), source)
    return Crystal(
        cell=cell,
        positions=positions if cartesian else positions @ cell,
        numbers=np.array(numbers),
        pbc=pbc,
        source=source,
        charges=charges,
    )


def _atomic_number(item: Any, site: int, source: str) -> int:
    place = f"site {site} (counted from 0)"
    if isinstance(item, Mapping):
        refuse_partial_occupancy(item, place, source)
        (item,) = item
    symbol = HYDROGEN_ISOTOPES.get(item, item) if isinstance(item, str) else item
    if not isinstance(symbol, str) or symbol not in ATOMIC_NUMBERS:
        raise CrystalError(
            f"{source}: {place}: {item!r} is no chemical element; give every site an element symbol"
        )
    return ATOMIC_NUMBERS[symbol]


def target_value(value: Any, name: str, source: str) -> float | None:
    """Return a target as a number, or None if the file says that it is not known.

    None, NaN and texts such as "na" and "" stand for values that are not known.

    Raises
    ------
    DatasetError
        If it is no number, or infinite.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return None
    try:
        if not isinstance(value, str | int | float | np.number | np.bool_):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise DatasetError(
            f"{source}: target {name!r} is {_short(value)}, which is no number; correct it, or "
            "leave it out if it is not known"
        ) from None
    if math.isinf(number):
        raise DatasetError(
            f"{source}: target {name!r} is not finite ({value}); leave it out if it is not known"
        )
    return None if math.isnan(number) else number


def split_values(split: Any, source: str) -> dict[str, str]:
    """Return parts by the name of the split from what a file says.

    Parameters
    ----------
    split
        The part in the only split (which is then called "split"), parts by the name of the split,
        or ``{"test_fold": k}`` for the fold that the crystal is tested in.
    source
        Where it comes from, for messages.

    Raises
    ------
    DatasetError
        If it is none of these.
    """
    if split is None or split == "":
        return {}
    if isinstance(split, str):
        return {"split": split}
    if not isinstance(split, Mapping):
        raise DatasetError(
            f"{source}: the split {_short(split)} is not understood; write train, val or test, or "
            "an object with one of these for each split"
        )
    rest = {str(name): part for name, part in split.items() if name != "test_fold"}
    parts = {name: part for name, part in rest.items() if part not in (None, "")}
    return parts | (fold_splits(split["test_fold"], source) if "test_fold" in split else {})


def fold_splits(fold: Any, source: str) -> dict[str, str]:
    """Return the splits "fold-0" to "fold-4" of a crystal that is tested in one of the folds.

    Raises
    ------
    DatasetError
        If there is no such fold.
    """
    if isinstance(fold, bool) or not isinstance(fold, int) or not 0 <= fold < FOLDS:
        text = f"the fold {_short(fold)} is none of 0 to {FOLDS - 1}; correct it"
        raise DatasetError(f"{source}: {text}")
    return {f"fold-{k}": "test" if k == fold else "train" for k in range(FOLDS)}


def make_record(
    name: Any,
    crystal: Crystal,
    targets: Iterable[tuple[str, Any]],
    splits: Mapping[str, Any],
) -> Record:
    """Put a record together; what is missing among the targets is left out.

    Raises
    ------
    DatasetError
        If the id, a target or a split cannot be used; the message names the crystal's source.
    """
    source = crystal.source or str(name)
    values = {key: target_value(value, key, source) for key, value in targets}
    try:
        return Record(
            id=str(name) if isinstance(name, int) and not isinstance(name, bool) else name,
            crystal=crystal,
            targets={key: value for key, value in values.items() if value is not None},
            splits=splits,
        )
    except DatasetError as error:
        raise DatasetError(f"{source}: {error}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
