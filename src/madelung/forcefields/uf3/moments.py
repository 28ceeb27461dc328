"""Sums over rows of features and their values, in bounded memory: what normal equations hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments"]

_Array = NDArray[np.float64]

# Rows that are summed at a time.
_ROWS = 512
# Part of the squares below which a variance is rounding.
_ROUNDING = 1e-12


@dataclass(eq=False)
class Moments:
    """Sums over rows x of features and their values y.

    Few rows are kept as they are: K rows of P features take less memory than their Gram matrix
    where K < P / 2.

    Parameters
    ----------
    moment
        (P,) sum of x y.
    origin
        (k,) multiples of the first k features that were taken off the values, so that large ones
        keep their digits: y is the value less x[:k] · origin.
    squares, total
        Sums of y² and of y.
    count
        Number of rows, or the sum of their weights.
    """

    moment: _Array
    origin: _Array = field(default_factory=lambda: np.zeros(0))
    squares: float = 0.0
    total: float = 0.0
    count: float = 0
    _gram: _Array | None = None
    _rows: list[_Array] = field(default_factory=list)

    @classmethod
    def zeros(cls, size: int, origin: _Array | None = None) -> Moments:
        """Return empty sums for P = size coefficients."""
        return cls(np.zeros(size), np.zeros(0) if origin is None else origin.copy())

    def add(self, rows: _Array, values: _Array, weight: float = 1.0) -> None:
        """Add rows (K, P) with values (K,), each as often as the weight says."""
        if not len(rows) or weight == 0.0:
            return
        values = values - rows[:, : len(self.origin)] @ self.origin
        if weight != 1.0:
            rows = np.sqrt(weight) * rows
        self.moment += np.sqrt(weight) * (rows.T @ values)
        self.squares += weight * float(values @ values)
        self.total += weight * float(values.sum())
        self.count += weight * len(values) if weight != 1.0 else len(values)
        self._put(rows)

    def _put(self, rows: _Array) -> None:
        self._rows.append(rows)
        size = len(self.moment)
        limit = _ROWS if self._gram is not None else max(_ROWS, size // 2)
        if sum(map(len, self._rows)) > limit:
            self._collapse()

    def _collapse(self) -> _Array:
        """Sum the rows that are kept, and return the upper triangle of the Gram matrix."""
        gram = np.zeros((len(self.moment),) * 2, order="F") if self._gram is None else self._gram
        for rows in self._kept:
            _add_products(gram, rows, 1.0)
        self._gram, self._rows = gram, []
        return gram

    @property
    def _kept(self) -> list[_Array]:
        """Rows that are kept, as one array or none."""
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        return self._rows

    def include(self, other: Moments) -> None:
        """Add the sums over other rows."""
        if other.count == 0:
            return
        moment, squares = other._from(self.origin)
        self.moment += moment
        self.squares += squares
        self.total += other.total
        self.count += other.count
        if other._gram is not None:
            gram = self._collapse()
            gram += other._gram
        for rows in other._rows:
            self._put(rows)

    def _from(self, origin: _Array) -> tuple[_Array, float]:
        """Return moment and squares of values from which another origin was taken off."""
        moved = self.origin - origin
        if not moved.any():
            return self.moment, self.squares
        wide = np.zeros(len(self.moment))
        wide[: len(moved)] = moved
        products = self.times(wide)
        return self.moment + products, float(
            self.squares + 2.0 * wide @ self.moment + wide @ products
        )

    def times(self, vector: _Array) -> _Array:
        """Return the Gram matrix, the sum of x xᵀ, times a vector (P,)."""
        from scipy.linalg.blas import dsymv

        result = np.zeros(len(vector)) if self._gram is None else dsymv(1.0, self._gram, vector)
        for rows in self._kept:
            result += rows.T @ (rows @ vector)
        return np.asarray(result)

    def add_to(self, matrix: _Array, moment: _Array, origin: _Array, weight: float) -> None:
        """Add weighed sums to the upper triangle of a matrix and to a vector.

        Parameters
        ----------
        matrix
            (P, P) in Fortran's order.
        moment
            (P,)
        origin
            Of the vector.
        weight
            The factor.
        """
        if self.count == 0 or weight == 0.0:
            return
        moment += weight * self._from(origin)[0]
        if self._gram is not None:
            for column in range(matrix.shape[1]):
                matrix[: column + 1, column] += weight * self._gram[: column + 1, column]
        for rows in self._kept:
            _add_products(matrix, rows, weight)

    @property
    def gram(self) -> _Array:
        """(P, P) sum of x xᵀ."""
        size = len(self.moment)
        matrix = np.zeros((size, size), order="F") if self._gram is None else self._gram.copy("F")
        for rows in self._kept:
            _add_products(matrix, rows, 1.0)
        upper = np.triu(matrix)
        return np.asarray(upper + np.triu(upper, 1).T)

    @property
    def diagonal(self) -> _Array:
        """(P,) sums of the squares of each feature."""
        result = np.zeros(len(self.moment)) if self._gram is None else np.diag(self._gram).copy()
        for rows in self._kept:
            result += np.einsum("kp,kp->p", rows, rows)
        return np.asarray(result)

    def variances(self, factor: _Array) -> float:
        """Return the sum of x · A⁻¹ x over the rows, where A = Uᵀ U with the factor U."""
        from scipy.linalg import cho_solve, solve_triangular

        total = 0.0
        if self._gram is not None:
            return float(np.trace(cho_solve((factor, False), self.gram)))
        for rows in self._kept:
            total += float((solve_triangular(factor, rows.T, trans="T") ** 2).sum())
        return total

    @property
    def deviation(self) -> float:
        """Standard deviation σ of the values; of their size where they are all alike.

        Where an origin is taken off, its features are: σ is what they leave unexplained.
        """
        if self.count == 0:
            return 0.0
        if len(self.origin):
            rest = self.squares - float(self.moment[: len(self.origin)] @ self.explained)
        else:
            rest = self.squares - self.total**2 / self.count
        if rest > _ROUNDING * self.squares:
            return float(np.sqrt(rest / self.count))
        return 1.0 if len(self.origin) else abs(self.total) / self.count or 1.0

    @property
    def explained(self) -> _Array:
        """(k,) multiples of the features of the origin that are nearest to the values."""
        count = len(self.origin)
        block = np.array([self.times(row)[:count] for row in np.eye(count, len(self.moment))])
        solution: _Array = np.linalg.lstsq(block, self.moment[:count], rcond=1e-10)[0]
        return solution

    def squared_errors(self, coefficients: _Array) -> float:
        """Return the sum of the squared errors of coefficients (P,) on these rows."""
        own = coefficients.copy()
        own[: len(self.origin)] -= self.origin
        return max(float(own @ (self.times(own) - 2.0 * self.moment)) + self.squares, 0.0)

    def as_arrays(self, label: str) -> dict[str, Any]:
        """Return what :meth:`from_arrays` makes the same sums of, under names with a label."""
        scalars = np.array([self.squares, self.total, self.count])
        result = {f"{label}_scalars": scalars, f"{label}_origin": self.origin}
        if self.count:
            result[f"{label}_moment"] = self.moment
        if self._gram is not None:
            result[f"{label}_gram"] = self._gram
        for rows in self._kept:
            result[f"{label}_rows"] = rows
        return result

    @classmethod
    def from_arrays(cls, size: int, label: str, arrays: Mapping[str, Any]) -> Moments:
        """Make sums of what :meth:`as_arrays` returned."""
        sums = cls.zeros(size, np.asarray(arrays[f"{label}_origin"]))
        sums.squares, sums.total, sums.count = map(float, arrays[f"{label}_scalars"])
        if sums.count:
            sums.moment = np.asarray(arrays[f"{label}_moment"])
        if f"{label}_gram" in arrays:
            sums._gram = np.asfortranarray(arrays[f"{label}_gram"])
        if f"{label}_rows" in arrays:
            sums._rows = [np.asarray(arrays[f"{label}_rows"])]
        return sums


def _add_products(matrix: _Array, rows: _Array, weight: float) -> None:
    """Add the weighed sum of x xᵀ to the upper triangle of a matrix in Fortran's order."""
    from scipy.linalg.blas import dsyrk

    dsyrk(weight, rows.T, beta=1.0, c=matrix, overwrite_c=True)
