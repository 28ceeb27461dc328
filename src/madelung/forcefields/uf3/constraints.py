"""Inequalities on V2 at short distances, where data are few: equations 17 and 18."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from madelung.forcefields.uf3.basis import UF3Basis, break_points
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["constrained_solution", "inequalities"]

_Array = NDArray[np.float64]


def inequalities(basis: UF3Basis, settings: UF3Settings) -> _Array:
    """Return the (m, P) matrix C of the inequalities C c >= 0.

    They are asked at eight points of each interval of the knots, and at the distance given.
    """
    from scipy.interpolate import BSpline

    rows = [np.empty((0, basis.size))]
    for key, columns in basis.pair_columns.items():
        knots = basis.pair_knots[key]
        splines = BSpline(knots, np.eye(len(columns)), 3)
        for end, values, sign in (
            (settings.positive_below, splines, 1.0),
            (settings.decreasing_below, splines.derivative(), -1.0),
        ):
            if end is not None and end > knots[3]:
                part = np.zeros((len(points := _points(knots, end)), basis.size))
                part[:, columns[columns >= 0]] = sign * values(points)[:, columns >= 0]
                rows.append(part)
    return np.concatenate(rows)


def _points(knots: _Array, end: float) -> _Array:
    breaks = break_points(knots)
    points = np.concatenate(
        [np.linspace(low, high, 8, endpoint=False) for low, high in pairwise(breaks)]
    )
    return np.append(points[points < end], min(end, float(breaks[-1])))


def constrained_solution(factor: _Array, free: _Array, matrix: _Array) -> _Array:
    """Return the c that minimises the quadratic form of a fit under C c >= 0.

    Parameters
    ----------
    factor
        (P, P) upper U with Uᵀ U = A, the matrix of the normal equations.
    free
        (P,) its minimum without inequalities.
    matrix
        (m, P) the matrix C.

    Notes
    -----
    With multipliers y >= 0, c = free + A⁻¹ Cᵀ y, and y minimises |U⁻ᵀ Cᵀ y + U free|², which is
    a problem of non-negative least squares with m unknowns: exact, whatever the condition of A.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    if not len(matrix) or bool((matrix @ free >= 0).all()):
        return free
    spread = solve_triangular(factor, matrix.T, trans="T")
    multipliers, _ = nnls(spread, -(factor @ free))
    shift = solve_triangular(factor, spread @ multipliers)
    solution: _Array = free + shift
    return solution
