"""Elements and oxidation numbers from the type symbols and labels of CIF sites."""

from __future__ import annotations

import re
from dataclasses import dataclass

from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES
from madelung.crystals.reading.cif_tags import CifBlock, column

__all__ = ["Species", "listed_oxidation_numbers", "read_species"]

_TYPE_SYMBOL = re.compile(
    r"([A-Za-z]{1,2})(?:(?P<size>\d*\.?\d*)(?P<sign>[+-])|(?P<sign2>[+-])(?P<size2>\d+\.?\d*)|\d+|\d*\.\d+)?"
)
# Groups of atoms whose letters are an element's symbol as well when they stand in capitals.
_GROUPS_LIKE_ELEMENTS = frozenset({"NH", "NO", "CN", "CO", "HO", "PO", "CF", "HS", "BH"})
# Groups of atoms that label a site: water, hydroxide, ammonium, oxoanions; perhaps with a number.
_GROUP_LABEL = re.compile(
    r"(?:[HD][23]O|O[HD]|NH[1-4]?|NO[23]?|CN|CO[23]?|[SP]O[34]?|ClO[34]?|BF4|BH4|CH[1-4]|HCO3|SCN)"
    r"(?:[_\-+(]?\d*[A-Za-z]?\)?|[+-]\d*|\d*[+-])"
)
# No crystal is known of these; a file that seems to hold one means something else.
_SUPERHEAVY = 104


@dataclass(frozen=True)
class Species:
    """Element symbol of a site, and its oxidation number if the file gives one."""

    symbol: str
    charge: float | None


def listed_oxidation_numbers(block: CifBlock) -> dict[str, float]:
    """Return the oxidation numbers that a block's list of atom types gives, by type symbol."""
    from gemmi import cif

    symbols = column(block, "atom_type", "symbol")
    numbers = [cif.as_number(raw) for raw in column(block, "atom_type", "oxidation_number")]
    if len(numbers) != len(symbols):
        return {}
    return {s: number for s, number in zip(symbols, numbers, strict=True) if number == number}


def read_species(
    type_symbol: str, label: str, elements: set[str], oxidation: dict[str, float]
) -> Species | str:
    """Find the element of a site.

    Parameters
    ----------
    type_symbol
        ``_atom_site_type_symbol``, or ``?``; an element's symbol, perhaps with a charge (Fe3+).
    label
        ``_atom_site_label``; asked if there is no type symbol, and whether CO is cobalt.
    elements
        Elements that the file names elsewhere; they settle labels such as CA1.
    oxidation
        Oxidation numbers by type symbol.

    Returns
    -------
    Species or str
        The species, or a text that says why there is none.
    """
    from_type = type_symbol not in {"?", ".", ""}
    text = type_symbol if from_type else label
    match = _TYPE_SYMBOL.fullmatch(text)
    letters = match[1] if match else re.sub(r"[^A-Za-z].*", "", text)
    if from_type:
        symbol = letters.capitalize() if match else ""
    else:
        symbol = _symbol_of_label(letters, elements)
    symbol = HYDROGEN_ISOTOPES.get(symbol, symbol)
    if symbol not in ATOMIC_NUMBERS:
        kind = "type symbol" if from_type else "label, without a type symbol,"
        return (
            f"the {kind} {text!r} names no chemical element for certain; give one in "
            "_atom_site_type_symbol (a group of atoms needs a site for each atom)"
        )
    if _is_group(text, match, symbol, label if from_type else None, elements):
        return (
            f"the {'type symbol' if from_type else 'label'} {text!r} is a group of atoms, no "
            "element; list each atom of the group as a site of its own"
        )
    charge = oxidation.get(type_symbol)
    return Species(symbol, _charge(match) if charge is None else charge)


def _is_group(
    text: str, match: re.Match[str] | None, symbol: str, label: str | None, elements: set[str]
) -> bool:
    """Return whether a type symbol, with its label, or a label stands for several atoms (NH4+)."""
    if label is None:
        pair = text[:2].capitalize()
        # CO1 is cobalt in capitals where the file names cobalt, and no carbon.
        settled = len(symbol) == 2 and pair == symbol and text[:1] not in elements
        settled = settled and symbol in elements
        return _GROUP_LABEL.fullmatch(text) is not None and not settled
    letters = "" if match is None else match[1]
    if letters in _GROUPS_LIKE_ELEMENTS:
        # CO is cobalt where the label or the rest of the file spells it so.
        spelled = symbol in elements or re.match(rf"{symbol}(?![a-z])", label) is not None
        return not spelled or {*letters} <= elements
    numbered = match is not None and match[0] != letters
    return ATOMIC_NUMBERS[symbol] >= _SUPERHEAVY and numbered and symbol not in elements


def _symbol_of_label(letters: str, elements: set[str]) -> str:
    """Return the element that a label's leading letters mean, or an empty text if in doubt."""
    pair, single = letters[:2].capitalize(), letters[:1].upper()
    candidates = {s for s in (pair, single) if HYDROGEN_ISOTOPES.get(s, s) in ATOMIC_NUMBERS}
    if elements:
        candidates = {s for s in candidates if HYDROGEN_ISOTOPES.get(s, s) in elements}
    else:
        # T1 is a tetrahedral site more often than tritium; Wat and Cent only begin like elements.
        candidates = set() if len(letters) > 2 else candidates - {"T"}
    if len(candidates) == 2 and letters[1].islower():
        return pair
    return candidates.pop() if len(candidates) == 1 else ""


def _charge(match: re.Match[str] | None) -> float | None:
    if match is None or not (match["sign"] or match["sign2"]):
        return None
    sign = 1.0 if (match["sign"] or match["sign2"]) == "+" else -1.0
    return sign * float(match["size"] or match["size2"] or 1.0)
