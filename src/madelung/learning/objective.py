"""What training makes small, and the course of the learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["one_cycle_rate", "parameter_groups", "scale_loss", "value_loss"]

# A one-cycle course starts at this part of the highest rate, and ends at that one.
_START = 1.0 / 25.0
_END = 1.0 / 25.0 * 1e-4


def value_loss(outputs: Tensor, goals: Tensor, kind: str) -> tuple[Tensor, int]:
    """Sum of losses over the values that are known.

    Parameters
    ----------
    outputs, goals
        (B, T) standardised predictions, and targets that are NaN where missing.
    kind
        ``"l1"`` or ``"mse"``.

    Returns
    -------
    total : () tensor
    count : int
        Number of known values.
    """
    known = torch.isfinite(goals)
    differences = torch.where(known, outputs - torch.nan_to_num(goals), 0.0)
    losses = differences.abs() if kind == "l1" else differences.square()
    return losses.sum(), int(known.sum())


def scale_loss(outputs: Tensor, log_scales: Tensor, goals: Tensor) -> Tensor:
    """Negative log-likelihood of the errors, by which expected errors are learnt.

    Errors are taken as Laplace distributed with scale b, so that b is the expected absolute error:
    |error|/b + log b, summed over the known values. The errors themselves pass no gradient.
    """
    known = torch.isfinite(goals)
    errors = (outputs.detach() - torch.nan_to_num(goals)).abs()
    losses = errors * torch.exp(-log_scales) + log_scales
    return torch.where(known, losses, 0.0).sum()


def one_cycle_rate(step: int, steps: int, highest: float, warmup_share: float) -> float:
    """Learning rate of a step: a cosine up to the highest rate, and one down to almost nothing.

    L. N. Smith and N. Topin, arXiv:1708.07120. A function of the step alone, so that a run that
    goes on needs no memory of it.
    """
    peak = warmup_share * steps
    if step < peak:
        low, high, part = _START, 1.0, step / peak
    else:
        low, high, part = 1.0, _END, (step - peak) / max(steps - peak, 1.0)
    return highest * (low + (high - low) * (1.0 - math.cos(math.pi * min(part, 1.0))) / 2.0)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for an optimiser: matrices decay; offsets, gains and embeddings do not."""
    embeddings = {
        id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)
    }
    decaying: list[Tensor] = []
    others: list[Tensor] = []
    for parameter in network.parameters():
        decays = parameter.ndim > 1 and id(parameter) not in embeddings
        (decaying if decays else others).append(parameter)
    return [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
