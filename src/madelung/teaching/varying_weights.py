"""Linear regression whose coefficients vary smoothly from place to place.

A Gaussian process for t = b(u) + w(u)·x, where the coefficients are constants plus functions of the
place u. Constants have wide normal distributions, functions Matérn's covariance of order 5/2. Their
sizes decide between ridge regression, regression in each region by itself, and a correction by
place alone (Gelfand et al., J. Am. Stat. Assoc. 98, 387 (2003); Rasmussen and Williams, Gaussian
Processes for Machine Learning, chapters 2, 5 and 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

__all__ = ["VaryingWeights", "WeightPrediction", "choose_covariances"]

Array = NDArray[np.float64]

_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_CONSTANTS = (0.1, 1.0, 10.0)
_BIASES = (0.0, 0.1, 1.0, 10.0)
_VARYING = (0.0, 1.0, 10.0)
_NOISES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# The constant term is as good as free beside the size of the targets.
_FREE = 10.0
_CHOOSING = 300
_JITTER = 1e-10
_LEAST_LEFT = 1e-10


@dataclass(frozen=True)
class Covariance:
    """Sizes of the parts of the process, each relative to the mean square of the targets.

    Parameters
    ----------
    length
        Distance over which coefficients vary.
    constant, bias, varying
        Variance of constant coefficients, of the term that varies, of coefficients that vary.
    noise
        Variance of what is left.
    """

    length: float
    constant: float
    bias: float
    varying: float
    noise: float

    def between(self, x: Array, u: Array, other_x: Array, other_u: Array) -> Array:
        """Return the covariances (n, m) of two sets of rows."""
        return self.combined(x @ other_x.T, self.correlation(u, other_u))

    def combined(self, products: Array, correlation: Array) -> Array:
        """Return covariances from the products of what is weighted and the correlation."""
        result: Array = (
            _FREE + self.constant * products + correlation * (self.bias + self.varying * products)
        )
        return result

    def own(self, x: Array) -> Array:
        """Return the variances (n,) of rows."""
        variances: Array = (
            _FREE + self.bias + (self.constant + self.varying) * np.einsum("nk,nk->n", x, x)
        )
        return variances

    def correlation(self, u: Array, other: Array) -> Array:
        """Matérn's correlation of order 5/2, (n, m)."""
        squares = (u**2).sum(1)[:, None] + (other**2).sum(1) - 2.0 * u @ other.T
        scaled = np.sqrt(5.0 * np.maximum(squares, 0.0)) / self.length
        correlation: Array = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
        return correlation


@dataclass(frozen=True, eq=False)
class WeightPrediction:
    """What the process says of n rows.

    Parameters
    ----------
    mean
        (n,) expected targets.
    variance
        (n,) of a target, the noise included.
    weights
        (n, k) coefficients.
    """

    mean: Array
    variance: Array
    weights: Array


class VaryingWeights:
    """The process, given targets; from many rows by some of them (deterministic conditional).

    Parameters
    ----------
    covariance
        Sizes of the parts.
    x
        (n, k) what is weighted.
    u
        (n, g) places.
    targets
        (n,).
    landmarks
        Numbers of the rows that carry the process.
    """

    def __init__(
        self,
        covariance: Covariance,
        x: Array,
        u: Array,
        targets: Array,
        landmarks: NDArray[np.int_],
    ) -> None:
        self.covariance = covariance
        self._scale = float(np.mean(targets**2)) or 1.0
        self._x, self._u = x[landmarks], u[landmarks]
        inner = covariance.between(self._x, self._u, self._x, self._u)
        inner[np.diag_indices_from(inner)] += _JITTER * float(np.trace(inner))
        self._inner = np.linalg.cholesky(inner)
        whitened = self._whitened(covariance.between(self._x, self._u, x, u))
        joint = whitened @ whitened.T
        joint[np.diag_indices_from(joint)] += covariance.noise
        self._joint = np.linalg.cholesky(joint)
        solution = cho_solve((self._joint, True), whitened @ targets)
        self._coefficients = solve_triangular(self._inner, solution, lower=True, trans="T")
        self._rows = (x, whitened, targets - whitened.T @ solution, targets)

    def predict(self, x: Array, u: Array) -> WeightPrediction:
        """Return means, variances and coefficients of n rows."""
        correlation = self.covariance.correlation(self._u, u)
        outer = self.covariance.combined(self._x @ x.T, correlation)
        weighted = self._x * self._coefficients[:, None]
        weights = self.covariance.constant * weighted.sum(0) + self.covariance.varying * (
            correlation.T @ weighted
        )
        whitened = self._whitened(outer)
        leverage = self._leverage(whitened)
        variance = self._unseen(x, whitened) + self.covariance.noise * (1.0 + leverage)
        return WeightPrediction(self._coefficients @ outer, self._scale * variance, weights)

    def left_out(self) -> tuple[Array, Array]:
        """Return targets as predicted by all other rows, and the variances of these predictions.

        Where not all rows are landmarks, those that are fare worse than any new row: their own
        term stays when their target goes.
        """
        x, whitened, residuals, targets = self._rows
        left = np.maximum(1.0 - self._leverage(whitened), _LEAST_LEFT)
        variance = self._unseen(x, whitened) + self.covariance.noise / left
        return targets - residuals / left, self._scale * variance

    def _whitened(self, outer: Array) -> Array:
        """Return (m, n) covariances with uncorrelated combinations of the landmarks."""
        return np.asarray(solve_triangular(self._inner, outer, lower=True))

    def _leverage(self, whitened: Array) -> Array:
        half = solve_triangular(self._joint, whitened, lower=True)
        leverage: Array = np.einsum("mn,mn->n", half, half)
        return leverage

    def _unseen(self, x: Array, whitened: Array) -> Array:
        """Variance (n,) that the landmarks cannot carry."""
        unseen: Array = self.covariance.own(x) - np.einsum("mn,mn->n", whitened, whitened)
        return np.maximum(unseen, 0.0)


def choose_covariances(
    x: Array, u: Array, targets: Array, *, count: int, varying: bool, random: np.random.Generator
) -> list[Covariance]:
    """Return those of a grid under which the targets are the most likely.

    Parameters
    ----------
    x, u, targets
        (n, k), (n, g) and (n,); some hundreds of rows, drawn at random, decide.
    count
        How many to return, the best first.
    varying
        Whether anything may vary with the place.
    random
        Source of random numbers.
    """
    rows = np.sort(random.permutation(len(targets))[:_CHOOSING])
    x, u, targets = x[rows], u[rows], targets[rows] / (np.sqrt(np.mean(targets**2)) or 1.0)
    found: list[tuple[float, Covariance]] = []
    for length, constant, bias, size in product(_LENGTHS, _CONSTANTS, _BIASES, _VARYING):
        # Without anything that varies the length means nothing, and one is enough.
        varies = bias > 0.0 or size > 0.0
        if not (varying if varies else length == _LENGTHS[0]):
            continue
        parts = Covariance(length, constant, bias, size, 0.0)
        values, vectors = np.linalg.eigh(parts.between(x, u, x, u))
        squares = (vectors.T @ targets) ** 2
        for noise in _NOISES:
            variances = np.maximum(values, 0.0) + noise
            # Twice the logarithm of the likelihood, but for a constant.
            likelihood = -float((squares / variances + np.log(variances)).sum())
            found.append((likelihood, Covariance(length, constant, bias, size, noise)))
    found.sort(key=lambda item: -item[0])
    return [covariance for _, covariance in found[:count]]
