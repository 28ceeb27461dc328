"""Space groups by the names that files give them: Hermann-Mauguin, magnetic and Schoenflies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "groups_of_magnetic_name",
    "groups_of_name",
    "groups_of_number",
    "is_full_symbol",
    "is_standard_setting",
    "number_of_schoenflies",
    "with_setting_code",
]

# First number of the space groups of each class; inside a class the numbers follow Schoenflies's.
_FIRST_NUMBERS = {
    "c1": 1, "ci": 2, "c2": 3, "cs": 6, "c2h": 10, "d2": 16, "c2v": 25, "d2h": 47, "c4": 75,
    "s4": 81, "c4h": 83, "d4": 89, "c4v": 99, "d2d": 111, "d4h": 123, "c3": 143, "c3i": 147,
    "d3": 149, "c3v": 156, "d3d": 162, "c6": 168, "c3h": 174, "c6h": 175, "d6": 177, "c6v": 183,
    "d3h": 187, "d6h": 191, "t": 195, "th": 200, "o": 207, "td": 215, "oh": 221, "": 231,
}  # fmt: skip
# Rotation or screw axis of a full symbol, with the plane across it; or a plane alone.
_PART = r"(?:(?:-[1346]|21?|3[12]?|4[123]?|6[1-5]?|1)(?:/[a-z])?|[abcdemn])"
# Mark of the origin, or of the axes of a rhombohedral cell, behind a symbol.
_MARK = re.compile(r"\s*(?::\s*[12HRSZ]|[HRSZ]|\(?\s*[Oo]rigin\s*(?:choice)?\s*@?\s*[12]\s*\)?)$")
_OTHER_CLASSES = {"s2": "ci", "c1h": "cs", "v": "d2", "vh": "d2h", "vd": "d2d", "s6": "c3i"}


def groups_of_name(name: str, cell: NDArray[np.float64]) -> list[Any]:
    """Return the settings that a Hermann-Mauguin name can mean; none if it is not understood.

    Short and full symbols are understood, with spaces or without, SHELXL's brackets (``P2(1)/c``),
    underscores, and marks of the origin. There are two settings where the origin is left open, and
    where the glide plane e may be a or b (``A e m m`` is A b m m or A c m m).

    Parameters
    ----------
    name
        The name.
    cell
        (3, 3) lattice vectors as rows; its angles tell rhombohedral axes from hexagonal ones.
    """
    for text in _spellings(name):
        groups = _known_groups(text, cell)
        if groups:
            is_open = re.match(r"\s*[ABC].*[eE]", text) is not None
            return _with_either_glide(groups) if is_open else groups
    return []


def _with_either_glide(groups: list[Any]) -> list[Any]:
    """Add the settings of A e m m, A e a a and their like that gemmi does not call by the name."""
    import gemmi

    if groups[0].number not in {67, 68}:
        return groups
    distinct: dict[frozenset[str], Any] = {}
    for group in gemmi.spacegroup_table():
        same = group.number == groups[0].number and group.hm[0] == groups[0].hm[0]
        if same and group.ext in {known.ext for known in groups}:
            distinct.setdefault(frozenset(op.triplet() for op in group.operations()), group)
    return list(distinct.values())


def is_full_symbol(name: str, cell: NDArray[np.float64]) -> bool:
    """Return whether a name is a full symbol that differs from the short one (F 4/m -3 2/m)."""
    short = _short_symbol(name)
    return short is not None and bool(_known_groups(short, cell))


def is_standard_setting(group: Any) -> bool:
    """Return whether a setting is the first that International Tables A list for its group.

    C m m e, which two settings are called, means this one unless something else is said. The
    origin may be either.
    """
    import gemmi

    first = next(one for one in gemmi.spacegroup_table() if one.number == group.number)
    return bool(group.hm == first.hm)


def groups_of_number(number: int, cell: NDArray[np.float64]) -> list[Any]:
    """Return the standard setting of a space group, twice where the origin is left open."""
    import gemmi

    first = next((group for group in gemmi.spacegroup_table() if group.number == number), None)
    return [] if first is None else _known_groups(first.hm, cell)


def groups_of_magnetic_name(name: str, cell: NDArray[np.float64]) -> list[Any]:
    """Return the space group of a magnetic group's symbol (BNS or OG), time reversal left out.

    A group with an anti-translation (``P_c 4/m b m``) has more translations than its symbol
    shows, and is not understood. Symbols stand for the standard setting, which has its origin at
    the centre of symmetry.
    """
    if re.match(r"\s*[A-Z]\s*_", name):
        return []
    plain = re.sub(r"\s*1'\s*$", "", name).replace("'", "")
    groups = groups_of_name(plain, cell)
    return [group for group in groups if group.ext == "2"] or groups


def number_of_schoenflies(name: str) -> int | None:
    """Return the number of a space group from its Schoenflies symbol (Oh.5, O_h^5, D4h-17)."""
    match = re.fullmatch(
        r"([CDSTOV])_?\{?(\d?)([hvdis]?)\}?\s*[\^.\-_ ]?\s*\{?(\d+)\}?", name.strip(), flags=re.I
    )
    if match is None:
        return None
    symbol = f"{match[1]}{match[2]}{match[3]}".lower()
    symbol = _OTHER_CLASSES.get(symbol, symbol)
    classes = list(_FIRST_NUMBERS)
    if symbol not in classes:
        return None
    number = _FIRST_NUMBERS[symbol] + int(match[4]) - 1
    end = _FIRST_NUMBERS[classes[classes.index(symbol) + 1]]
    return number if _FIRST_NUMBERS[symbol] <= number < end else None


def with_setting_code(groups: list[Any], code: str) -> list[Any]:
    """Return the setting of a space group that ``_space_group_IT_coordinate_system_code`` names.

    The code is that of International Tables A, table 4.3.2.1: an origin (1, 2), axes (h, r), a
    unique axis with a cell choice (b1), or an order of axes (cab), perhaps after an origin.
    """
    import gemmi

    numbers = {group.number for group in groups}
    settings = [group for group in gemmi.spacegroup_table() if group.number in numbers]
    plain = code.strip().lower()
    found = [
        group
        for group in settings
        if plain in {(group.ext + group.qualifier).lower(), group.qualifier.lower()}
        or (plain == group.ext.lower() and not group.qualifier)
        or (plain == "abc" and not group.qualifier)
    ]
    if not found and plain in {"1", "2", "h", "r"}:
        # The group has one origin and one choice of axes.
        found = [group for group in groups if group.ext.strip("\0 ") == ""]
    same = [group for group in found if any(group.xhm() == other.xhm() for other in groups)]
    return same or found


def _spellings(name: str) -> Iterator[str]:
    text = name.replace("\N{MINUS SIGN}", "-").strip()
    yield text.replace("_", " ").strip()
    yield re.sub(r"(?<=\d)_(?=\d)", "", text).replace("_", " ")
    # SHELXL writes screw axes with brackets.
    yield re.sub(r"\((\d)\)", r"\1", text)
    yield re.sub(r"\((\d)\)(?!/)", r"\1 ", text).replace(")", "").replace("(", "")
    short = _short_symbol(text)
    if short is not None:
        yield short


def _short_symbol(name: str) -> str | None:
    """Return the short symbol of a full one (F m -3 m for F 4/m -3 2/m); None for other names."""
    mark = _MARK.search(name)
    symbol = name if mark is None else name[: mark.start()]
    text = re.sub(r"[\s_()]+", "", symbol)
    # Old files have all in capitals.
    text = text[:1] + text[1:].lower()
    match = re.fullmatch(rf"([PABCIFR])((?:{_PART})+)", text)
    if match is None or "/" not in text:
        return None
    parts = re.findall(_PART, match[2])
    if sum(part != "1" for part in parts) < 2:
        return None
    cubic = parts[1] == "-3"
    shortened = [
        part if place == 0 and not cubic and part[0] in "46" else re.sub(r"^\d+/", "", part)
        for place, part in enumerate(parts)
    ]
    short = "".join(shortened)
    if match[1] + short == text:
        return None
    return " ".join([match[1], *shortened, *([mark[0].strip()] if mark else [])])


def _known_groups(name: str, cell: NDArray[np.float64]) -> list[Any]:
    """Return the settings of a name as gemmi knows it: two where it leaves the origin open."""
    import gemmi

    text = re.sub(r"\s*\(?\s*origin\s*(?:choice)?\s*@?\s*([12])\s*\)?$", r":\1", name, flags=re.I)
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
