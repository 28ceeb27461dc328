"""Files of UF3 potentials: this package's JSON and that of the UF3 authors.

LAMMPS's format is in :mod:`madelung.forcefields.uf3.lammps`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.data.formats.text import open_text
from madelung.elements import ELEMENT_SYMBOLS
from madelung.errors import DatasetError, ForceFieldError
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction, UF3Basis
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.outputs import whole_file

__all__ = [
    "FORMAT",
    "as_object",
    "atomic_number",
    "from_object",
    "read_text",
    "read_uf3",
    "write_json",
]

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
    text = read_text(path)
    if text.lstrip().startswith("{"):
        return _from_json(text, path)
    from madelung.forcefields.uf3 import lammps

    return lammps.parse_lammps(text, path)


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, which may be compressed."""
    try:
        with open_text(Path(path)) as stream:
            return stream.read()
    except DatasetError as error:
        raise ForceFieldError(str(error)) from None


def write_json(potential: UF3Potential, path: str | os.PathLike[str]) -> None:
    """Write a potential as JSON; :func:`read_uf3` returns exactly the same numbers."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(as_object(potential)) + "\n", encoding="utf-8")


def as_object(potential: UF3Potential) -> dict[str, Any]:
    """Return what the JSON holds."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "units": {"energy": "eV", "length": "angstrom"},
        "metadata": dict(potential.metadata),
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


def _from_json(text: str, path: str | os.PathLike[str]) -> UF3Potential:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ForceFieldError(f"{path}: is no JSON: {error}; write the file again") from None
    if not isinstance(document, dict):
        raise ForceFieldError(f"{path}: is no UF3 potential")
    return from_object(document, str(path))


def from_object(document: Mapping[str, Any], source: str = "") -> UF3Potential:
    """Return the potential that a JSON object holds, in this package's form or the authors'."""
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
        raise ForceFieldError(f"{source}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForceFieldError(f"{source}: is a damaged UF3 potential: {error!r}") from None


def _own(document: Mapping[str, Any]) -> UF3Potential:
    pairs = []
    for entry in document["pairs"]:
        first, second = (atomic_number(symbol) for symbol in entry["species"])
        pairs.append(
            PairFunction((first, second), _floats(entry["knots"]), _floats(entry["coefficients"]))
        )
    triplets = []
    for entry in document["triplets"]:
        centre, first, second = (atomic_number(symbol) for symbol in entry["species"])
        one, other, opposite = (_floats(knots) for knots in entry["knots"])
        coefficients = _floats(entry["coefficients"])
        triplets.append(
            TripletFunction((centre, first, second), (one, other, opposite), coefficients)
        )
    energies = {atomic_number(symbol): energy for symbol, energy in document["one_body"].items()}
    return UF3Potential(energies, pairs, triplets, metadata=document.get("metadata", {}))


def _published(document: Mapping[str, Any]) -> UF3Potential:
    """The authors' form: coefficients that symmetry, triangles or trimming fix are left out."""
    solution, knots = document["solution"], document["knots"]
    energies = {
        atomic_number(name): float(value) for name, value in solution.items() if "-" not in name
    }
    pairs, triplets = [], []
    for name, values in solution.items():
        parts = [atomic_number(symbol) for symbol in name.split("-")]
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


def atomic_number(symbol: str) -> int:
    """Return the number of an element from its symbol."""
    try:
        return _NUMBERS[symbol]
    except KeyError:
        raise ForceFieldError(f"{symbol!r} is no element") from None


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
