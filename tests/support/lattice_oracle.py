"""Lattice sums in multiple precision, written apart from the package, as its judge.

Power laws and screened potentials are split at t = pi/V^(2/3) and summed with 30 digits; the exact
binary values of the cell and of the distance are used. ``direct_sum`` uses no splitting at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import mpmath
import numpy as np
from mpmath import mpf
from numpy.typing import NDArray

DIGITS = 30
# exp(-_DEPTH) is below 1e-26.
_DEPTH = 60.0


def integers_in_ball(
    basis: NDArray[np.float64], centre: NDArray[np.float64], radius: float
) -> Iterator[tuple[int, ...]]:
    """List n with |centre + n @ basis| <= radius, and some more."""
    inverse = np.linalg.inv(basis)
    middle = -centre @ inverse
    spread = radius * np.linalg.norm(inverse, axis=0) + 1e-6
    ranges = [
        range(int(np.ceil(m - s)), int(np.floor(m + s)) + 1)
        for m, s in zip(middle, spread, strict=True)
    ]
    grid = np.array(list(itertools.product(*ranges)), dtype=np.float64).reshape(-1, 3)
    lengths = np.linalg.norm(centre + grid @ basis, axis=1)
    for row in grid[lengths <= radius * 1.0001]:
        yield tuple(int(value) for value in row)


def _vector(integers: Sequence[int], basis: mpmath.matrix, start: Sequence[mpf]) -> list[mpf]:
    return [start[j] + sum(integers[i] * basis[i, j] for i in range(3)) for j in range(3)]


def direct_sum(
    energy: Callable[[mpf], mpf], cell: NDArray[np.float64], distance: Sequence[mpf], radius: float
) -> mpf:
    """Add up v(r) over all images within a radius, without the one at zero distance."""
    with mpmath.workdps(DIGITS):
        basis = mpmath.matrix(cell.tolist())
        centre = np.array([float(value) for value in distance])
        total = mpf(0)
        for integers in integers_in_ball(cell, centre, radius):
            vector = _vector(integers, basis, distance)
            length = mpmath.sqrt(sum(value * value for value in vector))
            if length > mpf(10) ** -14:
                total += energy(length)
        return +total


class SplitSum:
    """A sum split between real and reciprocal space; ``cell`` should be nearly orthogonal."""

    def __init__(self, kind: str, parameter: float, cell: NDArray[np.float64]) -> None:
        with mpmath.workdps(DIGITS):
            self.kind, self.parameter = kind, mpf(parameter)
            self.cell = np.asarray(cell, dtype=np.float64)
            self.basis = mpmath.matrix(self.cell.tolist())
            self.volume = abs(mpmath.det(self.basis))
            self.t = mpmath.pi / mpmath.cbrt(self.volume) ** 2
            self.dual = (self.basis**-1).T
            self._waves: list[tuple[list[mpf], mpf]] | None = None

    def real(self, r: mpf) -> mpf:
        """Return f(r)."""
        t, a = self.t, self.parameter
        if self.kind == "power":
            return _gamma(a / 2, t * r * r) / (mpmath.gamma(a / 2) * r**a)
        s, h = r * mpmath.sqrt(t), a / (2 * mpmath.sqrt(t))
        up, down = mpmath.exp(a * r) * mpmath.erfc(s + h), mpmath.exp(-a * r) * mpmath.erfc(s - h)
        if self.kind == "yukawa":
            return (up + down) / (2 * r)
        if self.kind == "pauli":
            return (down - up) / 2
        return mpmath.exp(-a * r * r) - (mpmath.exp(-a * r * r) if a < t else 0)

    def wave(self, k2: mpf) -> mpf:
        """Return w(k)."""
        t, a, pi = self.t, self.parameter, mpmath.pi
        if self.kind == "power":
            y = pi**2 * k2
            q = (3 - a) / 2
            return pi ** mpf("1.5") * _gamma(q, y / t) * y**-q / (mpmath.gamma(a / 2) * self.volume)
        if self.kind == "gaussian":
            if a >= t:
                return mpf(0)
            return (pi / a) ** mpf("1.5") * mpmath.exp(-(pi**2) * k2 / a) / self.volume
        b = pi**2 * k2 + a * a / 4
        if self.kind == "yukawa":
            return pi * mpmath.exp(-b / t) / (self.volume * b)
        return a * pi * mpmath.exp(-b / t) * (1 / (t * b) + 1 / b**2) / (2 * self.volume)

    def constants(self) -> tuple[mpf, mpf]:
        """Return w0 and L0."""
        t, a, pi = self.t, self.parameter, mpmath.pi
        if self.kind == "power":
            density = pi ** mpf("1.5") * t ** ((a - 3) / 2) / (mpmath.gamma(a / 2) * self.volume)
            return density * 2 / (a - 3), t ** (a / 2) / mpmath.gamma(a / 2 + 1)
        if self.kind == "gaussian":
            return self.wave(mpf(0)), mpf(1 if a < t else 0)
        h = a / (2 * mpmath.sqrt(t))
        if self.kind == "yukawa":
            own = 2 * mpmath.sqrt(t / pi) * mpmath.exp(-h * h) - a * mpmath.erfc(h)
            return self.wave(mpf(0)), own
        return self.wave(mpf(0)), mpmath.erfc(h)

    def waves(self) -> list[tuple[list[mpf], mpf]]:
        """List the reciprocal vectors with their weights."""
        if self._waves is None:
            dual = np.array(self.dual.tolist(), dtype=np.float64)
            radius = float(mpmath.sqrt(_DEPTH * self.t) / mpmath.pi)
            zero = [mpf(0)] * 3
            self._waves = []
            for integers in integers_in_ball(dual, np.zeros(3), radius):
                if integers > (0, 0, 0):
                    k = _vector(integers, self.dual, zero)
                    self._waves.append((k, 2 * self.wave(sum(value * value for value in k))))
        return self._waves

    def at(self, distance: Sequence[mpf]) -> mpf:
        """Return the sum at a distance, which should be that of nearest images."""
        with mpmath.workdps(DIGITS):
            centre = np.array([float(value) for value in distance])
            radius = float(mpmath.sqrt(_DEPTH / self.t))
            total, own = self.constants()
            if self.kind == "gaussian" and self.parameter >= self.t:
                radius = float(mpmath.sqrt(_DEPTH / self.parameter))
            if max(abs(value) for value in distance) < mpf(10) ** -14:
                total -= own
            for integers in integers_in_ball(self.cell, centre, radius):
                vector = _vector(integers, self.basis, distance)
                length = mpmath.sqrt(sum(value * value for value in vector))
                if length > mpf(10) ** -14:
                    total += self.real(length)
            for k, weight in self.waves():
                phase = sum(a * b for a, b in zip(k, distance, strict=True))
                total += weight * mpmath.cos(2 * mpmath.pi * phase)
            return +total


def _gamma(c: mpf, x: mpf) -> mpf:
    """Return the upper incomplete gamma function, by recurrences where c is half an integer."""
    doubled = 2 * c
    if doubled != int(doubled) or (int(doubled) % 2 == 0 and c < 1):
        return mpmath.gammainc(c, x)
    decay = mpmath.exp(-x)
    if int(doubled) % 2 == 0:
        value, own = decay, mpf(1)
    else:
        value, own = mpmath.sqrt(mpmath.pi) * mpmath.erfc(mpmath.sqrt(x)), mpf(1) / 2
    while own < c:
        value = own * value + x**own * decay
        own += 1
    if own > c:
        # Downwards the recurrence cancels: 30 more digits are far more than it takes.
        with mpmath.workdps(2 * DIGITS):
            decay = mpmath.exp(-x)
            value = mpmath.sqrt(mpmath.pi) * mpmath.erfc(mpmath.sqrt(x))
            while own > c:
                own -= 1
                value = (value - x**own * decay) / own
    return +value
