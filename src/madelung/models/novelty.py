"""Whether a crystal is unlike those that a model was trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Novelty"]

_COMPONENTS = 16
# Which part of the validation crystals is nearer to the training crystals than the limit.
_LIMIT_QUANTILE = 0.99


class Novelty(nn.Module):
    """Distance of an embedding from those of the training crystals.

    The distance is Mahalanobis's over the leading principal components, divided by the value that
    99 % of the validation crystals stay below: above one, a crystal is unusual.

    Parameters
    ----------
    mean
        (F,) mean of the training embeddings.
    projection
        (F, C) leading principal components, each divided by its standard deviation.
    limit
        () distance that counts as one.
    """

    mean: Tensor
    projection: Tensor
    limit: Tensor

    def __init__(self, mean: Tensor, projection: Tensor, limit: Tensor) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("projection", projection), ("limit", limit)):
            self.register_buffer(name, value.float())

    @classmethod
    def empty(cls, features: int) -> Novelty:
        """Return one that is to be filled from a file."""
        components = min(_COMPONENTS, features)
        return cls(torch.zeros(features), torch.zeros(features, components), torch.ones(()))

    @classmethod
    def fit(cls, training: NDArray[np.float64], validation: NDArray[np.float64]) -> Novelty:
        """Fit to (n, F) embeddings of training and (m, F) of validation crystals."""
        mean = training.mean(axis=0)
        covariance = np.cov(training - mean, rowvar=False).reshape(len(mean), len(mean))
        variances, axes = np.linalg.eigh(covariance)
        components = min(_COMPONENTS, len(mean))
        kept = slice(len(mean) - components, None)
        spread = np.sqrt(np.maximum(variances[kept], 1e-12 * max(variances[-1], 1e-300)))
        projection = axes[:, kept] / spread
        distances = np.linalg.norm((validation - mean) @ projection, axis=1)
        limit = max(float(np.quantile(distances, _LIMIT_QUANTILE)), 1e-12)
        return cls(*(torch.as_tensor(array) for array in (mean, projection, np.array(limit))))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B,) distances of (B, F) embeddings; above one is unusual."""
        return (
            torch.linalg.vector_norm((embedding - self.mean) @ self.projection, dim=1) / self.limit
        )
