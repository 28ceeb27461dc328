"""Complete lattice sums as balls that contain the true value.

``lattice_sum`` is the judge of the package's values and certificates. It shares nothing with the
package: exact rational input, exact lattice reduction, ball arithmetic, its own splitting and its
own bound of what is left out (points in a ball counted by the covering radius).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from flint import arb, ctx, fmpq
from oracle_parts import (
    ExactLattice,
    Exponential,
    Gaussian,
    InversePower,
    Potential,
    Rows,
    Vector,
    Yukawa,
    ball,
    precision,
)

__all__ = [
    "COINCIDENCE",
    "ExactLattice",
    "Exponential",
    "Gaussian",
    "InversePower",
    "LatticeSums",
    "Potential",
    "Yukawa",
    "exceeds",
    "lattice_sum",
]

# Sites nearer than this times the cube root of the volume coincide: their term is left out.
COINCIDENCE = 1e-9
# Bits for bounds, which need no accuracy.
COARSE = 53
# Screened potentials are summed directly where that takes no more points than this.
CHEAP_BOX = 2000


def lattice_sum(
    cell: Rows,
    difference: Vector,
    potential: Potential,
    accuracy: float = 1e-25,
    splitting: float | None = None,
) -> arb:
    """Sum a potential over all images of a difference of two positions.

    Parameters
    ----------
    cell : rows of exact numbers, Å.
    difference : exact Cartesian vector from one site to the other, Å.
    potential : what is summed.
    accuracy : largest radius of the ball that is returned.
    splitting : rate of the Gaussian at which the mixture is cut, 1/Å^2; chosen if None.
    """
    return LatticeSums(cell).sum(difference, potential, accuracy, splitting)


def exceeds(value: float, exact: arb, bound: float) -> bool:
    """Whether a value is proven to lie further from the exact ball than the bound allows."""
    if not math.isfinite(value) or not bound >= 0:
        return True
    return bool(abs(ball(value) - exact) > ball(bound)) if math.isfinite(bound) else False


@dataclass
class LatticeSums:
    """Sums over one lattice; dual vectors and their weights are kept between pairs."""

    cell: Rows
    _duals: dict[float, tuple[list[list[int]], list[int], Fraction]] = field(default_factory=dict)
    _weights: dict[tuple[Potential, float, int], dict[int, arb]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lattice = ExactLattice(self.cell)

    def sum(
        self,
        difference: Vector,
        potential: Potential,
        accuracy: float = 1e-25,
        splitting: float | None = None,
    ) -> arb:
        """Return a ball of at most the asked radius that contains the sum."""
        bits = 96 + max(0, math.ceil(-math.log2(accuracy)))
        for _ in range(7):
            with precision(bits):
                result = self._sum_once(difference, potential, accuracy / 4, splitting)
                if bool(result.rad() <= ball(accuracy)):
                    return result
            bits *= 2
        raise ArithmeticError(f"no ball of radius {accuracy} within {bits} bits: {result}")

    def _sum_once(
        self,
        difference: Vector,
        potential: Potential,
        accuracy: float,
        splitting: float | None,
    ) -> arb:
        if splitting is None and isinstance(potential, Exponential | Yukawa):
            radius = self._direct_radius(potential, accuracy)
            if _box(self.lattice.dual, radius) < CHEAP_BOX:
                tail = potential.direct_tail(self.lattice, radius)
                total, _ = self._real_part(difference, potential.value, radius)
                return total + _spread(tail)
        t = splitting or self._cheap_splitting(accuracy)
        return self._split_sum(difference, potential, accuracy, t)

    def _direct_radius(self, potential: Exponential | Yukawa, accuracy: float) -> float:
        """Radius outside of which a screened potential sums to less than the accuracy."""

        def tail(depth: float) -> arb:
            return potential.direct_tail(self.lattice, depth / float(potential.alpha))

        return _depth_for(tail, accuracy) / float(potential.alpha)

    def _cheap_splitting(self, accuracy: float) -> float:
        """Choose the rate for which both boxes hold few points."""
        depth = max(4.0, 10.0 - math.log(accuracy))
        natural = math.pi / float(self.lattice.volume) ** (2 / 3)
        candidates = [natural * 2.0 ** (power / 2) for power in range(-8, 9)]

        def cost(t: float) -> float:
            near, far = math.sqrt(depth / t), math.sqrt(depth * t) / math.pi
            return _box(self.lattice.dual, near) + _box(self.lattice.basis, far) / 2

        return min(candidates, key=cost)

    def _split_sum(
        self, difference: Vector, potential: Potential, accuracy: float, splitting: float
    ) -> arb:
        lattice, t = self.lattice, ball(splitting)

        def real_tail(depth: float) -> arb:
            radius = math.sqrt(depth / splitting)
            edge = potential.real(ball(radius) ** 2, t)
            return _mixture_tail(edge, t, radius, lattice.covering_radius, 1 / lattice.volume)

        def dual_tail(depth: float) -> arb:
            radius = math.sqrt(depth * splitting) / math.pi
            edge = potential.reciprocal(ball(radius) ** 2, t) / ball(lattice.volume)
            rate = arb.pi() ** 2 / t
            return _mixture_tail(edge, rate, radius, lattice.dual_covering_radius, lattice.volume)

        near = math.sqrt(_depth_for(real_tail, accuracy) / splitting)
        far = math.sqrt(_depth_for(dual_tail, accuracy) * splitting) / math.pi
        total, excluded = self._real_part(difference, lambda r2: potential.real(r2, t), near)
        if excluded is not None:
            total -= potential.excluded(excluded, t)
        total += self._dual_part(difference, potential, splitting, far)
        return total + _spread(ball(2 * accuracy))

    def _real_part(
        self, difference: Vector, function: Callable[[arb], arb], radius: float
    ) -> tuple[arb, arb | None]:
        """Sum over the lattice, and the squared distance of the coinciding site if there is one."""
        found, square = self.lattice.squared_distances(difference, radius)
        threshold = COINCIDENCE**2 * float(self.lattice.volume) ** (2 / 3)
        total, excluded = arb(0), None
        for integer, count in found.items():
            r2 = arb(fmpq(integer, square))
            if integer / square < threshold:
                excluded = r2
            else:
                total += count * function(r2)
        return total, excluded

    def _dual_part(
        self, difference: Vector, potential: Potential, splitting: float, radius: float
    ) -> arb:
        t, bits = ball(splitting), ctx.prec
        # A few radii serve all pairs: the next power of 1.05 is taken.
        rounded = 1.05 ** math.ceil(math.log(radius) / math.log(1.05))
        if rounded not in self._duals:
            self._duals[rounded] = self.lattice.half_dual(rounded)
        points, lengths, factor = self._duals[rounded]
        weights = self._weights.setdefault((potential, splitting, bits), {})
        scale = ball(factor)
        for length in (0, *lengths):
            if length not in weights:
                weights[length] = potential.reciprocal(scale * length, t)
        u, v, w = self.lattice.wrapped(difference)[2]
        denominator = math.lcm(u.denominator, v.denominator, w.denominator)
        a, b, c = (int(share * denominator) for share in (u, v, w))
        total, whole = weights[0] / 2, arb(denominator)
        for (i, j, k), length in zip(points, lengths, strict=True):
            turn = (i * a + j * b + k * c) % denominator
            total += weights[length] * (arb(2 * turn) / whole).cos_pi()
        return 2 * total / ball(self.lattice.volume)


def _box(dual: np.ndarray, radius: float) -> float:
    """Roughly how many lattice points the box around a ball holds."""
    return float(np.prod(1 + 2 * radius * np.linalg.norm(dual, axis=1)))


def _spread(radius: arb) -> arb:
    """Return a ball about zero that holds everything up to the given bound."""
    return arb(0, radius.abs_upper())


def _depth_for(tail: Callable[[float], arb], accuracy: float) -> float:
    """Find a depth (exponent of the decay) beyond which the tail is below the accuracy."""
    target = ball(accuracy)
    depth, best = max(2.0, -math.log(accuracy)), None
    for _ in range(60):
        with precision(COARSE):
            bound = tail(depth).abs_upper()
            excess = float((bound / target).log()) if bool(bound > 0) else -math.inf
        if excess <= 0:
            best = depth if best is None else min(best, depth)
            if excess > -4 or depth <= 0.5:
                return best
        depth = max(0.5, depth / 2, depth + excess + 1.0 if excess < 0 else depth + excess + 0.5)
        if best is not None and depth >= best:
            return best
    if best is None:
        raise ArithmeticError("the tail does not fall below the accuracy")
    return best


def _mixture_tail(edge: arb, rate: arb, radius: float, covering: float, density: Fraction) -> arb:
    """Bound a mixture of Gaussians of at least the given rate outside a radius.

    With at most ``4/3 pi (r + covering)^3 density`` points in a ball, summation by parts leaves
    ``edge`` times the integral of that count with ``2 rate r exp(-rate (r^2 - radius^2))``; there
    ``r^2 - radius^2 >= 2 radius (r - radius)``.
    """
    r, outer = ball(radius), ball(radius) + ball(covering)
    fall = 2 * rate * r
    moments = sum((math.perm(4, m) * outer ** (4 - m) / fall**m for m in range(5)), start=arb(0))
    return abs(edge) * 4 * arb.pi() / 3 * ball(density) * 2 * rate * moments / fall
