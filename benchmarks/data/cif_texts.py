"""A known crystal as a CIF in a given style, written by nothing that any of the readers uses."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.data.cif_styles import Style
from benchmarks.data.known_crystals import KnownCrystal, kind_of_setting, operations, settings_of
from madelung.crystals.elements import ELEMENT_SYMBOLS

__all__ = ["cell_parameters", "charges_of", "cif_text"]

_LENGTHS, _ANGLES = ("a", "b", "c"), ("alpha", "beta", "gamma")


def cif_text(known: KnownCrystal, style: Style, rng: np.random.Generator) -> str:
    """Return the text of a CIF.

    Parameters
    ----------
    known
        The crystal.
    style
        How it is written.
    rng
        Chooses charges, the cell in which each atom is listed, and orders.
    """
    charges = charges_of(known, style)
    sections = [_cell(known, style), _symmetry(known, style, rng), _sites(known, style, rng)]
    if style.formula:
        sections.append(_formula(known, style))
    if style.types == "listed oxidation numbers":
        rows = [[ELEMENT_SYMBOLS[number], str(charge)] for number, charge in charges.items()]
        sections.append(_loop(["_atom_type_symbol", "_atom_type_oxidation_number"], rows, style))
    if style.shuffled:
        rng.shuffle(sections)
    lines = ["data_crystal", "_audit_creation_method 'a known crystal'"]
    for section in sections:
        lines += ["", *section]
    if style.new_tags:
        lines = [_new_tag(line) for line in lines]
    return ("\r\n" if style.windows else "\n").join([*lines, ""])


def charges_of(known: KnownCrystal, style: Style) -> dict[int, int]:
    """Return the oxidation number of each element, from 1 to 4 or its negative."""
    numbers = sorted(set(known.numbers.tolist()))
    signs = (1, -1) if len(numbers) > 1 else (1,)
    return {
        number: signs[place % len(signs)] * (1 + (number + style.digits) % 4)
        for place, number in enumerate(numbers)
    }


def cell_parameters(cell: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return lengths in Å and angles in degrees."""
    lengths = np.linalg.norm(cell, axis=1)
    unit = cell / lengths[:, None]
    cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
    angles = [math.degrees(math.acos(np.clip(cosine, -1.0, 1.0))) for cosine in cosines]
    return lengths.tolist(), angles


def _cell(known: KnownCrystal, style: Style) -> list[str]:
    lengths, angles = cell_parameters(known.cell)
    lines = []
    for name, value in zip(_LENGTHS, lengths, strict=True):
        lines.append(f"_cell_length_{name} {_printed(value, style.length_digits, style)}")
    for name, value in zip(_ANGLES, angles, strict=True):
        whole = abs(value - round(value)) < 1e-9 and not style.uncertain
        text = str(round(value)) if whole else _printed(value, style.angle_digits, style)
        lines.append(f"_cell_angle_{name} {text}")
    return lines


def _printed(value: float, digits: int, style: Style) -> str:
    return f"{value:.{digits}f}" + ("(3)" if style.uncertain else "")


def _coordinate(value: float, style: Style) -> str:
    scale = 10.0**style.digits
    kept = math.trunc(value * scale) if style.cut_off else round(value * scale)
    text = f"{kept / scale:.{style.digits}f}"
    # Digits of a special place are exact, and have no uncertainty.
    special = abs(value * 24.0 - round(value * 24.0)) < 1e-6
    return text + ("(2)" if style.uncertain and not special else "")


