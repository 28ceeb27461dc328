"""Numbers with certified errors, as text."""

from __future__ import annotations

import math

__all__ = ["bound_text", "value_text"]

_MOST_DECIMALS = 12


def bound_text(bound: float) -> str:
    """Print a bound with two digits, rounded up, so that what is printed is a bound too.

    Examples
    --------
    >>> bound_text(1.23e-9)
    '1.3e-09'
    """
    if not math.isfinite(bound) or bound <= 0.0:
        return f"{bound:.1e}"
    text = f"{bound:.1e}"
    if float(text) < bound:
        step = 10.0 ** (math.floor(math.log10(bound)) - 1)
        text = f"{float(text) + step:.1e}"
    return text


def value_text(value: float, bound: float) -> str:
    """Print a number with the decimals that a bound on its error leaves sure.

    Examples
    --------
    >>> value_text(1.23456789, 2e-4)
    '1.235'
    """
    if not math.isfinite(value) or not math.isfinite(bound) or bound <= 0.0:
        return f"{value:g}"
    decimals = max(0, min(_MOST_DECIMALS, math.floor(-math.log10(bound))))
    return f"{value:.{decimals}f}"
