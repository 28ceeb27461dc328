"""Spherical harmonics as polynomials, which gives them and their gradients in one product."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.harmonics import spherical_harmonics

__all__ = ["degree_slice", "harmonics_with_gradients"]


def degree_slice(degree: int) -> slice:
    """Where the functions of a degree stand among the harmonics of degrees from zero."""
    return slice(degree * degree, (degree + 1) * (degree + 1))


def harmonics_with_gradients(
    directions: Tensor, distances: Tensor, degree: int
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return real spherical harmonics of vectors, and their derivatives by the vectors.

    Parameters
    ----------
    directions
        (..., 3) unit vectors.
    distances
        (...) lengths of the vectors.
    degree
        Highest degree, at most 3.

    Returns
    -------
    values
        (..., (degree + 1)²), the squares of each degree adding up to one.
    gradients
        Three of the same shape, in 1/Å.

    Notes
    -----
    A harmonic of degree l is a homogeneous polynomial p of the unit vector u = r/|r|, so that its
    gradient by r is (∇p(u) - l p(u) u)/|r|.
    """
    count = (degree + 1) ** 2
    matrix = torch.from_numpy(_matrix(degree)).to(directions.dtype)
    products = _monomials(directions, degree) @ matrix
    # Not chunk, whose derivative TorchScript has wrong where some of the parts are not used.
    value, *slopes = (products.narrow(-1, part * count, count) for part in range(4))
    degrees = torch.from_numpy(_degrees(degree)).to(directions.dtype)
    radial = degrees * value
    inverse = distances.reciprocal()[..., None]
    x, y, z = (
        (slope - radial * directions[..., axis : axis + 1]) * inverse
        for axis, slope in enumerate(slopes)
    )
    return value, (x, y, z)


def _degrees(degree: int) -> NDArray[np.float64]:
    return np.repeat(np.arange(degree + 1.0), 2 * np.arange(degree + 1) + 1)


@cache
def _exponents(degree: int) -> NDArray[np.int64]:
    """(monomials, 3) exponents of all monomials up to a degree, in ascending degree."""
    rows = [
        np.bincount(np.array(axes, dtype=np.int64), minlength=3)
        for total in range(degree + 1)
        for axes in combinations_with_replacement(range(3), total)
    ]
    return np.array(rows)


def _monomials(directions: Tensor, degree: int) -> Tensor:
    """(..., monomials); each is an earlier one times a component."""
    exponents = _exponents(degree)
    index = {tuple(row): place for place, row in enumerate(exponents.tolist())}
    components = directions.unbind(-1)
    columns = [torch.ones_like(components[0])]
    for row in exponents[1:]:
        axis = int(np.flatnonzero(row)[-1])
        columns.append(columns[index[tuple(row - np.eye(3, dtype=int)[axis])]] * components[axis])
    return torch.stack(columns, dim=-1)


@cache
def _matrix(degree: int) -> NDArray[np.float64]:
    """(monomials, 4 harmonics): coefficients of the harmonics, then of their three derivatives."""
    exponents = _exponents(degree)
    totals = exponents.sum(1)
    points = np.random.default_rng(0).normal(size=(60, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    values = np.concatenate(
        [np.ones((len(points), 1)), spherical_harmonics(points, degree)], axis=1
    )
    monomials = np.prod(points[:, None, :] ** exponents, axis=2)
    coefficients = np.zeros((len(exponents), (degree + 1) ** 2))
    for total in range(degree + 1):
        # Monomials of one degree are independent on the sphere: the polynomial is unique.
        own, columns = np.flatnonzero(totals == total), degree_slice(total)
        solution = np.linalg.lstsq(monomials[:, own], values[:, columns], rcond=None)[0]
        coefficients[own, columns] = np.where(np.abs(solution) > 1e-12, solution, 0.0)
    return np.concatenate([coefficients, *_derivatives(exponents, coefficients)], axis=1)


def _derivatives(
    exponents: NDArray[np.int64], coefficients: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Coefficients of the polynomials' derivatives along the three axes."""
    index = {tuple(row): place for place, row in enumerate(exponents.tolist())}
    results = []
    for axis in range(3):
        result = np.zeros_like(coefficients)
        for place, row in enumerate(exponents.tolist()):
            power = row[axis]
            if power:
                row[axis] -= 1
                result[index[tuple(row)]] += power * coefficients[place]
        results.append(result)
    return results
