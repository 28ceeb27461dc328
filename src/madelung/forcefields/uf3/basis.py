"""Cubic B-splines of two- and three-body terms, and where their coefficients stand in a fit.

Equation numbers are those of docs/theory/uf3.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.elements import ELEMENT_SYMBOLS

__all__ = [
    "PairFunction",
    "TripletFunction",
    "UF3Basis",
    "break_points",
    "clamped_knots",
    "reachable",
    "spline_polynomials",
]

_Array = NDArray[np.float64]


def clamped_knots(lower: float, upper: float, intervals: int) -> _Array:
    """Return uniform knots whose ends are repeated, so that there are intervals + 3 splines.

    Parameters
    ----------
    lower, upper
        The range of distances in Å.
    intervals
        Number of equal intervals.
    """
    inner = np.linspace(lower, upper, intervals + 1)
    return np.concatenate([[lower] * 3, inner, [upper] * 3])


def break_points(knots: _Array) -> _Array:
    """Return the ends of the intervals on which four cubic splines are defined.

    Raises
    ------
    ForceFieldError
        If there are fewer than eight knots, they do not ascend, or inner ones are repeated.
    """
    breaks = np.asarray(knots, dtype=np.float64)[3:-3]
    if knots.ndim != 1 or len(knots) < 8:
        raise ForceFieldError("a cubic spline needs at least eight knots")
    if not np.isfinite(knots).all() or (np.diff(knots) < 0).any() or (np.diff(breaks) <= 0).any():
        raise ForceFieldError("knots must ascend; only those at the ends may be repeated")
    if breaks[0] < 0:
        raise ForceFieldError("knots are distances and cannot be negative")
    return breaks


def spline_polynomials(knots: _Array) -> _Array:
    """Return the polynomials of the four splines that are not zero on each interval.

    Parameters
    ----------
    knots
        (K,) as :func:`break_points` accepts.

    Returns
    -------
    ndarray
        (K - 7, 4, 4): interval, power of u, spline; u runs from 0 to 1 in the interval.

    Notes
    -----
    The recursion of Cox and de Boor (equation 2), on the coefficients of the polynomials.
    """
    breaks = break_points(knots)
    result = np.zeros((len(breaks) - 1, 4, 4))
    for interval, start in enumerate(breaks[:-1]):
        span, width = interval + 3, breaks[interval + 1] - start
        splines = {span: np.array([1.0])}
        for degree in range(1, 4):
            raised = {}
            for index in range(span - degree, span + 1):
                polynomial = np.zeros(degree + 1)
                if index in splines:
                    length = knots[index + degree] - knots[index]
                    ramp = np.array([start - knots[index], width]) / length
                    polynomial += np.convolve(splines[index], ramp)
                if index + 1 in splines:
                    length = knots[index + degree + 1] - knots[index + 1]
                    ramp = np.array([knots[index + degree + 1] - start, -width]) / length
                    polynomial += np.convolve(splines[index + 1], ramp)
                raised[index] = polynomial
            splines = raised
        for place in range(4):
            result[interval, :, place] = splines[span - 3 + place]
    return result


@dataclass(frozen=True, eq=False)
class PairFunction:
    """V2 of two species; it counts ordered pairs, so that it is half the energy of a pair.

    Parameters
    ----------
    species
        Two atomic numbers, ascending.
    knots
        (K,) in Å.
    coefficients
        (K - 4,) in eV.
    """

    species: tuple[int, int]
    knots: _Array
    coefficients: _Array

    def __post_init__(self) -> None:
        """Check shapes and order."""
        break_points(self.knots)
        _check(self.name, self.species[0] <= self.species[1], "species must ascend")
        _check_coefficients(self.name, self.coefficients, (len(self.knots) - 4,))

    @property
    def name(self) -> str:
        """Symbols, as in W-W."""
        return "-".join(ELEMENT_SYMBOLS[number] for number in self.species)

    def __call__(self, distances: _Array) -> _Array:
        """Return V2 in eV at distances in Å: below the knots its tangent, beyond them zero."""
        from scipy.interpolate import BSpline

        spline = BSpline(self.knots, self.coefficients, 3)
        breaks = break_points(self.knots)
        held = np.clip(distances, breaks[0], breaks[-1])
        values = spline(held) + spline(breaks[0], 1) * np.minimum(distances - held, 0.0)
        result: _Array = np.where(distances < breaks[-1], values, 0.0)
        return result


@dataclass(frozen=True, eq=False)
class TripletFunction:
    """V3 of a centre i and two neighbours j, k, which are counted once.

    Parameters
    ----------
    species
        Atomic numbers of i, j and k; those of j and k ascend.
    knots
        Of r_ij, r_ik and r_jk, in Å. Where j and k are of one species, the first two agree.
    coefficients
        (L, M, N) in eV, symmetric in the first two axes where j and k are of one species.
    """

    species: tuple[int, int, int]
    knots: tuple[_Array, _Array, _Array]
    coefficients: _Array

    def __post_init__(self) -> None:
        """Check shapes, order and symmetry."""
        for knots in self.knots:
            break_points(knots)
        _check(self.name, self.species[1] <= self.species[2], "species of neighbours must ascend")
        _check_coefficients(
            self.name, self.coefficients, tuple(len(knots) - 4 for knots in self.knots)
        )
        if self.symmetric:
            same = np.array_equal(self.knots[0], self.knots[1])
            _check(self.name, same, "equal neighbours need equal knots")
            turned = self.coefficients.transpose(1, 0, 2)
            largest = np.abs(self.coefficients).max()
            _check(
                self.name,
                bool((np.abs(turned - self.coefficients) <= 1e-9 * largest).all()),
                "equal neighbours need coefficients that are symmetric in r_ij and r_ik",
            )

    @property
    def name(self) -> str:
        """Symbols, the centre first, as in W-W-W."""
        return "-".join(ELEMENT_SYMBOLS[number] for number in self.species)

    @property
    def symmetric(self) -> bool:
        """Whether both neighbours are of one species."""
        return self.species[1] == self.species[2]

    def __call__(self, first: _Array, second: _Array, opposite: _Array) -> _Array:
        """Return V3 in eV at distances r_ij, r_ik, r_jk that are broadcast; zero outside."""
        from scipy.interpolate import BSpline

        distances = np.broadcast_arrays(first, second, opposite)
        bases = []
        for knots, values in zip(self.knots, distances, strict=True):
            spline = BSpline(knots, np.eye(len(knots) - 4), 3, extrapolate=False)
            bases.append(np.nan_to_num(spline(values.ravel())))
        values = np.einsum("pl,pm,pn,lmn->p", *bases, self.coefficients, optimize=True)
        result: _Array = values.reshape(distances[0].shape)
        return result


def _check(name: str, good: bool, problem: str) -> None:
    if not good:
        raise ForceFieldError(f"UF3 term {name}: {problem}")


def _check_coefficients(name: str, coefficients: _Array, shape: tuple[int, ...]) -> None:
    _check(
        name,
        coefficients.shape == shape,
        f"coefficients have the shape {coefficients.shape}; the knots ask for {shape}",
    )
    _check(name, bool(np.isfinite(coefficients).all()), "coefficients are not finite")


def reachable(knots: tuple[_Array, _Array, _Array]) -> NDArray[np.bool_]:
    """Return (L, M, N) whether any triangle lies where a product of splines is not zero.

    The sides of a triangle lie in the supports [t_i, t_{i+4}] of its splines if the longest
    possible sum of two sides exceeds the shortest third side (equation 6).
    """
    lower = [knot[:-4] for knot in knots]
    upper = [knot[4:] for knot in knots]
    axes = [(slice(None), None, None), (None, slice(None), None), (None, None, slice(None))]
    low = [values[axis] for values, axis in zip(lower, axes, strict=True)]
    high = [values[axis] for values, axis in zip(upper, axes, strict=True)]
    result: NDArray[np.bool_] = (
        (high[0] + high[1] > low[2]) & (high[0] + high[2] > low[1]) & (high[1] + high[2] > low[0])
    )
    return result


@dataclass(frozen=True, eq=False)
class UF3Basis:
    """Which terms a fit has, and which coefficients of them are free.

    The free coefficients stand in one vector: an energy for each species, then the coefficients of
    each pair, then those of each triplet. The last ones of each axis are zero, so that value, slope
    and curvature vanish at the cutoff; coefficients of V3 that no triangle reaches are zero; and
    those that symmetry makes equal are one.

    Parameters
    ----------
    species
        Atomic numbers, ascending.
    pair_knots
        Knots for each pair (a, b), a <= b.
    triplet_knots
        Knots of r_ij, r_ik, r_jk for each triplet (centre, a, b), a <= b; may be empty.
    trailing
        How many coefficients are zero at the end of each axis.
    leading
        How many coefficients of V3 are zero at the beginning of each axis, so that it comes from
        zero there.
    """

    species: tuple[int, ...]
    pair_knots: dict[tuple[int, int], _Array]
    triplet_knots: dict[tuple[int, int, int], tuple[_Array, _Array, _Array]]
    trailing: int = 3
    leading: int = 0

    @cached_property
    def pair_columns(self) -> dict[tuple[int, int], NDArray[np.int64]]:
        """Column of each coefficient of each pair; -1 where it is zero."""
        columns, begin = {}, len(self.species)
        for key, knots in self.pair_knots.items():
            count = len(knots) - 4
            numbers = np.full(count, -1)
            free = count - self.trailing
            numbers[:free] = begin + np.arange(free)
            columns[key] = numbers
            begin += free
        return columns

    @cached_property
    def triplet_columns(self) -> dict[tuple[int, int, int], NDArray[np.int64]]:
        """(L, M, N) column of each coefficient of each triplet; -1 where it is zero."""
        columns = {}
        begin = len(self.species) + sum((c >= 0).sum() for c in self.pair_columns.values())
        for key, knots in self.triplet_knots.items():
            free = reachable(knots)
            free &= ~self.at_ends(free.shape)
            symmetric = key[1] == key[2]
            if symmetric:
                rows, others, _ = np.indices(free.shape)
                free &= rows <= others
            numbers = np.full(free.shape, -1)
            numbers[free] = begin + np.arange(free.sum())
            if symmetric:
                numbers = np.maximum(numbers, numbers.transpose(1, 0, 2))
            columns[key] = np.ascontiguousarray(numbers)
            begin += free.sum()
        return columns

    def at_ends(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which coefficients of V3 are zero because they stand at an end of an axis."""
        result = np.zeros(shape, dtype=bool)
        for axis, size in enumerate(shape):
            place = np.moveaxis(result, axis, 0)
            place[size - self.trailing :] = True
            place[: self.leading] = True
        return result

    @cached_property
    def size(self) -> int:
        """Number P of free coefficients."""
        parts = [*self.pair_columns.values(), *self.triplet_columns.values()]
        return max([len(self.species) - 1, *(int(part.max()) for part in parts)]) + 1

    @cached_property
    def cutoff(self) -> float:
        """Largest distance from an atom to a neighbour that takes part, in Å."""
        ends = [knots[-1] for knots in self.pair_knots.values()]
        ends += [knot[-1] for knots in self.triplet_knots.values() for knot in knots[:2]]
        return float(max(ends))

    def pairs(self, coefficients: _Array) -> tuple[PairFunction, ...]:
        """Return the two-body terms of a vector of free coefficients."""
        return tuple(
            PairFunction(key, self.pair_knots[key], _expand(coefficients, columns))
            for key, columns in self.pair_columns.items()
        )

    def triplets(self, coefficients: _Array) -> tuple[TripletFunction, ...]:
        """Return the three-body terms of a vector of free coefficients."""
        return tuple(
            TripletFunction(key, self.triplet_knots[key], _expand(coefficients, columns))
            for key, columns in self.triplet_columns.items()
        )

    def compress(
        self,
        one_body: Sequence[float],
        pairs: Sequence[PairFunction],
        triplets: Sequence[TripletFunction],
    ) -> _Array:
        """Return the vector of free coefficients of terms that have this basis."""
        vector = np.zeros(self.size)
        vector[: len(self.species)] = one_body
        for pair in pairs:
            columns = self.pair_columns[pair.species]
            vector[columns[columns >= 0]] = pair.coefficients[columns >= 0]
        for triplet in triplets:
            numbers = self.triplet_columns[triplet.species]
            vector[numbers[numbers >= 0]] = triplet.coefficients[numbers >= 0]
        return vector


def _expand(coefficients: _Array, columns: NDArray[np.int64]) -> _Array:
    values: _Array = np.where(columns >= 0, coefficients[columns], 0.0)
    return values
