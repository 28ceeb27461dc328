"""Adam in the eigenbasis of Shampoo's preconditioner (SOAP).

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv:2409.11321 (2024). A
matrix's gradients G are looked at in the eigenbases of the running means of GGᵀ and GᵀG, where
their components are nearly uncorrelated, so that Adam's division by each one's own size is close
to a division by the curvature. Bases begin as the matrix's own axes, and are renewed every few
steps by one orthogonal iteration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Soap"]

_SIDES = (0, 1)
_LIFT = 1e-3


class Soap(torch.optim.Optimizer):
    """Adam in slowly turning bases, for matrices; Adam for all other parameters.

    Parameters
    ----------
    parameters
        Tensors or groups of them.
    lr
        Learning rate.
    betas
        Decays of the running means of gradients and of their squares.
    weight_decay
        Decoupled decay of the weights, as in AdamW.
    basis_decay
        Decay of the running means of GGᵀ and GᵀG.
    basis_interval
        Steps after which bases are renewed.
    largest_side
        A side longer than this keeps its own axes: its basis would cost more than it gains.
    epsilon
        Added to the roots of the mean squares.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        basis_decay: float = 0.95,
        basis_interval: int = 10,
        largest_side: int = 512,
        epsilon: float = 1e-6,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "basis_decay": basis_decay,
            "basis_interval": basis_interval,
            "largest_side": largest_side,
            "epsilon": epsilon,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change the parameters by their gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, parameter.grad, group)

    def _change(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            _begin(state, gradient, group["largest_side"])
        _adapt_covariances(state, gradient, group["basis_decay"])
        state["step"] += 1
        turned = _rotate(state, gradient)
        first, second = group["betas"]
        state["mean"].lerp_(turned, 1.0 - first)
        state["square"].mul_(second).addcmul_(turned, turned, value=1.0 - second)
        count = int(state["step"])
        size = (state["square"] / (1.0 - second**count)).sqrt_().add_(group["epsilon"])
        change = _rotate_back(state, state["mean"] / size)
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.add_(change, alpha=-group["lr"] / (1.0 - first**count))
        if count % group["basis_interval"] == 0:
            for side in _turned(state):
                _renew_basis(state, side)


def _begin(state: dict[str, Tensor], gradient: Tensor, largest_side: int) -> None:
    """Set up what is remembered of a parameter."""
    state["step"] = torch.zeros((), dtype=torch.float32)
    state["mean"] = torch.zeros_like(gradient)
    state["square"] = torch.zeros_like(gradient)
    if gradient.ndim != 2:
        return
    for side in _SIDES:
        if 1 < gradient.shape[side] <= largest_side:
            length = gradient.shape[side]
            state[f"covariance_{side}"] = gradient.new_zeros(length, length)
            state[f"basis_{side}"] = torch.eye(length, dtype=gradient.dtype, device=gradient.device)


def _turned(state: dict[str, Tensor]) -> list[int]:
    """Sides that have a basis of their own."""
    return [side for side in _SIDES if f"basis_{side}" in state]


def _covariance(gradient: Tensor, side: int) -> Tensor:
    return gradient @ gradient.T if side == 0 else gradient.T @ gradient


def _adapt_covariances(state: dict[str, Tensor], gradient: Tensor, decay: float) -> None:
    for side in _turned(state):
        state[f"covariance_{side}"].lerp_(_covariance(gradient, side), 1.0 - decay)


def _rotate(state: dict[str, Tensor], matrix: Tensor) -> Tensor:
    """Into the bases."""
    if "basis_0" in state:
        matrix = state["basis_0"].T @ matrix
    return matrix @ state["basis_1"] if "basis_1" in state else matrix


def _rotate_back(state: dict[str, Tensor], matrix: Tensor) -> Tensor:
    """Out of the bases."""
    if "basis_0" in state:
        matrix = state["basis_0"] @ matrix
    return matrix @ state["basis_1"].T if "basis_1" in state else matrix


def _renew_basis(state: dict[str, Tensor], side: int) -> None:
    """Improve the eigenvectors of a side, and turn what is remembered with them.

    Before the iteration they are ordered by their eigenvalues, as it converges in this order. Mean
    squares cannot be turned: they stay with the vector that takes the place of theirs.
    """
    covariance, basis = state[f"covariance_{side}"], state[f"basis_{side}"]
    # Eigenvectors of the same matrix plus a small multiple of the unit matrix: where gradients have
    # no components yet, vectors would else be turned by nothing but rounding.
    applied = covariance @ basis
    applied += _LIFT * covariance.diagonal().mean() * basis
    order = (basis * applied).sum(0).argsort(descending=True)
    renewed = torch.linalg.qr(applied[:, order])[0]
    turn = renewed.T @ basis
    state["mean"] = turn @ state["mean"] if side == 0 else state["mean"] @ turn.T
    state["square"] = state["square"].index_select(side, order)
    # In the order of memory that a checkpoint keeps: products then round alike after it.
    state[f"basis_{side}"] = renewed.contiguous()