def _symmetry(known: KnownCrystal, style: Style, rng: np.random.Generator) -> list[str]:
    kind = kind_of_setting(known.hall_number)
    if style.statement == "all atoms":
        return [
            [],
            ["_symmetry_space_group_name_H-M 'P 1'", "_symmetry_Int_Tables_number 1"],
            ["_space_group_name_H-M_alt 'P 1'"],
            ["loop_", "_symmetry_equiv_pos_as_xyz", "'x, y, z'"],
        ][int(rng.integers(4))]
    lines = []
    if style.statement.startswith("operations"):
        lines += _operations(known.hall_number, style)
    if style.statement == "Hall symbol":
        lines.append(f"_space_group_name_Hall {_quoted(kind.hall_symbol)}")
    if "name" in style.statement:
        lines += _name(known.hall_number, style)
    if style.statement in {"number", "name and number"}:
        lines.append(f"_space_group_IT_number {kind.number}")
    if style.statement == "Schoenflies symbol":
        lines.append(f"_space_group_name_Schoenflies {kind.schoenflies}")
    return lines


def _operations(hall_number: int, style: Style) -> list[str]:
    tag = "_space_group_symop_operation_xyz" if style.formula else "_symmetry_equiv_pos_as_xyz"
    rows = [
        [_quoted(_triplet(rotation, translation, style.operations))]
        for rotation, translation in zip(*operations(hall_number), strict=True)
    ]
    if style.multiplicities:
        number = "_space_group_symop_id" if style.formula else "_symmetry_equiv_pos_site_id"
        rows = [[str(place), *row] for place, row in enumerate(rows, start=1)]
        return _loop([number, tag], rows, style)
    return _loop([tag], rows, style)


def _triplet(rotation: NDArray[np.int64], translation: NDArray[np.float64], spelling: str) -> str:
    words = []
    for row, shift in zip(rotation, translation, strict=True):
        terms = "".join(
            f"{'+' if part > 0 else '-'}{axis}"
            for part, axis in zip(row, "xyz", strict=True)
            if part
        )
        twelfths = round(float(shift) * 12) % 12
        divisor = math.gcd(twelfths, 12)
        fraction = f"{twelfths // divisor}/{12 // divisor}" if twelfths else ""
        if spelling == "decimals" and twelfths:
            fraction = f"{twelfths / 12:.5f}".rstrip("0")
        if spelling == "capitals, translation first":
            words.append((fraction + terms.upper()) if fraction else terms.lstrip("+").upper())
        else:
            words.append(terms.lstrip("+") + (f"+{fraction}" if fraction else ""))
    if spelling == "spaces":
        return ", ".join(word.replace("+", " + ").strip() for word in words)
    return ",".join(words)


def _name(hall_number: int, style: Style) -> list[str]:
    kind = kind_of_setting(hall_number)
    tag = "_symmetry_space_group_name_H-M" if style.cut_off else "_space_group_name_H-M_alt"
    name = kind.international_full if style.name == "full" else _short_name(hall_number)
    name, extra = _with_origin(_spelled(name, style.name), kind.choice, style)
    return [f"{tag} {_quoted(name)}", *extra]


def _short_name(hall_number: int) -> str:
    """Return the name that tells the setting, but for origin and axes of a rhombohedral cell."""
    kind = kind_of_setting(hall_number)
    names = [name.strip() for name in kind.international.split("=")]
    standard = hall_number == settings_of()[kind.number][0]
    return names[0] if standard else names[min(1, len(names) - 1)]


def _spelled(name: str, spelling: str) -> str:
    plain = name.replace("_", "")
    if spelling == "close":
        return plain.replace(" ", "")
    if spelling == "underscores":
        return plain.replace(" ", "_")
    if spelling == "brackets":
        return re.sub(r"_(\d)", r"(\1)", name).replace(" ", "")
    if spelling == "screw underscores":
        return name
    return plain.upper() if spelling == "capitals" else plain


