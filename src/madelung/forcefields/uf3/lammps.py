"""The format of LAMMPS's ``pair_style uf3``.

A file has a block for each term. The splines of V3 stand in the order r_jk, r_ik, r_ij, and their
coefficients in the order r_ij, r_ik, r_jk; V2 counts ordered pairs, as here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date

import numpy as np
from numpy.typing import NDArray

from madelung.errors import ForceFieldError
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.files import atomic_number, read_text
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.outputs import whole_file

__all__ = ["parse_lammps", "read_lammps", "write_lammps"]


def read_lammps(
    path: str | os.PathLike[str], one_body: dict[int, float] | None = None
) -> UF3Potential:
    """Read LAMMPS's format.

    Parameters
    ----------
    path
        The file. Both uniform ("uk") and other knots ("nk") are read.
    one_body
        Energies of atoms in eV by atomic number, which such files do not hold; zero by default.
    """
    return parse_lammps(read_text(path), path, one_body)


def write_lammps(potential: UF3Potential, path: str | os.PathLike[str]) -> None:
    """Write the format of LAMMPS's ``pair_style uf3`` (metal units).

    LAMMPS has no energies of single atoms, so its energy lacks them. Below the first knot it is
    not defined there.

    Raises
    ------
    ForceFieldError
        If LAMMPS cannot hold the potential: r_ij and r_ik must end at one distance and r_jk at
        twice that, and each pair, and each triplet if there is any, needs a term.
    """
    _require_complete(potential)
    lines: list[str] = []
    for pair in potential.pairs:
        lines += _header(f"2B {pair.name.replace('-', ' ')} 0 3 {_spacing(potential)}")
        lines += [f"{_line(pair.knots[-1:])} {len(pair.knots)}"]
        lines += [_line(pair.knots), str(len(pair.coefficients)), _line(pair.coefficients), "#"]
    for triplet in potential.triplets:
        one, other, opposite = triplet.knots
        lines += _header(f"3B {triplet.name.replace('-', ' ')} 0 3 {_spacing(potential)}")
        ends = _line(np.array([opposite[-1], other[-1], one[-1]]))
        lines += [f"{ends} {len(opposite)} {len(other)} {len(one)}"]
        lines += [_line(opposite), _line(other), _line(one)]
        lines += [" ".join(str(size) for size in triplet.coefficients.shape)]
        lines += [_line(row) for layer in triplet.coefficients for row in layer] + ["#"]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require_complete(potential: UF3Potential) -> None:
    species = potential.species
    missing = {(a, b) for a in species for b in species if a <= b}
    missing -= {pair.species for pair in potential.pairs}
    if missing:
        raise ForceFieldError("LAMMPS needs a two-body term of every pair of species")
    if not potential.triplets:
        return
    triples = {(c, a, b) for c in species for a in species for b in species if a <= b}
    if triples - {triplet.species for triplet in potential.triplets}:
        raise ForceFieldError("LAMMPS needs a three-body term of every triplet of species")
    for triplet in potential.triplets:
        one, other, opposite = (knots[-1] for knots in triplet.knots)
        if one != other or opposite != 2 * one:
            raise ForceFieldError(
                f"{triplet.name}: LAMMPS wants r_ij and r_ik to end at one distance and r_jk at "
                f"twice that, not at {one:g}, {other:g} and {opposite:g} Å"
            )


def _spacing(potential: UF3Potential) -> str:
    """LAMMPS wants one kind of spacing for all terms."""
    axes = [pair.knots for pair in potential.pairs]
    axes += [knots for triplet in potential.triplets for knots in triplet.knots]
    clamped = all((k[:4] == k[0]).all() and (k[-4:] == k[-1]).all() for k in axes)
    even = all(np.ptp(np.diff(k[3:-3])) < 1e-12 * k[-1] for k in axes)
    return "uk" if clamped and even else "nk"


def _header(second: str) -> list[str]:
    today = date.today().isoformat()
    return [f"#UF3 POT UNITS: metal DATE: {today} AUTHOR: Madelung CITATION:", second]


def _line(values: NDArray[np.float64]) -> str:
    return " ".join(repr(float(value)) for value in values)


def parse_lammps(
    text: str, path: str | os.PathLike[str], one_body: dict[int, float] | None = None
) -> UF3Potential:
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
    return UF3Potential(energies, pairs, triplets)


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
