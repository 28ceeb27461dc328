"""Batches of crystals as a network that is linear in pair functions takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.crystals.reading.arguments import as_crystals
from madelung.inputs.bonds import BondList, join_bonds
from madelung.inputs.pair_functions import (
    PairFunctions,
    near_sections,
    several_pair_functions,
)
from madelung.inputs.settings import PairSettings

__all__ = ["ORBITS_OF_BATCH", "PairGraph", "PairList", "build_pair_graphs", "join_pairs"]

ORBITS_OF_BATCH = 64
"""What training rounds the number of orbits of a batch up to a multiple of: products of
low-precision matrices are prepared anew for each number of rows, so that there had better be few
numbers."""


@dataclass(frozen=True, eq=False)
class PairList:
    """P ordered pairs of the N orbits of a batch.

    Parameters
    ----------
    starts
        (N + 1,) the first pair that each orbit receives, and the number of pairs.
    senders
        (P,) orbits, in the order of their receivers.
    functions
        (P, D) numbers that the pairs have.
    sections
        How many of them belong to each degree, the scalars first.
    """

    starts: Tensor
    senders: Tensor
    functions: Tensor
    sections: tuple[int, ...]

    @cached_property
    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Functions, starts and senders as arrays on the same memory, of pairs on a CPU."""
        functions, starts, senders = (
            part.contiguous().numpy() for part in (self.functions, self.starts, self.senders)
        )
        return functions, starts, senders

    def to(self, device: Any) -> PairList:
        """Return the same pairs on another device."""
        return PairList(
            self.starts.to(device),
            self.senders.to(device),
            self.functions.to(device),
            self.sections,
        )


@dataclass(frozen=True, eq=False)
class PairGraph:
    """B crystals with N orbits of equivalent atoms in all, and pairs of them.

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
    near
        Pairs of which images are near each other, with near functions.
    complete
        All pairs of each crystal, with complete sums.
    bonds
        Bonds between single atoms, if the settings ask for them.
    areas
        (B,) areas of a layer for each of its atoms in Å², if the settings ask for them.
    """

    numbers: Tensor
    owner: Tensor
    weights: Tensor
    counts: Tensor
    near: PairList
    complete: PairList
    bonds: BondList | None = None
    areas: Tensor | None = None

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
            self.near.to(device),
            self.complete.to(device),
            None if self.bonds is None else self.bonds.to(device),
            None if self.areas is None else self.areas.to(device),
        )


def join_pairs(
    crystals: Sequence[PairFunctions], sections: Sequence[int], *, multiple: int = 1
) -> PairGraph:
    """Lay crystals end to end.

    Parameters
    ----------
    crystals
        Pair functions of B crystals.
    sections
        How many near functions of each degree they have; see
        :func:`madelung.inputs.pair_functions.near_sections`.
    multiple
        The number of orbits is rounded up to a multiple of this by orbits of no atoms.
    """
    sizes = np.array([len(crystal.numbers) for crystal in crystals], dtype=np.int64)
    before = np.cumsum(sizes) - sizes
    missing = np.zeros(-int(sizes.sum()) % multiple, dtype=np.int64)
    weights = np.concatenate([*(crystal.weights for crystal in crystals), missing])
    counts = np.array([crystal.weights.sum() for crystal in crystals], dtype=np.int64)
    near_degrees = [
        np.bincount(crystal.receivers, minlength=len(crystal.numbers)) for crystal in crystals
    ]
    near = PairList(
        starts=_starts([*near_degrees, missing]),
        senders=_joined(
            [crystal.senders + first for crystal, first in zip(crystals, before, strict=True)]
        ),
        functions=_joined([crystal.functions for crystal in crystals]),
        sections=tuple(sections),
    )
    kinds = crystals[0].sums.shape[2]
    complete = PairList(
        starts=_starts([np.repeat(sizes, sizes), missing]),
        senders=_joined(
            [
                np.tile(np.arange(first, first + size), size)
                for size, first in zip(sizes, before, strict=True)
            ]
        ),
        functions=_joined(
            [
                crystal.sums.reshape(size**2, kinds)
                for crystal, size in zip(crystals, sizes, strict=True)
            ]
        ),
        sections=(kinds,),
    )
    bonds = [crystal.bonds for crystal in crystals if crystal.bonds is not None]
    areas = [crystal.area for crystal in crystals if crystal.area is not None]
    return PairGraph(
        numbers=_joined([*(crystal.numbers for crystal in crystals), missing]),
        owner=_joined([np.repeat(np.arange(len(crystals)), sizes), missing]),
        weights=torch.from_numpy(weights.astype(np.float32)),
        counts=torch.from_numpy(counts),
        near=near,
        complete=complete,
        bonds=join_bonds(bonds, sizes) if len(bonds) == len(crystals) else None,
        areas=torch.tensor(areas) if len(areas) == len(crystals) else None,
    )


def build_pair_graphs(
    crystals: Any, kinds: Sequence[PairSettings], *, threads: int = 1
) -> list[PairGraph]:
    """Make the pair graphs of the same crystals by several settings.

    Parameters
    ----------
    crystals
        A crystal, a batch, or a sequence of crystals; see :func:`madelung.as_crystals`.
    kinds
        How to make them; what settings share is found once.
    threads
        Threads for the complete sums.

    Raises
    ------
    CrystalError
        If a crystal is not periodic in three directions or has no volume.
    """
    members, _ = as_crystals(crystals)
    made = [several_pair_functions(crystal, kinds, threads=threads) for crystal in members]
    return [
        join_pairs(functions, near_sections(kind))
        for functions, kind in zip(zip(*made, strict=True), kinds, strict=True)
    ]


def _starts(degrees: Sequence[NDArray[np.int64]]) -> Tensor:
    """The first pair of each orbit, and the number of all."""
    return torch.from_numpy(np.concatenate([np.zeros(1, dtype=np.int64), *degrees]).cumsum())


def _joined(parts: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))
