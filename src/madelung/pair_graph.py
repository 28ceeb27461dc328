"""Batches of crystals as a network that is linear in pair functions takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.pair_functions import PairFunctions

__all__ = ["PairBlock", "PairGraph", "join_pairs"]

# Orbits are laid together with others that have at least this part of their number of senders.
_FILLED = 0.5
# Numbers of orbits are rounded up to a multiple of this by orbits of no atoms, since kernels are
# prepared anew for each number.
_ROWS = 64


@dataclass(frozen=True, eq=False)
class PairBlock:
    """n orbits with up to M senders each, of which missing ones have functions that are zero.

    Parameters
    ----------
    senders
        (n, M) orbits of the batch.
    functions
        (n, M, D_l) summed functions of each degree l, the scalars first.
    """

    senders: Tensor
    functions: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class PairGraph:
    """B crystals with N orbits of equivalent atoms in all.

    Parameters
    ----------
    numbers
        (N,) atomic numbers.
    owner
        (N,) the crystal that each orbit belongs to.
    weights
        (N,) how many atoms of the cell each one stands for.
    counts
        (B,) atoms of the cell of each crystal.
    blocks
        Pairs, received by the orbits in order.
    """

    numbers: Tensor
    owner: Tensor
    weights: Tensor
    counts: Tensor
    blocks: tuple[PairBlock, ...]

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.counts)

    def to(self, device: Any) -> PairGraph:
        """Return the same crystals on another device."""
        return PairGraph(
            self.numbers.to(device),
            self.owner.to(device),
            self.weights.to(device),
            self.counts.to(device),
            tuple(
                PairBlock(
                    block.senders.to(device), tuple(part.to(device) for part in block.functions)
                )
                for block in self.blocks
            ),
        )


def join_pairs(crystals: Sequence[PairFunctions], sections: Sequence[int]) -> PairGraph:
    """Lay crystals side by side, orbits of like numbers of senders together."""
    sizes = np.array([len(crystal.numbers) for crystal in crystals])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    owner = np.repeat(np.arange(len(crystals)), sizes)
    degrees = np.concatenate(
        [np.bincount(crystal.receivers, minlength=len(crystal.numbers)) for crystal in crystals]
    )
    order = np.argsort(-degrees, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    pairs = [
        (place[crystal.receivers + start], place[crystal.senders + start])
        for crystal, start in zip(crystals, starts[:-1], strict=True)
    ]
    receivers = np.concatenate([received for received, _ in pairs])
    senders = np.concatenate([sent for _, sent in pairs])
    functions = np.concatenate([crystal.functions for crystal in crystals])
    numbers = np.concatenate([crystal.numbers for crystal in crystals])[order]
    weights = np.concatenate([crystal.weights for crystal in crystals])[order]
    owner = owner[order]
    missing = -len(order) % _ROWS
    numbers, weights, owner, degrees = (
        np.concatenate([values, np.zeros(missing, dtype=np.int64)])
        for values in (numbers, weights, owner, degrees[order])
    )
    return PairGraph(
        numbers=torch.from_numpy(numbers),
        owner=torch.from_numpy(owner),
        weights=torch.from_numpy(weights.astype(np.float32)),
        counts=torch.from_numpy(np.bincount(owner, weights, len(crystals)).astype(np.int64)),
        blocks=_blocks(degrees, receivers, senders, functions, np.cumsum(sections)[:-1]),
    )


def _blocks(
    degrees: NDArray[np.int64],
    receivers: NDArray[np.int64],
    senders: NDArray[np.int64],
    functions: NDArray[np.float32],
    cuts: NDArray[np.int64],
) -> tuple[PairBlock, ...]:
    order = np.argsort(receivers, kind="stable")
    first = np.cumsum(degrees) - degrees
    slots = np.arange(len(order)) - np.repeat(first, degrees)
    blocks = []
    start = 0
    widths = np.maximum(degrees, 1)
    while start < len(degrees):
        most = int(widths[start])
        stop = int(np.searchsorted(-widths, -_FILLED * most, side="right"))
        chosen = slice(int(first[start]), int(first[stop - 1] + degrees[stop - 1]))
        rows, slot = receivers[order[chosen]] - start, slots[chosen]
        sent = np.zeros((stop - start, most), dtype=np.int64)
        sent[rows, slot] = senders[order[chosen]]
        values = np.zeros((stop - start, most, functions.shape[1]), dtype=np.float32)
        values[rows, slot] = functions[order[chosen]]
        parts = tuple(
            torch.from_numpy(np.ascontiguousarray(part)) for part in np.split(values, cuts, axis=2)
        )
        blocks.append(PairBlock(torch.from_numpy(sent), parts))
        start = stop
    return tuple(blocks)
