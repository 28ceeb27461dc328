"""Files of UF3 potentials: this package's JSON, that of the UF3 authors, and LAMMPS's ``uf3``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.elements import ELEMENT_SYMBOLS
from madelung.errors import ForceFieldError
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction, UF3Basis
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.outputs import whole_file

__all__ = ["read_json", "read_lammps", "read_uf3", "write_json", "write_lammps"]

FORMAT = "madelung-uf3"
VERSION = 1
_NUMBERS = {symbol: number for number, symbol in enumerate(ELEMENT_SYMBOLS) if symbol}


def read_uf3(path: str | os.PathLike[str]) -> UF3Potential:
    """Read a UF3 potential in any of the three formats.

    Raises
    ------
    ForceFieldError
        If the file is missing, damaged, or of no known format.
    """
    text = _read_text(path)
    if text.lstrip().startswith("{"):
        return _from_json(text, path)
    return _from_lammps(text, path)


def read_json(path: str | os.PathLike[str]) -> UF3Potential:
    """Read this package's JSON, or that of the UF3 authors (with "solution" and "knots")."""
    return _from_json(_read_text(path), path)


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
    return _from_lammps(_read_text(path), path, one_body)


def _read_text(path: str | os.PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ForceFieldError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ForceFieldError(f"{path}: is no text file") from None


def write_json(potential: UF3Potential, path: str | os.PathLike[str]) -> None:
    """Write a potential as JSON; :func:`read_json` returns exactly the same numbers."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "units": {"energy": "eV", "length": "angstrom"},
        "one_body": {ELEMENT_SYMBOLS[z]: energy for z, energy in potential.one_body.items()},
        "pairs": [
            {
                "species": pair.name.split("-"),
                "knots": pair.knots.tolist(),
                "coefficients": pair.coefficients.tolist(),
            }
            for pair in potential.pairs
        ],
        "triplets": [
            {
                "species": triplet.name.split("-"),
                "knots": [knots.tolist() for knots in triplet.knots],
                "coefficients": triplet.coefficients.tolist(),
            }
            for triplet in potential.triplets
        ],
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")


def _from_json(text: str, path: str | os.PathLike[str]) -> UF3Potential:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ForceFieldError(f"{path}: is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ForceFieldError(f"{path}: is no UF3 potential")
    try:
        if "solution" in document:
            return _published(document)
        if document.get("format") != FORMAT:
            raise ForceFieldError(f"is no UF3 potential: its format is {document.get('format')!r}")
        if document.get("version") != VERSION:
            raise ForceFieldError(
                f"has version {document.get('version')!r}; this Madelung reads version {VERSION}"
            )
        return _own(document)
    except ForceFieldError as error:
        raise ForceFieldError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForceFieldError(f"{path}: is a damaged UF3 potential: {error!r}") from None


def _own(document: dict[str, Any]) -> UF3Potential:
    pairs = []
    for entry in document["pairs"]:
        first, second = (_number(symbol) for symbol in entry["species"])
        pairs.append(
            PairFunction((first, second), _floats(entry["knots"]), _floats(entry["coefficients"]))
        )
    triplets = []
    for entry in document["triplets"]:
        centre, first, second = (_number(symbol) for symbol in entry["species"])
        one, other, opposite = (_floats(knots) for knots in entry["knots"])
        coefficients = _floats(entry["coefficients"])
        triplets.append(
            TripletFunction((centre, first, second), (one, other, opposite), coefficients)
        )
    energies = {_number(symbol): energy for symbol, energy in document["one_body"].items()}
    return UF3Potential(energies, pairs, triplets)


def _published(document: dict[str, Any]) -> UF3Potential:
    """The authors' form: coefficients that symmetry, triangles or trimming fix are left out."""
    solution, knots = document["solution"], document["knots"]
    energies = {_number(name): float(value) for name, value in solution.items() if "-" not in name}
    pairs, triplets = [], []
    for name, values in solution.items():
        parts = [_number(symbol) for symbol in name.split("-")]
        if len(parts) == 2:
            first, second = sorted(parts)
            pairs.append(PairFunction((first, second), _floats(knots[name]), _floats(values)))
        elif len(parts) == 3:
            triplets.append(_published_triplet(parts, knots[name], _floats(values)))
    return UF3Potential(energies, pairs, triplets)


def _published_triplet(
    parts: list[int], knots: list[list[float]], values: NDArray[np.float64]
) -> TripletFunction:
    one, other, opposite = (_floats(knot) for knot in knots)
    centre, first, second = parts
    if first > second:
        raise ForceFieldError("the neighbours of a triplet are not in the order of their numbers")
    key = (centre, first, second)
    basis = UF3Basis(tuple(sorted(set(parts))), {}, {key: (one, other, opposite)})
    columns = basis.triplet_columns[key] - len(basis.species)
    if len(values) != columns.max() + 1:
        raise ForceFieldError(
            f"a triplet has {len(values)} coefficients; its knots ask for {columns.max() + 1}"
        )
    coefficients = np.where(columns >= 0, values[columns], 0.0)
    return TripletFunction(key, (one, other, opposite), coefficients)


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


def _from_lammps(
    text: str, path: str | os.PathLike[str], one_body: dict[int, float] | None = None
) -> UF3Potential:
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
    values = _floats(_words(lines))
    if len(values) != count:
        raise ForceFieldError(f"a line has {len(values)} numbers; {count} were announced")
    return values


def _read_pair(words: list[str], lines: Iterator[tuple[int, str]]) -> PairFunction:
    first, second = sorted(_number(symbol) for symbol in words[1:3])
    _, knot_count = _words(lines)
    knots = _numbers_of(lines, int(knot_count))
    (count,) = _words(lines)
    return PairFunction((first, second), knots, _numbers_of(lines, int(count)))


def _read_triplet(words: list[str], lines: Iterator[tuple[int, str]]) -> TripletFunction:
    centre, first, second = (_number(symbol) for symbol in words[1:4])
    counts = [int(word) for word in _words(lines)[3:]]
    opposite, other, one = (_numbers_of(lines, count) for count in counts)
    shape = [int(word) for word in _words(lines)]
    rows = [_numbers_of(lines, shape[2]) for _ in range(shape[0] * shape[1])]
    coefficients = np.array(rows).reshape(shape)
    if first > second:
        first, second, one, other = second, first, other, one
        coefficients = np.ascontiguousarray(coefficients.transpose(1, 0, 2))
    return TripletFunction((centre, first, second), (one, other, opposite), coefficients)


def _number(symbol: str) -> int:
    try:
        return _NUMBERS[symbol]
    except KeyError:
        raise ForceFieldError(f"{symbol!r} is no element") from None


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
