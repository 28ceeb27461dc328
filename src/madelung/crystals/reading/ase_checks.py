"""Checks of files before ASE reads them: what ASE would guess or leave out without a word."""

from __future__ import annotations

import re
from collections.abc import Callable

from madelung.crystals.checks import crystal_error
from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES
from madelung.crystals.occupancy import left_out

__all__ = ["CHECKS"]


def _check_poscar(text: str, source: str, warnings: list[str]) -> str:
    """Refuse elements that would be guessed, a missing mode line, and a list that is cut off.

    Headers that are wrapped over several lines are joined, and isotopes and pseudo-hydrogen are
    written as H.
    """
    lines = text.split("\n")
    if len(lines) < 8:
        raise crystal_error(source, f"a POSCAR of {len(lines)} lines is cut off; write it again")
    words = _words(lines[5])
    if words and words[0].isdigit():
        species, counts, row = lines[0].split(), words, 6
        if len(species) != len(counts) or not all(word in ATOMIC_NUMBERS for word in species):
            raise crystal_error(
                source,
                "line 6 gives numbers of atoms, and no line names their elements; put a line of "
                "element symbols before it",
            )
    else:
        lines = _joined_header(lines, warnings)
        species, counts, row = _words(lines[5]), _words(lines[6]), 7
    if len(species) != len(counts) or not all(count.isdecimal() for count in counts):
        text = f"line {row}: {len(species)} elements ({' '.join(species)}) for {counts}"
        raise crystal_error(source, f"{text}; give each element one number of atoms")
    if "".join(lines[row : row + 1]).strip()[:1].lower() == "s":
        row += 1
    if "".join(lines[row : row + 1]).strip()[:1].lower() not in {"d", "c", "k", "f"}:
        text = f"line {row + 1} must say Direct or Cartesian"
        raise crystal_error(source, f"{text}; add that line")
    expected = sum(int(count) for count in counts)
    if expected == 0:
        raise crystal_error(source, "there are no atoms; give at least one")
    listed = sum(bool(line.strip()) for line in lines[row + 1 : row + 1 + expected])
    if listed < expected:
        text = f"{expected} atoms are announced and {listed} are listed"
        raise crystal_error(source, f"{text}; the file is cut off, or its numbers are wrong")
    return "\n".join(lines)


def _words(line: str) -> list[str]:
    return line.split("!")[0].split()


def _joined_header(lines: list[str], warnings: list[str]) -> list[str]:
    """Write the symbols of a POSCAR into its sixth line, and the numbers into its seventh."""
    row = 5
    species: list[str] = []
    counts: list[str] = []
    while row < len(lines) and (words := _words(lines[row])) and not words[0].isdecimal():
        species += words
        row += 1
    while len(counts) < len(species) and row < len(lines):
        words = _words(lines[row])
        if not words or not all(word.isdecimal() for word in words):
            break
        counts += words
        row += 1
    if row < 7 or len(species) != len(counts):
        return lines
    named = [_plain_hydrogen(word, warnings) for word in species]
    return [*lines[:5], " ".join(named), " ".join(counts), *lines[row:]]


def _plain_hydrogen(symbol: str, warnings: list[str]) -> str:
    """Return H for isotopes (D, T) and pseudo-hydrogen (H1.25, H.5), other symbols as they are."""
    if symbol in HYDROGEN_ISOTOPES:
        return "H"
    if re.fullmatch(r"H\d*\.\d+", symbol):
        text = f"pseudo-hydrogen {symbol} was read as hydrogen, without its fractional charge"
        if text not in warnings:
            warnings.append(text)
        return "H"
    return symbol


def _check_extended_xyz(text: str, source: str, warnings: list[str]) -> str:
    """Refuse a number of atoms that are not there, and columns without elements or positions."""
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    row = 0
    while row < len(lines) and re.fullmatch(r"\s*-?\d+\s*", lines[row]):
        count, listed = int(lines[row]), len(lines) - row - 2
        if not 0 < count <= listed:
            text = f"line {row + 1}: {count} atoms are announced and {max(listed, 0)} are listed"
            if count == 0:
                text = f"line {row + 1}: there are no atoms"
            raise crystal_error(source, f"{text}; the file is cut off, or its number is wrong")
        place = _check_columns(lines[row + 1], f"line {row + 2}", source)
        for site in range(row + 2, row + 2 + count):
            lines[site] = _with_plain_hydrogen(lines[site], place, warnings)
        row += count + 2
    return "\n".join(lines) + "\n"


