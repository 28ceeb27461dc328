"""Look-up of CIF items under the names that different dictionaries give them."""

from __future__ import annotations

import re
from typing import Any

from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES

__all__ = ["column", "formula_counts", "known_elements", "value"]


def column(block: Any, category: str, item: str) -> list[str]:
    """Return the values of an item, unquoted; empty if the block has none.

    Both spellings are looked for: ``_cell_length_a`` (core dictionary 2) and ``_cell.length_a``
    (core dictionary 3).
    """
    from gemmi import cif

    for tag in (f"_{category}_{item}", f"_{category}.{item}"):
        values = list(block.find_values(tag))
        if values:
            # The marks for unknown and inapplicable values must stay apart from an empty text.
            return [cif.as_string(raw) if raw not in {"?", "."} else raw for raw in values]
    return []


def value(block: Any, category: str, item: str) -> str | None:
    """Return the first value of an item, or None if it is absent, unknown or inapplicable."""
    values = column(block, category, item)
    return None if not values or values[0] in {"?", ".", ""} else values[0].strip()


def formula_counts(block: Any) -> dict[str, float]:
    """Return the atoms of ``_chemical_formula_sum``; empty if it is absent or not understood."""
    text = value(block, "chemical_formula", "sum") or ""
    counts: dict[str, float] = {}
    for word in text.replace(",", " ").split():
        match = re.fullmatch(r"([A-Z][a-z]?)(\d*\.?\d*)", word)
        symbol = HYDROGEN_ISOTOPES.get(match[1], match[1]) if match else ""
        if match is None or symbol not in ATOMIC_NUMBERS or match[2] == ".":
            return {}
        counts[symbol] = counts.get(symbol, 0.0) + float(match[2] or 1)
    return {symbol: count for symbol, count in counts.items() if count > 0.0}


def known_elements(block: Any, *, formula_only: bool = False) -> set[str]:
    """Return the elements named by the formula and, unless told not to, the list of atom types."""
    elements = set(formula_counts(block))
    if not formula_only:
        for raw in column(block, "atom_type", "symbol"):
            symbol = re.sub(r"[^A-Za-z].*", "", raw).capitalize()
            symbol = HYDROGEN_ISOTOPES.get(symbol, symbol)
            if symbol in ATOMIC_NUMBERS:
                elements.add(symbol)
    return elements
