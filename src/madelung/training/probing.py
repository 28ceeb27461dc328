"""Crystals that no network can learn from, found before the first step instead of in its midst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, PotentialError
from madelung.common.progress import watched
from madelung.crystals.checks import below_reading, crystal_error
from madelung.data.store import CrystalStore
from madelung.inputs.build import NetworkInput
from madelung.models.networks import build_network
from madelung.training.batches import BatchMaker, InputMemory
from madelung.training.evaluation import groups_by_size
from madelung.training.settings import TrainingSettings

__all__ = ["failing_crystals"]

# Atoms that are 0.01 Å apart make such sums of 1/r^6; those of crystals are below 100.
_LARGEST = 1e12
# What sums, graphs and networks raise of a crystal that is none: too many neighbours for any
# memory, cells that cutoffs are too large for, numbers that overflow.
_FAILURES = (
    CrystalError, PotentialError, ArithmeticError, MemoryError, RuntimeError, ValueError,
)  # fmt: skip


def failing_crystals(
    store: CrystalStore,
    rows: NDArray[np.int64],
    settings: TrainingSettings,
    memory: InputMemory | None,
    *,
    show: bool = False,
) -> dict[int, str]:
    """Pass crystals through a fresh network once, and say why some of them fail.

    What is made of the others is kept in the memory, so that the first epoch need not make it.

    Parameters
    ----------
    store
        The data set.
    rows
        Which of its crystals are looked at.
    settings
        Of the graph and the network.
    memory
        Keeps what networks start from; nothing is kept if None.
    show
        Whether to show on stderr how far it is.

    Returns
    -------
    dict
        By row of the data set, the reason.
    """
    values = np.full((len(store), 1), np.nan)
    maker = BatchMaker(store, values, settings.graph, memory)
    # No random number of the run may depend on whether crystals were looked at.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network(settings.network, settings.graph, 1).eval()
    reasons: dict[int, str] = {}
    groups = groups_by_size(store.sizes[rows])
    with watched("looking at crystals", show=show) as advance:
        for number, group in enumerate(groups, start=1):
            reasons |= _reasons(rows[group], maker, network, store)
            advance(number, len(groups))
    return dict(sorted(reasons.items()))


def _reasons(
    rows: NDArray[np.int64], maker: BatchMaker, network: torch.nn.Module, store: CrystalStore
) -> dict[int, str]:
    """Reasons of some crystals; of a group that fails those of its halves."""
    try:
        graph = maker.make(rows).graph
        _require_sizes(graph)
        with torch.inference_mode():
            parts = network(graph)
    except _FAILURES as error:
        if len(rows) == 1:
            row = int(rows[0])
            return {row: str(below_reading(store[row].crystal, error))}
        half = len(rows) // 2
        return {
            row: text
            for part in (rows[:half], rows[half:])
            for row, text in _reasons(part, maker, network, store).items()
        }
    # A failure of one crystal is none of the others of its batch.
    finite = torch.stack([part.isfinite().flatten(1).all(dim=1) for part in parts]).all(dim=0)
    text = "the network's numbers are not finite; check its distances and its cell"
    return {
        int(row): str(crystal_error(store.ids[int(row)], text))
        for row in rows[~finite.cpu().numpy()]
    }


def _require_sizes(graph: NetworkInput) -> None:
    """Refuse inputs that a network could take, and whose squares and gradients overflow."""
    for values in _reals(graph):
        largest = float(values.abs().max())
        if not largest <= _LARGEST:
            raise CrystalError(
                f"sums over the crystal reach {largest:.3g}; check its distances and its cell"
            )


def _reals(graph: Any) -> Iterator[torch.Tensor]:
    """Tensors of real numbers of a graph and of the lists in it."""
    for field in fields(graph):
        value = getattr(graph, field.name)
        if is_dataclass(value):
            yield from _reals(value)
        elif isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel():
            yield value