def _with_origin(name: str, choice: str, style: Style) -> tuple[str, list[str]]:
    mark = choice[:1]
    if mark not in {"1", "2", "H", "R"} or style.statement == "name, origin left open":
        return name, []
    if mark in {"H", "R"} and style.origin in {"S and Z", "in words"}:
        return f"{name} {mark}", []
    if style.origin == "S and Z":
        return f"{name} {'SZ'[int(mark) - 1]}", []
    if style.origin == "in words":
        return f"{name} (origin choice {mark})", []
    if style.origin == "setting code":
        return name, [f"_space_group_IT_coordinate_system_code {choice}"]
    return f"{name}{style.origin[:-1]}{mark}", []


def _type_symbol(number: int, charge: int, style: Style) -> str:
    symbol = ELEMENT_SYMBOLS[number]
    size = "" if abs(charge) == 1 else str(abs(charge))
    sign = "+" if charge > 0 else "-"
    return {
        "capitals": symbol.upper(),
        "small letters": symbol.lower(),
        "charge": f"{symbol}{size or 1}{sign}",
        "charge, sign first": f"{symbol}{sign}{size or 1}",
        "numbered": f"{symbol}1",
        "unknown, by label": "?",
    }.get(style.types, symbol)


def _labels(numbers: Sequence[int], style: Style) -> list[str]:
    counts: Counter[int] = Counter()
    labels = []
    for number in numbers:
        counts[number] += 1
        symbol = ELEMENT_SYMBOLS[number]
        symbol = symbol.upper() if style.labels == "FE1" else symbol
        labels.append(style.labels.replace("Fe", symbol).replace("FE", symbol))
        labels[-1] = labels[-1].replace("1", str(counts[number]))
    return labels


def _sites(known: KnownCrystal, style: Style, rng: np.random.Generator) -> list[str]:
    numbers = known.numbers[known.listed].tolist()
    charges = charges_of(known, style)
    columns: dict[str, list[str]] = {"label": _labels(numbers, style)}
    if style.types != "none, by label":
        columns["type_symbol"] = [_type_symbol(n, charges[n], style) for n in numbers]
    if style.multiplicities:
        columns["site_symmetry_multiplicity"] = [str(m) for m in known.multiplicities]
    places = known.fractional[known.listed]
    if rng.random() < 0.3:
        places = places + rng.integers(-1, 2, size=places.shape)
    for axis, values in zip("xyz", places.T, strict=True):
        columns[f"fract_{axis}"] = [_coordinate(float(value), style) for value in values]
    if rng.random() < 0.5:
        columns["occupancy"] = [str(rng.choice(["1", "1.0", "1.000", "."]))] * len(numbers)
    if rng.random() < 0.5:
        columns["U_iso_or_equiv"] = ["0.0123(4)"] * len(numbers)
    names = list(columns)
    if style.shuffled:
        rng.shuffle(names)
    rows = [[columns[name][row] for name in names] for row in range(len(numbers))]
    return _loop([f"_atom_site_{name}" for name in names], rows, style)


def _formula(known: KnownCrystal, style: Style) -> list[str]:
    atoms = Counter(ELEMENT_SYMBOLS[number] for number in known.numbers.tolist())
    units = math.gcd(*atoms.values())
    words = [f"{symbol}{count // units}" for symbol, count in sorted(atoms.items())]
    if style.cut_off:
        words = [re.sub(r"(?<=[A-Za-z])1$", "", word) for word in words]
    return [f"_chemical_formula_sum {_quoted(' '.join(words))}", f"_cell_formula_units_Z {units}"]


def _loop(tags: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    separator = "\n" if style.wrapped else " "
    lines = [line for row in rows for line in separator.join(row).split("\n")]
    return ["loop_", *tags, *lines]


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _new_tag(line: str) -> str:
    """Return a line with the tag as the core dictionary 3 spells it, with its category first."""
    categories = (
        "cell",
        "atom_site",
        "atom_type",
        "chemical_formula",
        "space_group_symop",
        "space_group",
        "symmetry_equiv",
        "symmetry",
    )
    for category in categories:
        if line.startswith(f"_{category}_"):
            return line.replace(f"_{category}_", f"_{category}.", 1)
    return line