def _check_columns(comment: str, line: str, source: str) -> int:
    """Return which word of a row is the element."""
    found = re.search(r"(?:^|\s)properties\s*=\s*[\"']?([^\"'\s]+)", comment, flags=re.IGNORECASE)
    if found is None:
        return 0
    parts = found[1].split(":")
    names, widths = parts[0::3], parts[2::3]
    for name, meaning in (("pos", "positions"), ("species", "elements")):
        if name not in names and (name == "pos" or "Z" not in names):
            text = f"{line}: no column {name!r} of {meaning} in Properties={found[1]}"
            raise crystal_error(source, f"{text}; name it {name}, with Cartesian positions in Å")
    if "species" not in names or not all(width.isdecimal() for width in widths):
        return -1
    return sum(int(width) for width in widths[: names.index("species")])


def _with_plain_hydrogen(line: str, place: int, warnings: list[str]) -> str:
    # Most rows hold neither, and stay as they are.
    if not re.search(r"(?:^|\s)(?:[DT]|H\d*\.\d+)\s", line):
        return line
    words = line.split()
    if 0 <= place < len(words):
        words[place] = _plain_hydrogen(words[place], warnings)
    return " ".join(words)


def _check_gen(text: str, source: str, warnings: list[str]) -> str:
    """Refuse a list of atoms that is cut off, of which ASE reads what is there."""
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    first = lines[0].split()
    listed = sum(bool(line.strip()) for line in lines[2:])
    if first and first[0].isdecimal() and int(first[0]) > listed:
        text = f"{first[0]} atoms are announced and {listed} lines follow"
        raise crystal_error(source, f"{text}; the file is cut off, or its number is wrong")
    return text


def _check_protein_data_bank(text: str, source: str, warnings: list[str]) -> str:
    """Refuse symmetry, alternative positions, and atom names in place of elements."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("CRYST1") and line[55:66].strip() not in {"", "P 1", "P1"}:
            text = f"line {number}: space group {line[55:66].strip()!r} would be left out"
            raise crystal_error(source, f"{text}; write the whole cell, or a CIF")
        if not line.startswith(("ATOM", "HETATM")):
            continue
        if line[16:17].strip():
            text = f"line {number}: alternative position {line[16]!r}"
            raise crystal_error(source, f"{text}; keep one alternative without its mark")
        if not line[76:78].strip():
            text = f"line {number}: no element (columns 77 and 78), only an atom name"
            raise crystal_error(source, f"{text}; give every atom an element")
    return text


def _check_res(text: str, source: str, warnings: list[str]) -> str:
    """Refuse symmetry and partial occupancy, and leave out sites of occupancy 0."""
    kept, empty = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        keyword = words[0].upper() if words else ""
        if keyword == "SYMM" or (keyword == "LATT" and words[1:2] != ["-1"]):
            text = f"line {number}: symmetry ({line.strip()}) would be left out"
            raise crystal_error(source, f"{text}; write the whole cell, or a CIF")
        is_site = (
            len(words) >= 6
            and re.fullmatch(r"[A-Za-z]{1,2}\d*\w?", words[0]) is not None
            and words[1].isdigit()
        )
        # SHELX adds 10 to a parameter that is held fixed.
        if is_site and re.fullmatch(r"1?0(\.0*)?", words[5]):
            empty.append(words[0])
            continue
        if is_site and not re.fullmatch(r"1?1(\.0*)?", words[5]):
            text = f"line {number}: site {words[0]} has partial occupancy {words[5]}"
            raise crystal_error(source, f"{text}; make an ordered structure")
        kept.append(line)
    warnings.extend(left_out(empty))
    return "\n".join(kept)


def _check_espresso(text: str, source: str, warnings: list[str]) -> str:
    """Refuse an input that lists the asymmetric unit."""
    for number, line in enumerate(text.split("\n"), start=1):
        if re.search(r"\bspace_group\s*=", line.split("!")[0], flags=re.IGNORECASE):
            text = f"line {number}: space_group would be left out"
            raise crystal_error(source, f"{text}; list every atom, or write a CIF")
    return text


CHECKS: dict[str, Callable[[str, str, list[str]], str]] = {
    "gen": _check_gen,
    "vasp": _check_poscar,
    "extxyz": _check_extended_xyz,
    "proteindatabank": _check_protein_data_bank,
    "res": _check_res,
    "espresso-in": _check_espresso,
}
"""Check of each of ASE's formats that needs one.

A function of the text, the source, and a list that takes what should be known of the file; it
returns the text that ASE is given.
"""
