"""Terms from the format of LAMMPS's ``pair_style uf3``.

A file has a block for each term. The splines of V3 stand in the order r_jk, r_ik, r_ij, and their
coefficients in the order r_ij, r_ik, r_jk; V2 counts ordered pairs, as here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.elements import atomic_number
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.terms import UF3Terms

__all__ = ["parse_lammps"]


def parse_lammps(
    text: str, path: str | os.PathLike[str], one_body: dict[int, float] | None = None
) -> UF3Terms:
    """Read the text of a file in LAMMPS's format; ``path`` is its name, for messages."""
    lines = iter(enumerate(text.splitlines(), start=1))
    pairs: list[PairFunction] = []
    triplets: list[TripletFunction] = []
    start = 0
    try:
        for number, line in lines:
            if not line.startswith("#UF3 POT"):
                continue
            start = number
            _require_metal(line)
            words = _words(lines)
            if words[0] == "2B":
                pairs.append(_read_pair(words, lines))
            elif words[0] == "3B":
                triplets.append(_read_triplet(words, lines))
            else:
                raise ForceFieldError(f"there is {words[0]!r} where 2B or 3B is expected")
    except ForceFieldError as error:
        raise ForceFieldError(f"{path}, block at line {start}: {error}") from None
    except (ValueError, StopIteration):
        raise ForceFieldError(f"{path}, block at line {start}: is damaged or cut off") from None
    if not pairs:
        raise ForceFieldError(f"{path}: has no '#UF3 POT' block with a two-body term")
    species = {number for pair in pairs for number in pair.species}
    species |= {number for triplet in triplets for number in triplet.species}
    energies = dict.fromkeys(species, 0.0) | (one_body or {})
    return UF3Terms(energies, pairs, triplets)


def _require_metal(line: str) -> None:
    words = line.split()
    units = words[words.index("UNITS:") + 1] if "UNITS:" in words[:-1] else ""
    if units != "metal":
        raise ForceFieldError(f"units must be metal (eV and Å), not {units!r}")


def _words(lines: Iterator[tuple[int, str]]) -> list[str]:
    words = next(lines)[1].split()
    if not words:
        raise ValueError("an empty line")
    return words


def _numbers_of(lines: Iterator[tuple[int, str]], count: int) -> NDArray[np.float64]:
    values = np.array(_words(lines), dtype=np.float64)
    if len(values) != count:
        raise ForceFieldError(f"a line has {len(values)} numbers; {count} were announced")
    return values


def _read_pair(words: list[str], lines: Iterator[tuple[int, str]]) -> PairFunction:
    first, second = sorted(atomic_number(symbol) for symbol in words[1:3])
    _, knot_count = _words(lines)
    knots = _numbers_of(lines, int(knot_count))
    (count,) = _words(lines)
    return PairFunction((first, second), knots, _numbers_of(lines, int(count)))


def _read_triplet(words: list[str], lines: Iterator[tuple[int, str]]) -> TripletFunction:
    centre, first, second = (atomic_number(symbol) for symbol in words[1:4])
    counts = [int(word) for word in _words(lines)[3:]]
    opposite, other, one = (_numbers_of(lines, count) for count in counts)
    shape = [int(word) for word in _words(lines)]
    rows = [_numbers_of(lines, shape[2]) for _ in range(shape[0] * shape[1])]
    coefficients = np.array(rows).reshape(shape)
    if first > second:
        first, second, one, other = second, first, other, one
        coefficients = np.ascontiguousarray(coefficients.transpose(1, 0, 2))
    return TripletFunction((centre, first, second), (one, other, opposite), coefficients)
