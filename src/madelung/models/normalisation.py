"""Batch normalisation of rows that stand for several equal ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["WeightedBatchNorm", "fix_statistics", "unchanged_statistics"]


_MOMENTUM = 0.1


class WeightedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation in which each row counts as often as its weight says.

    With a weight of one for each row it is PyTorch's. The statistics are in float32, whatever the
    precision of the rows.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, rows: Tensor, weights: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise (n, F) rows with (n,) weights.

        Parameters
        ----------
        rows
            Values.
        weights
            How many equal rows each one stands for.
        """
        if not self.training:
            return functional.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0,
                self.eps,
            )  # fmt: skip
        # Sums over many rows would lose too much in a lower precision.
        with torch.autocast(rows.device.type, enabled=False):
            result, mean, variance = _WeightedNorm.apply(
                rows, weights, self.weight, self.bias, self.eps
            )
        with torch.no_grad():
            total = weights.sum()
            unbiased = variance * (total / (total - 1.0).clamp(min=1.0))
            self.running_mean.lerp_(mean, _MOMENTUM)
            self.running_var.lerp_(unbiased, _MOMENTUM)
            self.num_batches_tracked += 1
        return result


class _WeightedNorm(torch.autograd.Function):
    """y = gain (x - mean) / sqrt(variance + eps) + shift, with weighted mean and variance."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weights: Tensor, gain: Tensor, shift: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        shares = weights / weights.sum()
        centred = rows.float()
        mean = shares @ centred
        centred = centred - mean
        variance = shares @ (centred * centred)
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(centred, shares, inverse, gain)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift, centred, inverse * gain).to(rows.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        centred, shares, inverse, gain = ctx.saved_tensors
        kind, gradient = gradient.dtype, gradient.float()
        shift_gradient = gradient.sum(0)
        gain_gradient = (gradient * centred).sum(0) * inverse
        # A row moves mean and variance by its share.
        through_mean = torch.addcmul(shift_gradient, centred, inverse * gain_gradient)
        rows = (gradient - shares[:, None] * through_mean) * (inverse * gain)
        return rows.to(kind), None, gain_gradient, shift_gradient, None


def fix_statistics(network: nn.Module) -> None:
    """Let a network in training normalise by its running statistics, and not change them."""
    for module in network.modules():
        if isinstance(module, WeightedBatchNorm):
            module.eval()


@contextmanager
def unchanged_statistics(network: nn.Module) -> Iterator[None]:
    """Put back a network's running statistics after what is done inside."""
    before = [(value, value.clone()) for value in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for value, old in before:
                value.copy_(old)
