"""Cubic splines on equally spaced knots, and tabulated functions.

A spline of N knots has N + 2 free numbers: its values at the knots and its slopes at both ends
(equation 3 of docs/theory/spline-potentials.md). Outside its knots it goes on as a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_banded

from madelung.common.errors import ForceFieldError

__all__ = ["CubicSpline", "Table", "TabulatedFunction"]

# How far knots may be from equal spacing, in units of the spacing.
_UNEVEN = 1e-6


@dataclass(frozen=True, eq=False)
class Table:
    """A piecewise cubic as the compiled core takes it.

    Parameters
    ----------
    origin, spacing
        First knot and distance between knots.
    coefficients
        (intervals + 2, 4) of t⁰ to t³, where t is the distance from the left knot of an interval
        in units of the spacing. The first row holds left of all knots (t from the first knot), the
        last row right of them.
    limit
        From here on the function is zero.
    over_distance
        Whether the function is the piecewise cubic divided by its argument.
    """

    origin: float
    spacing: float
    coefficients: NDArray[np.float64]
    limit: float
    over_distance: bool = False

    def __call__(self, x: ArrayLike, derivative: int = 0) -> NDArray[np.float64]:
        """Return the value, or the first derivative, of the piecewise cubic itself."""
        scaled = (np.asarray(x, dtype=np.float64) - self.origin) / self.spacing
        interval = np.clip(np.floor(scaled), -1, len(self.coefficients) - 2)
        t = scaled - np.maximum(interval, 0)
        c0, c1, c2, c3 = np.moveaxis(self.coefficients[interval.astype(int) + 1], -1, 0)
        if derivative == 0:
            return np.asarray(((c3 * t + c2) * t + c1) * t + c0)
        if derivative == 1:
            return np.asarray(((3 * c3 * t + 2 * c2) * t + c1) / self.spacing)
        raise ValueError(f"the derivative is 0 or 1, not {derivative}")


@dataclass(frozen=True, eq=False)
class CubicSpline:
    """A cubic spline with given slopes at its ends.

    Parameters
    ----------
    knots
        (N,) equally spaced, ascending, N ≥ 2.
    values
        (N,) the function at the knots.
    slopes
        Derivatives at the first and the last knot.

    Raises
    ------
    ForceFieldError
        If there are fewer than two knots, they are not equally spaced, or a number is not finite.
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    slopes: tuple[float, float]

    def __post_init__(self) -> None:
        """Check and convert."""
        knots = np.array(self.knots, dtype=np.float64)
        values = np.array(self.values, dtype=np.float64)
        slopes = (float(self.slopes[0]), float(self.slopes[1]))
        if knots.ndim != 1 or len(knots) < 2 or values.shape != knots.shape:
            raise ForceFieldError("a spline has at least two knots, and a value at each of them")
        if not (
            np.isfinite(knots).all() and np.isfinite(values).all() and np.isfinite(slopes).all()
        ):
            raise ForceFieldError("a knot, value or slope of a spline is not finite")
        spacing = (knots[-1] - knots[0]) / (len(knots) - 1)
        if spacing <= 0 or np.abs(np.diff(knots) - spacing).max() > _UNEVEN * spacing:
            raise ForceFieldError("the knots of a spline must ascend in equal steps")
        for name, value in (("knots", knots), ("values", values), ("slopes", slopes)):
            object.__setattr__(self, name, value)

    @classmethod
    def natural(cls, knots: ArrayLike, values: ArrayLike) -> CubicSpline:
        """Return the spline whose second derivative is zero at both ends."""
        knots = np.asarray(knots, dtype=np.float64)
        values = np.asarray(values, dtype=np.float64)
        straight = [cls(knots, values, slopes) for slopes in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))]
        first, left, right = (spline.curvatures[[0, -1]] for spline in straight)
        matrix = np.stack([left - first, right - first], axis=1)
        slopes = np.linalg.solve(matrix, -first)
        return cls(knots, values, (slopes[0], slopes[1]))

    @property
    def spacing(self) -> float:
        """Distance between knots."""
        return float((self.knots[-1] - self.knots[0]) / (len(self.knots) - 1))

    @cached_property
    def curvatures(self) -> NDArray[np.float64]:
        """Second derivatives at the knots, (N,): equation 4."""
        h, y = self.spacing, self.values
        count = len(y)
        bands = np.ones((3, count))
        bands[1] = 4.0
        bands[1, [0, -1]] = 2.0
        right = np.empty(count)
        right[1:-1] = 6 * (y[2:] - 2 * y[1:-1] + y[:-2]) / h**2
        right[0] = 6 * ((y[1] - y[0]) / h - self.slopes[0]) / h
        right[-1] = 6 * (self.slopes[1] - (y[-1] - y[-2]) / h) / h
        solution: NDArray[np.float64] = solve_banded((1, 1), bands, right)
        return solution

    @cached_property
    def table(self) -> Table:
        """The polynomials of its intervals."""
        h, y, m = self.spacing, self.values, self.curvatures * self.spacing**2
        inside = np.stack(
            [
                y[:-1],
                np.diff(y) - (2 * m[:-1] + m[1:]) / 6,
                m[:-1] / 2,
                np.diff(m) / 6,
            ],
            axis=1,
        )
        left, right = ([y[end], self.slopes[end] * h, 0.0, 0.0] for end in (0, -1))
        # Right of all knots, t counts from the last one.
        vanishes = y[-1] == 0.0 and self.slopes[1] == 0.0
        limit = float(self.knots[-1]) if vanishes else np.inf
        return Table(float(self.knots[0]), h, np.concatenate([[left], inside, [right]]), limit)

    def __call__(self, x: ArrayLike, derivative: int = 0) -> NDArray[np.float64]:
        """Return the value, or the first derivative, at any points."""
        return self.table(x, derivative)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes."""
        return {
            "knots": self.knots.tolist(),
            "values": self.values.tolist(),
            "slopes": list(self.slopes),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CubicSpline:
        """Return the spline that :meth:`to_json` described."""
        return cls(content["knots"], content["values"], tuple(content["slopes"]))


@dataclass(frozen=True, eq=False)
class TabulatedFunction:
    """A function tabulated in equal steps, with the cubics that LAMMPS's EAM lays through it.

    Its slopes at the points are differences of third order, of first order at the ends: equation 5
    of docs/theory/spline-potentials.md. Left of the table the first cubic goes on, right of it a
    straight line.

    Parameters
    ----------
    spacing
        Step; the table begins at zero.
    values
        (N,), N ≥ 5.

    Raises
    ------
    ForceFieldError
        If there are fewer than five values, one is not finite, or the step is not positive.
    """

    spacing: float
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check and convert."""
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or len(values) < 5 or not np.isfinite(values).all():
            raise ForceFieldError("a tabulated function needs at least five finite values")
        if not (np.isfinite(self.spacing) and self.spacing > 0):
            raise ForceFieldError("the step of a tabulated function must be positive")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "spacing", float(self.spacing))

    def table(self, limit: float = np.inf, over_distance: bool = False) -> Table:
        """Return the polynomials of its intervals."""
        y = self.values
        slopes = np.empty_like(y)
        slopes[2:-2] = ((y[:-4] - y[4:]) + 8 * (y[3:-1] - y[1:-3])) / 12
        slopes[[1, -2]] = (y[[2, -1]] - y[[0, -3]]) / 2
        slopes[[0, -1]] = y[[1, -1]] - y[[0, -2]]
        step, left, right = np.diff(y), slopes[:-1], slopes[1:]
        inside = np.stack([y[:-1], left, 3 * step - 2 * left - right, left + right - 2 * step], 1)
        last = [[y[-1], slopes[-1], 0.0, 0.0]]
        coefficients = np.concatenate([inside[:1], inside, last])
        return Table(0.0, self.spacing, coefficients, limit, over_distance)
