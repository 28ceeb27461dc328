"""Look-up of CIF items under the names that different dictionaries give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES

__all__ = [
    "CifBlock",
    "Column",
    "column",
    "formula_counts",
    "known_elements",
    "normalised",
    "site_column",
    "value",
]


_UNKNOWN = frozenset({"?", ".", "", "''", '""'})


@dataclass(frozen=True)
class Column:
    """The values of one item of a block.

    Parameters
    ----------
    tag
        The item's name as the file spells it.
    raw
        The values as they stand in the file.
    loop
        Which of the block's lists holds the item.
    """

    tag: str
    raw: list[str]
    loop: int

    @property
    def is_known(self) -> bool:
        """Whether a value is more than a mark for an unknown or inapplicable one."""
        return any(raw not in _UNKNOWN for raw in self.raw)

    def texts(self) -> list[str]:
        """Return the values without quotes."""
        from gemmi import cif

        # The marks for unknown and inapplicable values must stay apart from an empty text.
        return [cif.as_string(raw) if raw not in {"?", "."} else raw for raw in self.raw]


@dataclass(frozen=True, eq=False)
class CifBlock:
    """The items of a data block, by names in small letters with underscores alone.

    So one name stands for all the spellings of the dictionaries: ``_cell_length_a`` (core 2) and
    ``_cell.length_a`` (core 3).

    Parameters
    ----------
    name
        The block's name.
    columns
        Each item, the first known one where a file repeats it.
    loops
        The items of each list.
    warnings
        What should be known of the block.
    """

    name: str
    columns: dict[str, Column]
    loops: list[dict[str, Column]]
    warnings: list[str]

    @classmethod
    def of(cls, block: Any) -> CifBlock:
        """Take the items of a ``gemmi.cif.Block``."""
        columns: dict[str, Column] = {}
        loops: list[dict[str, Column]] = []
        repeated: dict[str, int] = {}
        spelled: set[str] = set()
        for number, item in enumerate(block):
            loops.append({})
            for column in _columns_of(item, number):
                key = normalised(column.tag)
                loops[-1].setdefault(key, column)
                if column.tag.lower() in spelled:
                    repeated[column.tag] = repeated.get(column.tag, 1) + 1
                spelled.add(column.tag.lower())
                if key not in columns or (column.is_known and not columns[key].is_known):
                    columns[key] = column
        warnings = [
            f"{tag} is given {count} times; the first is taken" for tag, count in repeated.items()
        ]
        return cls(block.name, columns, loops, warnings)


def normalised(tag: str) -> str:
    """Return the name by which a block keeps an item."""
    return tag.lower().replace(".", "_").replace("-", "_")


def _columns_of(item: Any, number: int) -> list[Column]:
    if item.pair is not None:
        tag, raw = item.pair
        return [Column(tag, [raw], number)]
    if item.loop is not None:
        tags, values = list(item.loop.tags), list(item.loop.values)
        return [Column(tag, values[k :: len(tags)], number) for k, tag in enumerate(tags)]
    return []


def column(block: CifBlock, category: str, item: str) -> list[str]:
    """Return the values of an item, unquoted; empty if the block has none."""
    found = block.columns.get(normalised(f"_{category}_{item}"))
    return [] if found is None else found.texts()


def site_column(block: CifBlock, item: str) -> list[str]:
    """Return an item of the sites, in the order of the list that holds their coordinates.

    A second list of sites, with displacements or occupancies, is matched by its labels.
    """
    own, found = (block.columns.get(f"_atom_site_{key}") for key in ("fract_x", item))
    if found is None or own is None or found.loop == own.loop:
        return [] if found is None else found.texts()
    labels = [block.loops[part.loop].get("_atom_site_label") for part in (own, found)]
    if labels[0] is None or labels[1] is None:
        return found.texts()
    by_label = dict(zip(labels[1].raw, found.texts(), strict=True))
    if labels[0].raw == labels[1].raw:
        return found.texts()
    return [by_label.get(label, "?") for label in labels[0].raw]


def value(block: CifBlock, category: str, item: str) -> str | None:
    """Return the first value of an item, or None if it is absent, unknown or inapplicable."""
    values = column(block, category, item)
    return None if not values or values[0] in {"?", ".", ""} else values[0].strip()


def formula_counts(block: CifBlock) -> dict[str, float]:
    """Return the atoms of ``_chemical_formula_sum``; empty if it is absent or not understood."""
    text = value(block, "chemical_formula", "sum") or ""
    counts: dict[str, float] = {}
    for word in text.replace(",", " ").split():
        # Elements stand apart in a formula by the dictionary, and side by side in many files.
        if not re.fullmatch(r"(?:[A-Z][a-z]?(?:\d+\.?\d*|\.\d+)?)+", word):
            return {}
        for name, number in re.findall(r"([A-Z][a-z]?)([\d.]*)", word):
            symbol = HYDROGEN_ISOTOPES.get(name, name)
            if symbol not in ATOMIC_NUMBERS:
                return {}
            counts[symbol] = counts.get(symbol, 0.0) + float(number or 1)
    return {symbol: count for symbol, count in counts.items() if count > 0.0}


def known_elements(block: CifBlock, *, formula_only: bool = False) -> set[str]:
    """Return the elements named by the formula and, unless told not to, the list of atom types."""
    elements = set(formula_counts(block))
    if not formula_only:
        for raw in column(block, "atom_type", "symbol"):
            letters = re.sub(r"[^A-Za-z].*", "", raw)
            # In capitals it may be a group of atoms: CO, NO and CN are no evidence of elements.
            symbol = letters if len(letters) == 1 or letters[1:].islower() else ""
            symbol = HYDROGEN_ISOTOPES.get(symbol, symbol)
            if symbol in ATOMIC_NUMBERS:
                elements.add(symbol)
    return elements
