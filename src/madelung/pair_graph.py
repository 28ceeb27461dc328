"""Batches of crystals as a network that is linear in pair functions takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from madelung.pair_functions import PairFunctions

__all__ = ["PairGraph", "join_pairs"]

# Numbers of orbits are rounded up to a multiple of this by orbits of no atoms, since kernels of
# matrix products are prepared anew for each number.
_ROWS = 64


@dataclass(frozen=True, eq=False)
class PairGraph:
    """B crystals with N orbits of equivalent atoms and P pairs of them in all.

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
    starts
        (N + 1,) the first pair that each orbit receives, and the number of pairs.
    senders
        (P,) orbits, in the order of their receivers.
    functions
        (P, D) summed functions.
    sections
        How many functions of each degree there are, the scalars first.
    """

    numbers: Tensor
    owner: Tensor
    weights: Tensor
    counts: Tensor
    starts: Tensor
    senders: Tensor
    functions: Tensor
    sections: tuple[int, ...]

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
            self.starts.to(device),
            self.senders.to(device),
            self.functions.to(device),
            self.sections,
        )


def join_pairs(crystals: Sequence[PairFunctions], sections: Sequence[int]) -> PairGraph:
    """Lay crystals end to end.

    Parameters
    ----------
    crystals
        Pair functions of B crystals.
    sections
        How many functions of each degree they have; see
        :func:`madelung.pair_functions.function_sections`.
    """
    sizes = np.array([len(crystal.numbers) for crystal in crystals], dtype=np.int64)
    before = np.cumsum(sizes) - sizes
    missing = np.zeros(-int(sizes.sum()) % _ROWS, dtype=np.int64)
    degrees = [
        np.bincount(crystal.receivers, minlength=len(crystal.numbers)) for crystal in crystals
    ]
    starts = np.concatenate([np.zeros(1, dtype=np.int64), *degrees, missing]).cumsum()
    senders = [crystal.senders + first for crystal, first in zip(crystals, before, strict=True)]
    weights = np.concatenate([*(crystal.weights for crystal in crystals), missing])
    counts = np.array([crystal.weights.sum() for crystal in crystals], dtype=np.int64)
    return PairGraph(
        numbers=_joined([*(crystal.numbers for crystal in crystals), missing]),
        owner=_joined([np.repeat(np.arange(len(crystals)), sizes), missing]),
        weights=torch.from_numpy(weights.astype(np.float32)),
        counts=torch.from_numpy(counts),
        starts=torch.from_numpy(starts),
        senders=_joined(senders),
        functions=_joined([crystal.functions for crystal in crystals]),
        sections=tuple(sections),
    )


def _joined(parts: Sequence[Any]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))
