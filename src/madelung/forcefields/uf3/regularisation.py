"""The penalty on coefficients of a UF3 fit: ridge and curvature (equations 14 to 16)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.forcefields.uf3.basis import UF3Basis
from madelung.forcefields.uf3.settings import Regularisation

__all__ = ["penalty_matrix"]


def penalty_matrix(basis: UF3Basis, settings: Regularisation) -> Any:
    """Return the (P, P) matrix R of the penalty c·R·c, a sparse one.

    Second differences are taken along each axis, over the zeros at its ends as well, so that terms
    go to zero smoothly; but not over coefficients of V3 that no triangle reaches.
    """
    from scipy.sparse import diags

    ridge = np.zeros(basis.size)
    ridge[: len(basis.species)] = settings.ridge_one_body
    total: Any = 0.0
    for columns in basis.pair_columns.values():
        # A coefficient that stands twice, by symmetry, is counted once.
        ridge[columns[columns >= 0]] = settings.ridge_two_body
        allowed = np.ones(columns.shape, dtype=bool)
        total += settings.curvature_two_body * _curvature(basis.size, columns, allowed)
    for numbers in basis.triplet_columns.values():
        ridge[numbers[numbers >= 0]] = settings.ridge_three_body
        allowed = (numbers >= 0) | basis.at_ends(numbers.shape)
        total += settings.curvature_three_body * _curvature(basis.size, numbers, allowed)
    return (diags(ridge) + total).tocsc()


def _curvature(size: int, columns: NDArray[np.int64], allowed: NDArray[np.bool_]) -> Any:
    """Sum of the squares of second differences along each axis, as a sparse matrix."""
    from scipy.sparse import coo_matrix

    total: Any = coo_matrix((size, size)).tocsr()
    for axis in range(columns.ndim):
        moved, good = np.moveaxis(columns, axis, 0), np.moveaxis(allowed, axis, 0)
        stencils = [moved[:-2].ravel(), moved[1:-1].ravel(), moved[2:].ravel()]
        used = (good[:-2] & good[1:-1] & good[2:]).ravel()
        rows = np.flatnonzero(used)
        parts = []
        for stencil, factor in zip(stencils, (1.0, -2.0, 1.0), strict=True):
            free = rows[stencil[rows] >= 0]
            parts.append((np.full(len(free), factor), free, stencil[free]))
        values, row_numbers, column_numbers = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        differences = coo_matrix(
            (values, (row_numbers, column_numbers)), shape=(len(used), size)
        ).tocsr()
        total = total + differences.T @ differences
    return total
