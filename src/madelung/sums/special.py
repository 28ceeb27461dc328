"""The one special function that the splitting of inverse powers needs, with all its derivatives.

E(c, x) = integral over u from 1 to infinity of u^(c - 1) exp(-x u) du is, up to a power of x, the
upper incomplete gamma function: E(c, x) = x^(-c) Gamma(c, x). The real-space and the
reciprocal-space term of 1/r^n are both of this form. Its derivatives stay in the family
E_m(c, x) = integral of u^(c - 1) (ln u)^m exp(-x u) du,

    d/dx E_m(c, x) = -E_m(c + 1, x),    d/dc E_m(c, x) = E_(m + 1)(c, x),

so that PyTorch may differentiate it as often as it likes without a graph through the quadrature.
"""

from __future__ import annotations

import functools
import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["exponential_integral", "has_closed_form"]

# Fraction and quadrature are for exponents up to this; the recurrence leads to those above.
_LARGEST_START = 1.5
# From this argument on the continued fraction is exact after _FRACTION_LEVELS levels. It is the
# quicker way for arrays large enough to be worth taking apart.
_FRACTION_START = 4.0
_FRACTION_LEVELS = 30
_SMALL_ARRAY = 1000
# exp(-40) is below the rounding error of a sum whose largest part is one.
_NEGLIGIBLE_EXPONENT = 40.0
# The last part of the range, where the integrand falls like exp(-exp v), has nodes of its own: as
# many as resolve it to the last digit, and also all that lies before it, however long.
_FALL_LENGTH = 5.0
_QUADRATURE_NODES = 36
# Arguments that are worked on together: their nodes' values should stay in a core's cache.
_QUADRATURE_BLOCK = 4096


def has_closed_form(exponent: float) -> bool:
    """Tell whether E(exponent, x) is elementary, or elementary with erfc, and easily evaluated."""
    return exponent > 0.0 and (2.0 * exponent).is_integer()


def exponential_integral(exponent: float | Tensor, argument: Tensor) -> Tensor:
    """Evaluate E(c, x), the integral of u^(c - 1) exp(-x u) over u from 1 to infinity.

    Parameters
    ----------
    exponent
        c, any real number; a scalar tensor if derivatives with respect to it are wanted.
    argument
        x > 0, any shape, float64.

    Returns
    -------
    Tensor
        E(c, x), of the shape of ``argument``. Relative error below 1e-15 (2 + x) in closed form
        (integer and half-integer c > 0), and otherwise below 4e-15, for c between -30 and 32 and x
        above 1e-18.

    Notes
    -----
    Closed forms by recurrence in c from E(1, x) = exp(-x)/x and
    E(1/2, x) = sqrt(pi) erfc(sqrt x)/sqrt x, DLMF 8.8.2. Other exponents by the continued fraction
    of DLMF 8.9.2 and by Gauss-Legendre quadrature in ln u, with the same recurrence above c = 1.5.
    """
    if not isinstance(exponent, Tensor):
        exponent = torch.tensor(float(exponent), dtype=torch.float64)
    return _ExponentialIntegral.apply(exponent, argument, 0)


class _ExponentialIntegral(torch.autograd.Function):
    """E_m(c, x) with derivatives of every order."""

    @staticmethod
    def forward(ctx: Any, exponent: Tensor, argument: Tensor, order: int) -> Tensor:
        ctx.save_for_backward(exponent, argument)
        ctx.order = order
        value = float(exponent)
        if order == 0 and has_closed_form(value):
            return _closed_form(value, argument)
        start = value - max(0, math.ceil(value - _LARGEST_START))
        if order == 0 and argument.numel() > _SMALL_ARRAY:
            values = [_fraction_or_quadrature(start, argument)]
        else:
            values = _quadrature(start, argument, order)
        return _recur_upwards(values, start, value, argument)[order]

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        exponent, argument = ctx.saved_tensors
        of_exponent = of_argument = None
        if ctx.needs_input_grad[0]:
            derivative = _ExponentialIntegral.apply(exponent, argument, ctx.order + 1)
            of_exponent = (cotangent * derivative).sum().to(exponent.device)
        if ctx.needs_input_grad[1]:
            derivative = _ExponentialIntegral.apply(exponent + 1.0, argument, ctx.order)
            of_argument = -cotangent * derivative
        return of_exponent, of_argument, None


