"""Lattice sums in ball arithmetic: a judge that shares nothing with the package.

Cells and positions enter as exact rational numbers, the lattice is reduced in exact integers, and
every sum comes back as a ball of ``python-flint`` that contains the true value. Points in a ball
are counted with the covering radius (not with the bound that the package uses), and distances,
phases and special functions are evaluated to as many bits as the asked accuracy needs.

The splitting is the one by Riemann's theta function: a potential is a mixture of Gaussians
``exp(-u r^2)``; the part with ``u > t`` is summed over the lattice, the rest over its dual.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np
from flint import arb, ctx, fmpq, fmpz_mat

Number = float | int | Fraction
Vector = Sequence[Number] | np.ndarray
Rows = Sequence[Sequence[Number]] | np.ndarray
# More lattice points than this in one box means that the question was put badly.
LARGEST_BOX = 3_000_000


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Evaluate with so many bits, and restore what was before."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def ball(number: Number) -> arb:
    """Enclose a number at the present precision; floats are taken as the rationals they are."""
    fraction = Fraction(number)
    return arb(fmpq(fraction.numerator, fraction.denominator))


def half(value: arb) -> arb:
    """Half of a ball."""
    return value / 2


class Potential(Protocol):
    """What the oracle needs to know of a pair potential; r2 and k2 are squared lengths."""

    def value(self, r2: arb) -> arb: ...
    def real(self, r2: arb, t: arb) -> arb: ...
    def reciprocal(self, k2: arb, t: arb) -> arb: ...
    def excluded(self, r2: arb, t: arb) -> arb: ...


@dataclass(frozen=True)
class InversePower:
    """``r^-n`` for any real n > 0 but 3, analytically continued below 3."""

    exponent: Number

    @property
    def half_exponent(self) -> arb:
        return half(ball(self.exponent))

    def value(self, r2: arb) -> arb:
        return r2 ** (-self.half_exponent)

    def real(self, r2: arb, t: arb) -> arb:
        if self.exponent == 1:
            return (t * r2).sqrt().erfc() / r2.sqrt()
        p = self.half_exponent
        return (t * r2).gamma_upper(p, regularized=1) * r2 ** (-p)

    def reciprocal(self, k2: arb, t: arb) -> arb:
        """Per volume; at k = 0 the neutralising background leaves ``-t^-q / q``."""
        p = self.half_exponent
        q = arb(3) / 2 - p
        scale = arb.pi() ** (arb(3) / 2) / p.gamma()
        if k2.is_zero():
            return -scale * t ** (-q) / q
        y = arb.pi() ** 2 * k2
        return scale * (y / t).gamma_upper(q) * y ** (-q)

    def excluded(self, r2: arb, t: arb) -> arb:
        p = self.half_exponent
        return t**p * (t * r2).gamma_lower(p, regularized=2)


@dataclass(frozen=True)
class Yukawa:
    """``exp(-alpha r) / r``."""

    alpha: Number

    def value(self, r2: arb) -> arb:
        r = r2.sqrt()
        return (-ball(self.alpha) * r).exp() / r

    def real(self, r2: arb, t: arb) -> arb:
        alpha, r, x, h = _screened(self.alpha, r2, t)
        grown, fallen = (alpha * r).exp(), (-alpha * r).exp()
        return half(fallen * (x - h).erfc() + grown * (x + h).erfc()) / r

    def reciprocal(self, k2: arb, t: arb) -> arb:
        b = arb.pi() ** 2 * k2 + ball(self.alpha) ** 2 / 4
        return arb.pi() * (-b / t).exp() / b

    def excluded(self, r2: arb, t: arb) -> arb:
        alpha, r, x, h = _screened(self.alpha, r2, t)
        if r2.is_zero():
            return 2 * (t / arb.pi()).sqrt() * (-h * h).exp() - alpha * h.erfc()
        grown, fallen = (alpha * r).exp(), (-alpha * r).exp()
        return half(fallen * (h - x).erfc() - grown * (x + h).erfc()) / r

    def direct_tail(self, lattice: ExactLattice, radius: float) -> arb:
        return Exponential(self.alpha).direct_tail(lattice, radius) / ball(radius)


@dataclass(frozen=True)
class Exponential:
    """``exp(-alpha r)``."""

    alpha: Number

    def value(self, r2: arb) -> arb:
        return (-ball(self.alpha) * r2.sqrt()).exp()

    def real(self, r2: arb, t: arb) -> arb:
        alpha, r, x, h = _screened(self.alpha, r2, t)
        return half((-alpha * r).exp() * (x - h).erfc() - (alpha * r).exp() * (x + h).erfc())

    def reciprocal(self, k2: arb, t: arb) -> arb:
        alpha = ball(self.alpha)
        b = arb.pi() ** 2 * k2 + alpha**2 / 4
        return half(alpha * arb.pi() * (-b / t).exp() * (1 / (t * b) + 1 / b**2))

    def excluded(self, r2: arb, t: arb) -> arb:
        alpha, r, x, h = _screened(self.alpha, r2, t)
        return half((-alpha * r).exp() * (h - x).erfc() + (alpha * r).exp() * (h + x).erfc())

    def direct_tail(self, lattice: ExactLattice, radius: float) -> arb:
        """Bound what lies outside: the points in a ball number at most its grown volume over V."""
        alpha, edge = ball(self.alpha), ball(radius) + ball(lattice.covering_radius)
        moments = sum(
            (math.perm(3, m) * edge ** (3 - m) / alpha**m for m in range(4)), start=arb(0)
        )
        return 4 * arb.pi() / (3 * ball(lattice.volume)) * (-alpha * ball(radius)).exp() * moments


@dataclass(frozen=True)
class Gaussian:
    """``exp(-rate r^2)``: a mixture of one Gaussian, so it lies wholly on one side."""

    rate: Number

    def _is_real(self, t: arb) -> bool:
        return bool(ball(self.rate) >= t)

    def value(self, r2: arb) -> arb:
        return (-ball(self.rate) * r2).exp()

    def real(self, r2: arb, t: arb) -> arb:
        return self.value(r2) if self._is_real(t) else arb(0)

    def reciprocal(self, k2: arb, t: arb) -> arb:
        rate = ball(self.rate)
        if self._is_real(t):
            return arb(0)
        return (arb.pi() / rate) ** (arb(3) / 2) * (-(arb.pi() ** 2) * k2 / rate).exp()

    def excluded(self, r2: arb, t: arb) -> arb:
        return arb(0) if self._is_real(t) else self.value(r2)


def _screened(alpha: Number, r2: arb, t: arb) -> tuple[arb, arb, arb, arb]:
    """Return alpha, r, sqrt(t) r and alpha / (2 sqrt t)."""
    root = t.sqrt()
    return ball(alpha), r2.sqrt(), root * r2.sqrt(), ball(alpha) / (2 * root)


def _cross(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _layer_lengths(basis: np.ndarray) -> np.ndarray:
    """Gram-Schmidt lengths of the rows."""
    return np.abs(np.diag(np.linalg.qr(basis.T, mode="r")))


class ExactLattice:
    """A lattice reduced in exact integers.

    Parameters
    ----------
    cell : sequence of three rows of exact numbers (floats are taken as they are), in Å.
    """

    def __init__(self, cell: Rows) -> None:
        rows = [[Fraction(entry) for entry in row] for row in cell]
        self.scale = math.lcm(*(entry.denominator for row in rows for entry in row))
        integers = fmpz_mat([[int(entry * self.scale) for entry in row] for row in rows])
        if integers.det() == 0:
            raise ValueError("the cell has no volume")
        self.rows = [[int(entry) for entry in row] for row in integers.lll().tolist()]
        first, second, third = self.rows
        self.cofactors = [_cross(second, third), _cross(third, first), _cross(first, second)]
        self.determinant = _dot(first, self.cofactors[0])

    @cached_property
    def volume(self) -> Fraction:
        return Fraction(abs(self.determinant), self.scale**3)

    @cached_property
    def basis(self) -> np.ndarray:
        """Reduced rows, shape (3, 3), in float64."""
        return np.array([[float(Fraction(x, self.scale)) for x in row] for row in self.rows])

    @cached_property
    def dual(self) -> np.ndarray:
        """Rows of the dual basis, shape (3, 3), in float64."""
        factor = Fraction(self.scale, self.determinant)
        return np.array([[float(x * factor) for x in row] for row in self.cofactors])

    @cached_property
    def covering_radius(self) -> float:
        """Upper bound: half the diagonal of the Gram-Schmidt box."""
        return 0.5000001 * float(np.linalg.norm(_layer_lengths(self.basis)))

    @cached_property
    def dual_covering_radius(self) -> float:
        return 0.5000001 * float(np.linalg.norm(_layer_lengths(self.dual)))

    def fractional(self, vector: Vector) -> list[Fraction]:
        """Exact coordinates of a Cartesian vector in the reduced basis."""
        exact = [Fraction(x) for x in vector]
        factor = Fraction(self.scale, self.determinant)
        return [factor * sum(map(operator.mul, exact, row)) for row in self.cofactors]

    def wrapped(self, vector: Vector) -> tuple[list[int], int, list[Fraction]]:
        """Move a vector next to the origin: integers, their common denominator, coordinates."""
        shares = self.fractional(vector)
        shift = [round(share) for share in shares]
        exact = [Fraction(x) for x in vector]
        for amount, row in zip(shift, self.rows, strict=True):
            exact = [x - Fraction(amount * c, self.scale) for x, c in zip(exact, row, strict=True)]
        denominator = math.lcm(self.scale, *(x.denominator for x in exact))
        remaining = [share - amount for share, amount in zip(shares, shift, strict=True)]
        return [int(x * denominator) for x in exact], denominator, remaining

    def squared_distances(self, vector: Vector, radius: float) -> tuple[Counter[int], int]:
        """Squared lengths of all ``vector + n A`` inside the radius (and perhaps some outside).

        Returns how often each integer occurs, and the denominator that all of them share.
        """
        integers, denominator, _ = self.wrapped(vector)
        ratio = denominator // self.scale
        rows = [[x * ratio for x in row] for row in self.rows]
        centre = np.array([float(Fraction(x, denominator)) for x in integers])
        found: Counter[int] = Counter()
        for a, b, c in points_in_ball(self.basis, self.dual, centre, radius):
            y = [integers[i] + a * rows[0][i] + b * rows[1][i] + c * rows[2][i] for i in range(3)]
            found[_dot(y, y)] += 1
        return found, denominator**2

    def half_dual(self, radius: float) -> tuple[list[list[int]], list[int], Fraction]:
        """Half of the dual vectors inside the radius, without zero.

        Returns their integer coordinates, and their squared lengths as integers and one factor.
        """
        points = [
            point
            for point in points_in_ball(self.dual, self.basis, np.zeros(3), radius)
            if point > [0, 0, 0]
        ]
        lengths = []
        for a, b, c in points:
            k = [
                a * self.cofactors[0][i] + b * self.cofactors[1][i] + c * self.cofactors[2][i]
                for i in range(3)
            ]
            lengths.append(_dot(k, k))
        return points, lengths, Fraction(self.scale, self.determinant) ** 2

    def nearest_distance(self, vector: Vector) -> float:
        """Shortest distance between two sites and their images, in Å."""
        integers, denominator, _ = self.wrapped(vector)
        near = math.sqrt(Fraction(_dot(integers, integers), denominator**2))
        found, square = self.squared_distances(vector, 1.0001 * near + 1e-300)
        return math.sqrt(Fraction(min(found), square))


def points_in_ball(
    basis: np.ndarray, dual: np.ndarray, centre: np.ndarray, radius: float
) -> list[list[int]]:
    """Integer triples n with ``|centre + n @ basis| <= radius``, and perhaps some just outside."""
    middle = -(dual @ centre)
    reach = radius * np.linalg.norm(dual, axis=1) * (1 + 1e-9) + 1e-9
    lower, upper = np.ceil(middle - reach).astype(int), np.floor(middle + reach).astype(int)
    if math.prod(int(b - a + 1) for a, b in zip(lower, upper, strict=True)) > LARGEST_BOX:
        raise ValueError(f"a ball of radius {radius} holds too many points for this oracle")
    axes = [np.arange(a, b + 1) for a, b in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    places = grid @ basis + centre
    inside = np.einsum("ij,ij->i", places, places) <= radius**2 * (1 + 1e-9)
    return grid[inside].tolist()
