"""Terms from files of UF3 potentials: JSON (own and the UF3 authors') and LAMMPS's format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.finite_numbers import require_finite_numbers
from madelung.common.text import read_text
from madelung.crystals.elements import atomic_number
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction, UF3Basis
from madelung.forcefields.uf3.lammps_parser import parse_lammps
from madelung.forcefields.uf3.terms import UF3Terms

__all__ = ["FORMAT", "VERSION", "read_terms", "terms_from_object"]

FORMAT = "madelung-uf3"
VERSION = 1


def read_terms(path: str | os.PathLike[str]) -> UF3Terms:
    """Read the terms of a UF3 potential in any of the three formats.

    Raises
    ------
    ForceFieldError
        If the file is missing, damaged, or of no known format.
    """
    text = read_text(path, ForceFieldError)
    if text.lstrip().startswith("{"):
        return _from_json(text, path)
    return parse_lammps(text, path)


def _from_json(text: str, path: str | os.PathLike[str]) -> UF3Terms:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ForceFieldError(f"{path}: is no JSON: {error}; write the file again") from None
    if not isinstance(document, dict):
        raise ForceFieldError(f"{path}: is no UF3 potential")
    require_finite_numbers(document, str(path), ForceFieldError, notes=("metadata",))
    return terms_from_object(document, str(path))


def terms_from_object(document: Mapping[str, Any], source: str = "") -> UF3Terms:
    """Return the terms that a JSON object holds, in this package's form or the authors'."""
    try:
        if "solution" in document:
            return _published(document)
        if "coefficients" in document and "format" not in document:
            return _published_whole(document)
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


def _own(document: Mapping[str, Any]) -> UF3Terms:
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
    return UF3Terms(energies, pairs, triplets, metadata=document.get("metadata", {}))


def _published(document: Mapping[str, Any]) -> UF3Terms:
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
    return UF3Terms(energies, pairs, triplets)


def _published_whole(document: Mapping[str, Any]) -> UF3Terms:
    """The authors' form since version 0.4: every coefficient stands in the file."""
    coefficients, knots = document["coefficients"], _knots_by_name(document)
    energies, pairs, triplets = {}, [], []
    for name, values in coefficients.items():
        parts = [atomic_number(symbol) for symbol in name.split("-")]
        if len(parts) == 1:
            energies[parts[0]] = float(values)
        elif len(parts) == 2:
            first, second = sorted(parts)
            pairs.append(PairFunction((first, second), _floats(knots[name]), _floats(values)))
        else:
            centre, first, second = parts
            one, other, opposite = (_floats(knot) for knot in knots[name])
            array = _floats(values)
            if first > second:
                first, second, one, other = second, first, other, one
                array = np.ascontiguousarray(array.transpose(1, 0, 2))
            triplets.append(TripletFunction((centre, first, second), (one, other, opposite), array))
    return UF3Terms(energies, pairs, triplets)


def _knots_by_name(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Knots by name: under "knots", or under "knots_map" where that names them all."""
    knots, named = document["knots"], document.get("knots_map") or {}
    return knots if isinstance(knots, Mapping) else named


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


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
