"""First derivatives of the native core's sums, as a PyTorch function."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from madelung.common.arrays import is_tensor
from madelung.sums.request import SumOutcome, SumRequest

__all__ = ["run_native_on_tensors"]

Array = NDArray[np.float64]


def run_native_on_tensors(core: Any, request: SumRequest, tolerances: Array) -> SumOutcome:
    """Sum the potentials of a request whose cells, positions or parameters are tensors.

    Parameters
    ----------
    core
        The native core, ``madelung.common._core``.
    request
        Crystals and potentials.
    tolerances
        (B, P) errors that are allowed.

    Returns
    -------
    SumOutcome
        Its values are a tensor that can be differentiated once. For second derivatives use the
        PyTorch executor.
    """
    parameters = [
        potential.parameter
        if is_tensor(potential.parameter)
        else torch.tensor(potential.number, dtype=torch.float64)
        for potential in request.potentials
    ]
    values, certificates = _NativeSums.apply(
        torch.as_tensor(request.cells, dtype=torch.float64),
        torch.as_tensor(request.positions, dtype=torch.float64),
        torch.stack([parameter.cpu() for parameter in parameters]),
        core,
        request,
        tolerances,
    )
    return SumOutcome(values, certificates.numpy())


class _NativeSums(torch.autograd.Function):
    """The core's sums with its vector-Jacobian product."""

    @staticmethod
    def forward(
        ctx: Any,
        cells: Tensor,
        positions: Tensor,
        parameters: Tensor,
        core: Any,
        request: SumRequest,
        tolerances: Array,
    ) -> tuple[Tensor, Tensor]:
        arguments = request.native_arguments(cells, positions, parameters, tolerances)
        values, certificates = request.call(core.forward, *arguments)
        ctx.save_for_backward(cells, positions, parameters)
        ctx.core, ctx.request, ctx.tolerances = core, request, tolerances
        bounds = torch.from_numpy(np.asarray(certificates))
        ctx.mark_non_differentiable(bounds)
        return torch.from_numpy(np.asarray(values)), bounds

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cotangent: Tensor, _: Tensor) -> tuple[Any, ...]:
        arguments = ctx.request.native_arguments(*ctx.saved_tensors, ctx.tolerances)
        contiguous = np.ascontiguousarray(cotangent.numpy())
        of_positions, of_cells, of_parameters = ctx.request.call(
            ctx.core.gradient, *arguments, contiguous
        )
        return (
            torch.from_numpy(np.asarray(of_cells)),
            torch.from_numpy(np.asarray(of_positions)),
            torch.from_numpy(np.asarray(of_parameters)).sum(dim=0),
            None,
            None,
            None,
        )
