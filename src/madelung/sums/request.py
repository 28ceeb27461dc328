"""What an executor is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import as_floats, is_tensor
from madelung.common.interruption import interruptible
from madelung.common.machine import bounded_threads
from madelung.crystals.batch import CrystalBatch
from madelung.sums.base import Potential

__all__ = ["SumOutcome", "SumRequest"]

# Fewer pairs are summed in milliseconds, unless a splitting is given that is far from the best.
_PAIRS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class SumOutcome:
    """What an executor returns.

    Parameters
    ----------
    values
        (P, sum of n_b²) sums, in the flat layout of :class:`madelung.CompleteSums`.
    certificates
        (B, P) bounds on the absolute error of every sum.
    """

    values: Any
    certificates: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SumRequest:
    """Crystals and primitive potentials to be summed.

    Parameters
    ----------
    cells
        (B, 3, 3) lattice vectors as rows in Å, array or tensor.
    positions
        (N, 3) Cartesian positions in Å, array or tensor.
    offsets
        (B + 1,) int64; the atoms of crystal b are ``offsets[b]:offsets[b + 1]``.
    potentials
        The P primitive potentials.
    splitting
        (B,) splittings t in Å^-2; zero lets the executor choose.
    device
        PyTorch device to work on, or None.
    threads
        Threads to use, or None for all cores.
    """

    cells: Any
    positions: Any
    offsets: NDArray[np.int64]
    potentials: Sequence[Potential]
    splitting: NDArray[np.float64]
    device: Any
    threads: int | None

    @classmethod
    def of(
        cls,
        batch: CrystalBatch,
        potentials: Sequence[Potential],
        splitting: float | Sequence[float] | None,
        device: Any,
        threads: int | None,
    ) -> SumRequest:
        """Put a request together, and check the splittings and the number of threads.

        Raises
        ------
        ValueError
            If a splitting is not positive and finite, or there are fewer threads than one.
        """
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be positive, not {threads}")
        chosen = np.zeros(len(batch))
        if splitting is not None:
            chosen = np.array(np.broadcast_to(splitting, len(batch)), dtype=np.float64)
            if not (np.isfinite(chosen) & (chosen > 0.0)).all():
                raise ValueError("splitting must be positive and finite")
        return cls(batch.cells, batch.positions, batch.offsets, potentials, chosen, device, threads)

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.offsets) - 1

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(B,) numbers of atoms."""
        return np.diff(self.offsets)

    @cached_property
    def pair_offsets(self) -> NDArray[np.int64]:
        """(B + 1,) where each crystal starts in the flat layout of ordered pairs."""
        return np.concatenate([[0], np.cumsum(self.sizes**2)]).astype(np.int64)

    @property
    def has_tensors(self) -> bool:
        """Whether a cell, positions or a parameter is a PyTorch tensor."""
        parameters = [potential.parameter for potential in self.potentials]
        return any(is_tensor(value) for value in (self.cells, self.positions, *parameters))

    @property
    def is_on_cpu(self) -> bool:
        """Whether the CPU is asked for and all tensors lie there."""
        tensors = [value for value in (self.cells, self.positions) if is_tensor(value)]
        wanted = "cpu" if self.device is None else str(self.device)
        return wanted.startswith("cpu") and all(value.device.type == "cpu" for value in tensors)

    def native_arguments(
        self, cells: Any, positions: Any, parameters: Any, tolerances: NDArray[np.float64]
    ) -> tuple[Any, ...]:
        """Return what both functions of the native core take, as contiguous arrays."""
        reals = [
            np.ascontiguousarray(as_floats(values)) for values in (cells, positions, parameters)
        ]
        kernels = np.array([potential.kernel for potential in self.potentials], dtype=np.int32)
        return (
            reals[0],
            reals[1],
            self.offsets,
            kernels,
            reals[2],
            np.ascontiguousarray(tolerances),
            self.splitting,
            bounded_threads(self.threads),
        )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the native core; what may take long can be interrupted."""
        if self.pair_offsets[-1] <= _PAIRS_AT_ONCE and not self.splitting.any():
            return function(*arguments)
        return interruptible(function, *arguments)

    def select(self, chosen: NDArray[np.int64]) -> SumRequest:
        """Return the same request for some of the crystals."""
        atoms = _ranges(self.offsets[chosen], self.sizes[chosen])
        return replace(
            self,
            cells=self.cells[chosen],
            positions=self.positions[atoms],
            offsets=np.concatenate([[0], np.cumsum(self.sizes[chosen])]).astype(np.int64),
            splitting=self.splitting[chosen],
        )

    def replace(
        self, outcome: SumOutcome, chosen: NDArray[np.int64], part: SumOutcome
    ) -> SumOutcome:
        """Return an outcome in which the crystals of a selected request are replaced."""
        pairs = _ranges(self.pair_offsets[chosen], self.sizes[chosen] ** 2)
        certificates = outcome.certificates.copy()
        certificates[chosen] = part.certificates
        if not is_tensor(outcome.values):
            values = outcome.values.copy()
            values[:, pairs] = part.values
            return SumOutcome(values, certificates)
        import torch

        index = torch.as_tensor(pairs, device=outcome.values.device)
        return SumOutcome(outcome.values.index_copy(1, index, part.values), certificates)

    def largest(self, values: Any) -> NDArray[np.float64]:
        """Return the (B, P) largest absolute sums of each crystal."""
        plain = values.detach().cpu().numpy() if is_tensor(values) else values
        if len(self) == 0:
            return np.zeros((0, len(plain)))
        return np.maximum.reduceat(np.abs(plain), self.pair_offsets[:-1], axis=1).T


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the concatenation of the ranges [start, start + length)."""
    total = int(lengths.sum())
    steps = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return (np.repeat(starts, lengths) + steps).astype(np.int64)
