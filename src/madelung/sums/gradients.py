"""Complete sums of one crystal with their vector-Jacobian product, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal
from madelung.sums.base import Potential
from madelung.sums.executors import Executor, choose_executor
from madelung.sums.request import SumRequest

__all__ = ["SumsWithGradient", "sums_with_gradient"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SumsWithGradient:
    """Sums of P potentials in a crystal of n atoms, and derivatives of a combination of them.

    Parameters
    ----------
    values
        (P, n, n) sums S(i, j).
    certificates
        (P,) bounds on the absolute error of every sum.
    by_position
        (n, 3) derivative of sum(cotangent * values) with respect to the positions.
    by_cell
        (3, 3) derivative with respect to the cell vectors at fixed Cartesian positions.
    """

    values: Array
    certificates: Array
    by_position: Array
    by_cell: Array


def sums_with_gradient(
    crystal: Crystal,
    potentials: Sequence[Potential],
    tolerances: Array,
    cotangent: Array,
    *,
    executor: str = "auto",
) -> SumsWithGradient:
    """Sum primitive potentials, and differentiate a combination of the sums.

    Parameters
    ----------
    crystal
        The crystal, of arrays.
    potentials
        The P potentials, all different.
    tolerances
        (P,) errors that are allowed.
    cotangent
        (P, n, n) what each sum is multiplied by.
    executor
        As for :func:`madelung.complete_sums`.

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions or has no volume.
    """
    batch = CrystalBatch.from_crystals([crystal.require_periodic()])
    request = SumRequest.of(batch, potentials, None, None, 1)
    run = choose_executor(executor, request)
    if run.__name__ == "run_native":
        return _native(run, request, tolerances, cotangent)
    return _torch(run, request, tolerances, cotangent)


def _native(
    run: Executor, request: SumRequest, tolerances: Array, cotangent: Array
) -> SumsWithGradient:
    from madelung.sums.native_executor import native_gradient

    outcome = run(request, tolerances[None])
    by_position, by_cell = native_gradient(request, tolerances[None], cotangent)
    values = outcome.values.reshape(cotangent.shape)
    return SumsWithGradient(values, outcome.certificates[0], by_position, by_cell[0])


def _torch(
    run: Executor, request: SumRequest, tolerances: Array, cotangent: Array
) -> SumsWithGradient:
    import torch

    cells = torch.tensor(request.cells, requires_grad=True)
    positions = torch.tensor(request.positions, requires_grad=True)
    outcome = run(replace(request, cells=cells, positions=positions), tolerances[None])
    values = outcome.values.reshape(cotangent.shape)
    total = (values * torch.as_tensor(cotangent)).sum()
    by_position, by_cell = torch.autograd.grad(total, (positions, cells))
    return SumsWithGradient(
        values.detach().numpy(), outcome.certificates[0], by_position.numpy(), by_cell[0].numpy()
    )
