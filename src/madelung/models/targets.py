"""Between the numbers a network works with and the values of targets in their units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madelung.common.errors import ModelError
from madelung.inputs.build import NetworkInput

__all__ = ["ScaleFit", "TargetScale"]

_ELEMENTS = 119
# How strongly the contribution of an element is drawn to the mean of all: the weight of this many
# crystals.
_RIDGE = 1.0


class TargetScale(nn.Module):
    """Takes off a baseline of the composition, and the mean and spread of what is left.

    Parameters
    ----------
    baseline
        (T, 119) contribution of each element; a crystal's baseline is the mean over its atoms.
    mean, spread
        (T,) mean and standard deviation of what the baseline leaves.
    per_area
        Whether all that is about values for the area of a layer, with which they are multiplied.
    """

    baseline: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(
        self, baseline: Tensor, mean: Tensor, spread: Tensor, per_area: bool = False
    ) -> None:
        super().__init__()
        self.per_area = per_area
        for name, value in (("baseline", baseline), ("mean", mean), ("spread", spread)):
            self.register_buffer(name, value.to(torch.float64))

    @classmethod
    def empty(cls, targets: int, per_area: bool = False) -> TargetScale:
        """Return one that changes no value, or value for an area, to be filled from a file."""
        nothing = torch.zeros(targets, _ELEMENTS)
        return cls(nothing, torch.zeros(targets), torch.ones(targets), per_area)

    @classmethod
    def in_units(cls, units: Sequence[float]) -> TargetScale:
        """Return one for outputs that are values already, in units of this many of the targets'."""
        count = len(units)
        return cls(torch.zeros(count, _ELEMENTS), torch.zeros(count), torch.tensor(units))

    def standardise(self, values: Tensor, graph: NetworkInput) -> Tensor:
        """Turn (B, T) values in their units into float32 numbers of the size of one."""
        return ((values / self._size(graph) - self._offset(graph)) / self.spread).float()

    def restore(self, outputs: Tensor, graph: NetworkInput) -> Tensor:
        """Turn (B, T) outputs of a network into values in their units, float64."""
        return (outputs.double() * self.spread + self._offset(graph)) * self._size(graph)

    def expected_errors(self, log_scales: Tensor, graph: NetworkInput) -> Tensor:
        """Turn (B, T) logarithms of expected errors of outputs into errors in their units."""
        return torch.exp(log_scales.double()) * self.spread * self._size(graph)

    def _size(self, graph: NetworkInput) -> Tensor | float:
        """(B, 1) what values are for one of."""
        if not self.per_area:
            return 1.0
        areas: Tensor | None = getattr(graph, "areas", None)
        if areas is None:
            raise ModelError("values for an area need areas, and these crystals were made without")
        return areas.double()[:, None]

    def _offset(self, graph: NetworkInput) -> Tensor:
        contributions = self.baseline.T[graph.numbers] * graph.weights[:, None]
        total = contributions.new_zeros(len(graph), contributions.shape[1])
        total = total.index_add(0, graph.owner, contributions)
        return total / graph.counts[:, None] + self.mean


class ScaleFit:
    """Gathers, batch by batch, what a :class:`TargetScale` is fitted to.

    Only sums over crystals are kept, so that the training set need not be in memory.

    Parameters
    ----------
    targets
        Number of targets T.
    """

    def __init__(self, targets: int) -> None:
        self._counts = np.zeros(targets)
        self._values = np.zeros(targets)
        self._squares = np.zeros(targets)
        self._shares = np.zeros((targets, _ELEMENTS))
        self._moments = np.zeros((targets, _ELEMENTS))
        self._normals = np.zeros((targets, _ELEMENTS, _ELEMENTS))

    def add(self, values: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        """Take in (n, T) targets, NaN where missing, and (n, 119) parts of each element."""
        for column in range(values.shape[1]):
            known = np.isfinite(values[:, column])
            own, parts = values[known, column], shares[known]
            self._counts[column] += len(own)
            self._values[column] += own.sum()
            self._squares[column] += (own**2).sum()
            self._shares[column] += parts.sum(axis=0)
            self._moments[column] += parts.T @ own
            self._normals[column] += parts.T @ parts

    @property
    def counts(self) -> NDArray[np.int64]:
        """(T,) values of each target."""
        return self._counts.astype(np.int64)

    def fit(self, by_element: bool, per_area: bool = False) -> TargetScale:
        """Return the scale.

        Parameters
        ----------
        by_element
            Whether to take off a baseline of the composition: ridge regression around the mean of
            all values, so that an element never seen contributes that mean.
        per_area
            Whether the values were divided by areas.
        """
        counts = np.maximum(self._counts, 1.0)
        means = self._values / counts
        baselines = np.zeros_like(self._shares)
        if by_element:
            for column, mean in enumerate(means):
                normal = self._normals[column] + _RIDGE * np.eye(_ELEMENTS)
                moment = self._moments[column] - mean * self._shares[column]
                baselines[column] = mean + np.linalg.solve(normal, moment)
        fitted = np.einsum("te,te->t", baselines, self._shares)
        rest = (self._values - fitted) / counts
        squares = (
            self._squares
            - 2.0 * np.einsum("te,te->t", baselines, self._moments)
            + np.einsum("te,tef,tf->t", baselines, self._normals, baselines)
        ) / counts
        spreads = np.sqrt(np.maximum(squares - rest**2, 0.0))
        # A target that does not vary has no spread to divide by.
        spreads = np.where(spreads > 1e-9 * np.maximum(np.abs(means), 1.0), spreads, 1.0)
        baseline, mean, spread = map(torch.from_numpy, (baselines, rest, spreads))
        return TargetScale(baseline, mean, spread, per_area)
