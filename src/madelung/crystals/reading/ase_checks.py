"""Checks of files before ASE reads them: what ASE would guess or leave out without a word."""

from __future__ import annotations

import re
from collections.abc import Callable

from madelung.crystals.checks import crystal_error
from madelung.crystals.elements import ATOMIC_NUMBERS

__all__ = ["CHECKS"]


def _check_poscar(text: str, source: str) -> None:
    """Refuse elements that would be guessed, a missing mode line, and a list that is cut off."""
    lines = text.split("\n")
    if len(lines) < 8:
        raise crystal_error(source, f"a POSCAR of {len(lines)} lines is cut off; write it again")
    words = lines[5].split("!")[0].split()
    if words and words[0].isdigit():
        species, counts, row = lines[0].split(), words, 6
        if len(species) != len(counts) or not all(word in ATOMIC_NUMBERS for word in species):
            raise crystal_error(
                source,
                "line 6 gives numbers of atoms, and no line names their elements; put a line of "
                "element symbols before it",
            )
    else:
        species, counts, row = words, lines[6].split("!")[0].split(), 7
    if len(species) != len(counts) or not all(count.isdigit() for count in counts):
        text = f"line {row}: {len(species)} elements ({' '.join(species)}) for {counts}"
        raise crystal_error(source, f"{text}; give each element one number of atoms")
    if lines[row].strip()[:1].lower() == "s":
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


def _check_protein_data_bank(text: str, source: str) -> None:
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


def _check_res(text: str, source: str) -> None:
    """Refuse symmetry and partial occupancy."""
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        keyword = words[0].upper() if words else ""
        if keyword == "SYMM" or (keyword == "LATT" and words[1:2] != ["-1"]):
            text = f"line {number}: symmetry ({line.strip()}) would be left out"
            raise crystal_error(source, f"{text}; write the whole cell, or a CIF")
        is_site = len(words) >= 6 and re.fullmatch(r"[A-Za-z]{1,2}\d*\w?", words[0])
        # SHELX adds 10 to a parameter that is held fixed.
        if is_site and words[1].isdigit() and not re.fullmatch(r"1?1(\.0*)?", words[5]):
            text = f"line {number}: site {words[0]} has partial occupancy {words[5]}"
            raise crystal_error(source, f"{text}; make an ordered structure")


def _check_espresso(text: str, source: str) -> None:
    """Refuse an input that lists the asymmetric unit."""
    for number, line in enumerate(text.split("\n"), start=1):
        if re.search(r"\bspace_group\s*=", line.split("!")[0], flags=re.IGNORECASE):
            text = f"line {number}: space_group would be left out"
            raise crystal_error(source, f"{text}; list every atom, or write a CIF")


CHECKS: dict[str, Callable[[str, str], None]] = {
    "vasp": _check_poscar,
    "proteindatabank": _check_protein_data_bank,
    "res": _check_res,
    "espresso-in": _check_espresso,
}
"""Check of each of ASE's formats that needs one: a function of the text and the source."""
