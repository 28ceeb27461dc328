"""Complete sums that PyTorch can differentiate twice, computed by the native core.

The core has analytic first derivatives. Second derivatives, of which training on forces needs one,
are central differences of first derivatives and of the sums themselves along one direction. Their
error is that of the step squared; the sums they are taken of are certified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.sums.base import Potential
from madelung.sums.executors import choose_executor
from madelung.sums.request import SumRequest

__all__ = ["twice_differentiable_sums"]

Array = NDArray[np.float64]

_STEP = 3e-4
"""Longest shift in Å of an atom or a cell vector in a central difference."""


def twice_differentiable_sums(
    cells: Tensor,
    positions: Tensor,
    offsets: NDArray[np.int64],
    potentials: Sequence[Potential],
    tolerance: float,
) -> Tensor:
    """Sum potentials over all images, as a function of cells and positions.

    Parameters
    ----------
    cells
        (B, 3, 3) lattice vectors as rows in Å, float64, on the CPU.
    positions
        (N, 3) Cartesian positions in Å, float64, on the CPU.
    offsets
        (B + 1,) where the atoms of each crystal begin.
    potentials
        The P potentials, all different, with parameters that are numbers.
    tolerance
        Error allowed in every sum.

    Returns
    -------
    Tensor
        (P, sum of n_b²) sums in the flat layout of :class:`madelung.CompleteSums`; it can be
        differentiated twice with respect to cells and positions.

    Raises
    ------
    CrystalError
        If a cell has no volume or is so thin that too many lattice points are taken in.
    """
    request = SumRequest(
        cells=cells.detach().numpy(),
        positions=positions.detach().numpy(),
        offsets=offsets,
        potentials=list(potentials),
        splitting=np.zeros(len(offsets) - 1),
        device=None,
        threads=1,
    )
    calculation = _Calculation(request, np.full((len(request), len(request.potentials)), tolerance))
    values: Tensor = _Sums.apply(cells, positions, calculation)
    return values


@dataclass(frozen=True, eq=False)
class _Calculation:
    """Sums and first derivatives at any cells and positions of the same crystals."""

    request: SumRequest
    tolerances: Array

    def moved(self, cells: Array, positions: Array, step: Array) -> _Calculation:
        """The crystals with (B,) steps along a direction."""
        atoms = np.repeat(step, self.request.sizes)[:, None]
        request = replace(
            self.request,
            cells=self.request.cells + step[:, None, None] * cells,
            positions=self.request.positions + atoms * positions,
        )
        return replace(self, request=request)

    def values(self) -> Array:
        """(P, pairs) sums."""
        run = choose_executor("auto", self.request)
        return np.asarray(run(self.request, self.tolerances).values)

    def gradient(self, cotangent: Array) -> tuple[Array, Array]:
        """Derivatives of sum(cotangent * values) by the cells and by the positions."""
        if choose_executor("auto", self.request).__name__ == "run_native":
            from madelung.sums.native_executor import native_gradient

            by_position, by_cell = native_gradient(self.request, self.tolerances, cotangent)
            return by_cell, by_position
        return self._gradient_by_torch(cotangent)

    def _gradient_by_torch(self, cotangent: Array) -> tuple[Array, Array]:
        leaves = [
            torch.tensor(values, requires_grad=True)
            for values in (self.request.cells, self.request.positions)
        ]
        request = replace(self.request, cells=leaves[0], positions=leaves[1])
        with torch.enable_grad():
            values = choose_executor("torch", request)(request, self.tolerances).values
        by_cell, by_position = torch.autograd.grad(values, leaves, torch.from_numpy(cotangent))
        return by_cell.numpy(), by_position.numpy()

    def steps(self, cells: Array, positions: Array) -> Array:
        """(B,) steps that move no atom and no cell vector of a crystal by more than _STEP."""
        lengths = np.linalg.norm(positions, axis=1)
        farthest = np.maximum.reduceat(lengths, self.request.offsets[:-1])
        farthest = np.maximum(farthest, np.linalg.norm(cells, axis=2).max(axis=1))
        return np.where(farthest > 0.0, _STEP / np.maximum(farthest, np.finfo(float).tiny), 1.0)


class _Sums(torch.autograd.Function):
    """The sums; their derivative is :class:`_Gradient`."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, positions: Tensor, calculation: _Calculation) -> Tensor:
        ctx.save_for_backward(cells, positions)
        ctx.calculation = calculation
        return torch.from_numpy(calculation.values())

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        by_cell, by_position = _Gradient.apply(cotangent, *ctx.saved_tensors, ctx.calculation)
        return by_cell, by_position, None


class _Gradient(torch.autograd.Function):
    """Derivatives of a combination of the sums, as a function of its weights and the crystals."""

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, cells: Tensor, positions: Tensor, calculation: _Calculation
    ) -> tuple[Tensor, Tensor]:
        ctx.weights, ctx.calculation = weights.detach().contiguous().numpy(), calculation
        by_cell, by_position = calculation.gradient(ctx.weights)
        return torch.from_numpy(by_cell), torch.from_numpy(by_position)

    @staticmethod
    def backward(ctx: Any, of_cells: Tensor, of_positions: Tensor) -> tuple[Any, ...]:
        calculation: _Calculation = ctx.calculation
        request, direction = calculation.request, (of_cells.numpy(), of_positions.numpy())
        step = calculation.steps(*direction)
        ahead, behind = (calculation.moved(*direction, sign * step) for sign in (1.0, -1.0))
        of_weights: Tensor | None = None
        of_own: tuple[Tensor | None, Tensor | None] = None, None
        if ctx.needs_input_grad[0]:
            width = np.repeat(2.0 * step, request.sizes**2)
            of_weights = torch.from_numpy((ahead.values() - behind.values()) / width)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            pairs = zip(ahead.gradient(ctx.weights), behind.gradient(ctx.weights), strict=True)
            by_cell, by_position = (after - before for after, before in pairs)
            of_own = (
                torch.from_numpy(by_cell / (2.0 * step)[:, None, None]),
                torch.from_numpy(by_position / np.repeat(2.0 * step, request.sizes)[:, None]),
            )
        return of_weights, *of_own, None
