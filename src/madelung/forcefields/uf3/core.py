"""The native core, ``madelung.common._uf3``, with the terms of a potential or of a fit in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.native import uf3_core
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import Neighbours
from madelung.forcefields.uf3.basis import (
    PairFunction,
    TripletFunction,
    break_points,
    spline_polynomials,
)

__all__ = ["arguments", "interactions"]


def interactions(
    species: Sequence[int],
    pairs: Iterable[PairFunction],
    triplets: Iterable[TripletFunction],
    columns: Mapping[tuple[int, ...], NDArray[np.int64]] | None = None,
    size: int = 0,
) -> Any:
    """Return the core's form of a potential, or, with columns, of a fit.

    Parameters
    ----------
    species
        Atomic numbers, ascending.
    pairs, triplets
        Terms.
    columns
        Column of each coefficient of each term; -1 where it has none.
    size
        Number of columns.
    """
    numbers = {number: index for index, number in enumerate(species)}
    built = uf3_core().Interactions(len(species), size)
    for pair in pairs:
        built.add_pair(
            *(numbers[number] for number in pair.species),
            *_axis(pair.knots),
            np.ascontiguousarray(pair.coefficients),
            _columns(columns, pair),
        )
    for triplet in triplets:
        axes = [array for knots in triplet.knots for array in _axis(knots)]
        built.add_triplet(
            *(numbers[number] for number in triplet.species),
            *axes,
            np.ascontiguousarray(triplet.coefficients),
            _columns(columns, triplet),
        )
    return built


def _axis(knots: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.ascontiguousarray(break_points(knots)), spline_polynomials(knots)


def _columns(
    columns: Mapping[tuple[int, ...], NDArray[np.int64]] | None,
    term: PairFunction | TripletFunction,
) -> NDArray[np.int64]:
    if columns is None:
        return np.full(term.coefficients.shape, -1)
    return columns[term.species]


def arguments(crystal: Crystal, species: Sequence[int], neighbours: Neighbours) -> tuple[Any, ...]:
    """Return what the core asks for of a structure: neighbour lists and species."""
    numbers = np.searchsorted(np.asarray(species), crystal.numbers).astype(np.int32)
    return (
        neighbours.starts,
        neighbours.indices,
        neighbours.vectors,
        neighbours.distances,
        numbers,
    )
