"""Sums and products of twice float64's precision, for NumPy arrays and PyTorch tensors alike.

A number is held as an unevaluated sum of two float64 numbers (high, low), high being the sum
rounded. T. J. Dekker, Numer. Math. 18, 224 (1971); D. E. Knuth, TAOCP 2, 4.2.2.
"""

from __future__ import annotations

from typing import Any

__all__ = ["add", "combine_rows", "exact_product", "exact_sum"]

# 2^27 + 1 splits a float64 into two halves whose products are exact.
_SPLITTER = 134217729.0


def exact_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and its rounding error."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def exact_product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a b rounded, and its rounding error."""
    product = a * b
    scaled_a, scaled_b = _SPLITTER * a, _SPLITTER * b
    high_a = scaled_a - (scaled_a - a)
    high_b = scaled_b - (scaled_b - b)
    low_a, low_b = a - high_a, b - high_b
    error = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    return product, error


def add(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the sum of two double-double numbers."""
    high, low = exact_sum(a[0], b[0])
    low_high, low_low = exact_sum(a[1], b[1])
    high, low = exact_sum(high, low + low_high)
    return exact_sum(high, low + low_low)


def combine_rows(integers: Any, rows: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return integers @ rows, where only the rows are double-double.

    Parameters
    ----------
    integers
        (..., 3) whole numbers below 2^53.
    rows
        High and low parts, (..., 3, 3).

    Returns
    -------
    tuple
        High and low parts, (..., 3).
    """
    high, low = rows
    total = None
    for index in range(3):
        factor = integers[..., index, None]
        product, error = exact_product(factor, high[..., index, :])
        term = exact_sum(product, error + factor * low[..., index, :])
        total = term if total is None else add(total, term)
    assert total is not None
    return total
