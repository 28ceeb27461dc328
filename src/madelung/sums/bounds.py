"""Rigorous bounds on what a lattice sum leaves out beyond a cutoff.

With the Gram-Schmidt lengths l_i of a basis, any ball of radius r, wherever its centre, holds at
most N(r) = 1 + c1 r + c2 r² + c3 r³ lattice points, c1 = 2 sum 1/l_i, c2 = pi sum 1/(l_i l_j) over
i < j, and c3 = 4 pi/(3 l_1 l_2 l_3): slice the ball by the layers of the lattice, and use three
times that a sum over a unimodal function is at most its integral over the spacing plus its maximum.
A sum over all points beyond R of a falling function f is then, by Abel summation, at most
f(R) (N(R) - n) plus the integral of f N' from R on, where n points are known to lie inside.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["counting_bound", "counting_coefficients", "exponential_tail", "gaussian_tail"]

Array = NDArray[np.float64]


def counting_coefficients(lengths: Array) -> Array:
    """Return c1, c2 and c3 of the counting bound.

    Parameters
    ----------
    lengths
        (..., 3) Gram-Schmidt lengths of a basis.

    Returns
    -------
    (3, ...) array
    """
    a, b, c = np.moveaxis(1.0 / lengths, -1, 0)
    return np.stack(
        [2.0 * (a + b + c), math.pi * (a * b + a * c + b * c), 4.0 * math.pi / 3.0 * a * b * c]
    )


def counting_bound(coefficients: Array, radius: Array) -> Array:
    """Return N(r), the largest number of lattice points in any ball of radius r."""
    c1, c2, c3 = coefficients
    return 1.0 + radius * (c1 + radius * (c2 + radius * c3))


def gaussian_tail(coefficients: Array, radius: Array, rate: Array, inside: Array | float) -> Array:
    """Bound the sum of f beyond R, in units of f(R), where f(r) exp(rate r²) is falling.

    Parameters
    ----------
    coefficients
        (3, ...) coefficients of the counting bound.
    radius
        R > 0, the cutoff.
    rate
        Rate of the slowest Gaussian that f is made of.
    inside
        Number of points that are known to lie inside R, for every centre.

    Returns
    -------
    array
        G with sum over r > R of f(r) <= f(R) G.
    """
    c1, c2, c3 = coefficients
    # Integrals of r^m exp(-rate (r² - R²)) from R on, or bounds on them.
    zeroth = np.minimum(0.5 * np.sqrt(math.pi / rate), 0.5 / (rate * radius))
    first = 0.5 / rate
    second = 0.5 * (radius + zeroth) / rate
    surplus = np.maximum(counting_bound(coefficients, radius) - inside, 0.0)
    return surplus + c1 * zeroth + 2.0 * c2 * first + 3.0 * c3 * second


def exponential_tail(
    coefficients: Array, radius: Array, alpha: Array | float, inside: Array | float
) -> Array:
    """Bound the sum of f beyond R, in units of f(R), where f(r) exp(alpha r) is falling.

    Parameters and result are those of :func:`gaussian_tail`.
    """
    c1, c2, c3 = coefficients
    length = 1.0 / alpha
    first = length * (radius + length)
    second = length * (radius * radius + 2.0 * length * (radius + length))
    surplus = np.maximum(counting_bound(coefficients, radius) - inside, 0.0)
    return surplus + c1 * length + 2.0 * c2 * first + 3.0 * c3 * second
