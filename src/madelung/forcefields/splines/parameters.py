"""The free numbers of a spline MEAM: coefficients of B-splines, with smooth ends.

Section "Coefficients" of docs/theory/spline-potentials.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.meam import SplineMEAM

__all__ = ["FunctionShape", "Parameters"]

# Where an EAM's embedding function ends if all densities are negative, which its loss forbids.
_LEAST_DENSITY = 1e-3


@dataclass(frozen=True)
class FunctionShape:
    """Knots and ends of one function.

    Parameters
    ----------
    first, last
        First and last knot.
    count
        Number of knots N.
    vanishes
        Whether value and slope are zero at the last knot: N free numbers instead of N + 2.
    """

    first: float
    last: float
    count: int
    vanishes: bool

    @property
    def knots(self) -> NDArray[np.float64]:
        """Knots, (N,)."""
        return np.linspace(self.first, self.last, self.count)

    @property
    def size(self) -> int:
        """Free numbers."""
        return self.count if self.vanishes else self.count + 2

    @cached_property
    def coefficients(self) -> NDArray[np.float64]:
        """Linear map (N + 2, size) from free numbers to coefficients of B-splines: equation 7."""
        matrix = np.eye(self.count + 2)[:, : self.size]
        if self.vanishes:
            matrix[self.count, self.count - 1] = -0.5
            matrix[self.count + 1, self.count - 1] = 1.0
        return matrix

    def spline(self, free: NDArray[np.float64]) -> CubicSpline:
        """Return the function of these free numbers."""
        c = self.coefficients @ free
        values = (c[:-2] + 4 * c[1:-1] + c[2:]) / 6
        spacing = (self.last - self.first) / (self.count - 1)
        left, right = (c[2] - c[0]) / (2 * spacing), (c[-1] - c[-3]) / (2 * spacing)
        if self.vanishes:
            values[-1] = right = 0.0
        return CubicSpline(self.knots, values, (left, right))

    def free(self, spline: CubicSpline) -> NDArray[np.float64]:
        """Return the free numbers of the function that agrees with another one at all knots."""
        count, spacing = self.count, (self.last - self.first) / (self.count - 1)
        matrix = np.zeros((count + 2, count + 2))
        for row in range(count):
            matrix[row, row : row + 3] = np.array([1, 4, 1]) / 6
        matrix[count, [0, 2]] = matrix[count + 1, [count - 1, count + 1]] = -1, 1
        right = np.concatenate([spline(self.knots), 2 * spacing * spline(self.knots[[0, -1]], 1)])
        if self.vanishes:
            right[[count - 1, count + 1]] = 0.0
        solution: NDArray[np.float64] = np.linalg.solve(matrix, right)[: self.size]
        return solution


@dataclass(frozen=True, eq=False)
class Parameters:
    """All functions of a potential as one vector of free numbers.

    Parameters
    ----------
    numbers
        Atomic numbers.
    shapes
        Functions in the order of the files: pair, density, embedding, bond, angle; an EAM has
        none of the last two.
    """

    numbers: tuple[int, ...]
    shapes: tuple[FunctionShape, ...]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where the free numbers of each function end."""
        return np.cumsum([shape.size for shape in self.shapes])

    @property
    def size(self) -> int:
        """Free numbers."""
        return int(self.ends[-1])

    @cached_property
    def coefficients(self) -> NDArray[np.float64]:
        """Linear map from free numbers to the coefficients of all functions."""
        matrix: NDArray[np.float64] = block_diag(*(shape.coefficients for shape in self.shapes))
        return matrix

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """How many pair, density, embedding, bond and angle functions there are."""
        types = len(self.numbers)
        pairs = types * (types + 1) // 2
        return pairs, types, types, types * self.is_angular, pairs * self.is_angular

    @property
    def is_angular(self) -> bool:
        """Whether there are bond and angle functions."""
        types = len(self.numbers)
        return len(self.shapes) > types * (types + 1) // 2 + 2 * types

    def places(self, part: int) -> range:
        """Return which functions are of a part: 0 pair, …, 4 angle."""
        first = sum(self.counts[:part])
        return range(first, first + self.counts[part])

    @cached_property
    def linear(self) -> NDArray[np.bool_]:
        """Which free numbers belong to φ and U: the energy is linear in them."""
        marks = np.zeros(self.size, dtype=bool)
        starts = np.concatenate([[0], self.ends])
        for place in (*self.places(0), *self.places(2)):
            marks[starts[place] : starts[place + 1]] = True
        return marks

    def potential(self, free: NDArray[np.float64]) -> SplineMEAM:
        """Return the potential of these free numbers."""
        rows = np.split(free, self.ends[:-1])
        splines = [shape.spline(row) for shape, row in zip(self.shapes, rows, strict=True)]
        parts = [tuple(splines[place] for place in self.places(part)) for part in range(5)]
        return SplineMEAM(self.numbers, *parts)

    def random(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw free numbers: ρ and f decay, g is near a parabola of the cosine, all with noise.

        Functions of nothing but noise lead to bad minima: starts from them end at several times
        the loss. Without f and g, ρ is positive on average.
        """
        free = 0.1 * generator.normal(size=self.size)
        parts = np.split(free, self.ends[:-1])
        for place in (*self.places(1), *self.places(3)):
            x = np.linspace(0, 1, self.shapes[place].size)
            decay = generator.normal() * np.exp(-generator.uniform(1, 5) * x)
            parts[place][:] = (decay + 0.15 * generator.normal(size=len(x))) * (1 - x)
            if not self.is_angular:
                parts[place][:] *= np.sign(parts[place].sum())
        for place in self.places(4):
            x = np.linspace(-1, 1, self.shapes[place].size)
            parabola = generator.normal() * (x - generator.uniform(-1, 1)) ** 2
            parts[place][:] = 0.3 * (parabola + generator.normal())
            parts[place][:] += 0.05 * generator.normal(size=len(x))
        return free

    def free(self, potential: SplineMEAM) -> NDArray[np.float64]:
        """Return the free numbers of the potential that agrees with another one at all knots."""
        splines = (
            *potential.pair,
            *potential.density,
            *potential.embedding,
            *potential.bond,
            *potential.angle,
        )
        pairs = zip(self.shapes, splines, strict=True)
        return np.concatenate([shape.free(spline) for shape, spline in pairs])

    def with_densities(self, ranges: NDArray[np.float64]) -> Parameters:
        """Return the same with embedding functions between other densities, (T, 2).

        Those of an EAM begin at zero or above, as its files have them.
        """
        shapes = list(self.shapes)
        if not self.is_angular:
            ranges = np.maximum(ranges, [0.0, _LEAST_DENSITY])
        for place, (first, last) in zip(self.places(2), ranges, strict=True):
            shapes[place] = replace(shapes[place], first=float(first), last=float(last))
        return replace(self, shapes=tuple(shapes))