def _closed_form(exponent: float, argument: Tensor) -> Tensor:
    if exponent.is_integer():
        start, value = 1.0, torch.exp(-argument) / argument
    else:
        root = torch.sqrt(argument)
        start, value = 0.5, math.sqrt(math.pi) * torch.erfc(root) / root
    return _recur_upwards([value], start, exponent, argument)[0]


def _recur_upwards(
    values: list[Tensor], start: float, stop: float, argument: Tensor
) -> list[Tensor]:
    """Raise the exponent of E_0, E_1, ... from start > 0 to stop; all terms are positive."""
    exponent = start
    decay = torch.exp(-argument)
    while exponent < stop:
        rests = [decay] + [(order + 1.0) * value for order, value in enumerate(values[:-1])]
        values = [
            (exponent * value + rest) / argument for value, rest in zip(values, rests, strict=True)
        ]
        exponent += 1.0
    return values


def _fraction_or_quadrature(exponent: float, argument: Tensor) -> Tensor:
    far = argument >= _FRACTION_START
    values = torch.empty_like(argument)
    values[far] = _continued_fraction(exponent, argument[far])
    values[~far] = _quadrature(exponent, argument[~far], 0)[0]
    return values


def _continued_fraction(exponent: float, argument: Tensor) -> Tensor:
    tail = torch.zeros_like(argument)
    for level in range(_FRACTION_LEVELS, 0, -1):
        step = argument + (2 * level + 1 - exponent)
        tail = (step - tail).reciprocal() * (level * (level - exponent))
    return torch.exp(-argument) / (argument + (1.0 - exponent) - tail)


def _quadrature(exponent: float, argument: Tensor, order: int) -> list[Tensor]:
    """Return E_0 to E_order by integration over v = ln u, of exp(c v - x exp(v)) v^order."""
    shape = argument.shape
    blocks = []
    for block in argument.reshape(-1).split(_QUADRATURE_BLOCK):
        upper = torch.log1p(_NEGLIGIBLE_EXPONENT / block)
        if exponent < 0.0:
            upper = upper.clamp(max=(_NEGLIGIBLE_EXPONENT + 2.0) / -exponent)
        knee = (upper - _FALL_LENGTH).clamp(min=0.0)
        total = _panel(exponent, block, order, knee, upper)
        early = (knee > 0.0).nonzero()[:, 0]
        if len(early) > 0:
            knee = knee[early]
            # Far below ln(c/x) the integrand rises like exp(c v): nothing is lost there.
            lower = (knee - _NEGLIGIBLE_EXPONENT / max(exponent, 1e-300)).clamp(min=0.0)
            rest = _panel(exponent, block[early], order, lower, knee)
            total = total.index_add(1, early, rest)
        blocks.append(total * torch.exp(-block))
    return [values.reshape(shape) for values in torch.cat(blocks, dim=1)]


def _panel(exponent: float, argument: Tensor, order: int, lower: Tensor, upper: Tensor) -> Tensor:
    """Return (order + 1, M) integrals from lower to upper for M arguments, times exp(x)."""
    rule = torch.as_tensor(_legendre_rule(_QUADRATURE_NODES), device=argument.device)
    half = 0.5 * (upper - lower)
    places = lower + half * (1.0 + rule[:, :1])
    terms = half * torch.exp(exponent * places - argument * torch.expm1(places))
    sums = []
    for _ in range(order + 1):
        sums.append(rule[:, 1] @ terms)
        terms = terms * places
    return torch.stack(sums)


@functools.cache
def _legendre_rule(count: int) -> NDArray[np.float64]:
    """Return (count, 2) Gauss-Legendre nodes and weights on [-1, 1], rounded from 40 digits.

    Rules from eigenvalue solvers carry errors of 1e-13 in the weights near the ends, where the
    integrand is largest.
    """
    rule = []
    with localcontext() as context:
        context.prec = 40
        for index in range(count):
            node = Decimal(math.cos(math.pi * (index + 0.75) / (count + 0.5)))
            for _ in range(8):
                value, slope = _legendre(count, node)
                node -= value / slope
            _, slope = _legendre(count, node)
            rule.append((float(node), float(2 / ((1 - node * node) * slope * slope))))
    return np.array(rule)


def _legendre(degree: int, place: Decimal) -> tuple[Decimal, Decimal]:
    previous, value = Decimal(1), place
    for index in range(2, degree + 1):
        following = ((2 * index - 1) * place * value - (index - 1) * previous) / index
        previous, value = value, following
    return value, degree * (place * value - previous) / (place * place - 1)
