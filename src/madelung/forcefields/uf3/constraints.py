"""Inequalities on V2 at short distances, where data are few: equations 17 and 18."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.forcefields.uf3.basis import UF3Basis
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["constrained_solution", "inequalities"]

_Array = NDArray[np.float64]


def inequalities(basis: UF3Basis, settings: UF3Settings) -> _Array:
    """Return the (m, P) matrix C of the inequalities C c >= 0.

    A spline lies between its smallest and its largest coefficient, and falls where they fall: to
    ask it of coefficients is enough.
    """
    rows = []
    for key, columns in basis.pair_columns.items():
        knots = basis.pair_knots[key]
        for index in range(len(columns)):
            # Spline i begins at knots[i]; its slope has the coefficients c_{i+1} - c_i, whose
            # splines begin at knots[i + 1].
            if settings.positive_below is not None and knots[index] < settings.positive_below:
                rows.append(_row(basis.size, [(columns[index], 1.0)]))
            falls = settings.decreasing_below is not None and index + 1 < len(columns)
            if falls and knots[index + 1] < (settings.decreasing_below or 0.0):
                rows.append(_row(basis.size, [(columns[index], 1.0), (columns[index + 1], -1.0)]))
    matrix = np.array(rows).reshape(-1, basis.size)
    kept: _Array = matrix[np.abs(matrix).max(axis=1, initial=0.0) > 0]
    return kept


def _row(size: int, terms: list[tuple[int, float]]) -> _Array:
    row = np.zeros(size)
    for column, factor in terms:
        if column >= 0:
            row[column] = factor
    return row


def constrained_solution(factor: _Array, free: _Array, matrix: _Array) -> _Array:
    """Return the c that minimises the quadratic form of a fit under C c >= 0.

    Parameters
    ----------
    factor
        (P, P) lower L with L Lᵀ = A, the matrix of the normal equations.
    free
        (P,) its minimum without inequalities.
    matrix
        (m, P) the matrix C.

    Notes
    -----
    With multipliers y >= 0, c = free + A⁻¹ Cᵀ y, and y minimises |L⁻¹ Cᵀ y + Lᵀ free|², which is
    a problem of non-negative least squares with m unknowns: exact, whatever the condition of A.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    if not len(matrix) or (matrix @ free >= 0).all():
        return free
    spread = solve_triangular(factor, matrix.T, lower=True)
    multipliers, _ = nnls(spread, -(factor.T @ free))
    shift = solve_triangular(factor, spread @ multipliers, lower=True, trans="T")
    solution: _Array = free + shift
    return solution
