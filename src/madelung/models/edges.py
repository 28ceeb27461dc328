"""Edges of a graph with their embedded features: whole in learning, in blocks in prediction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["EdgeBlock", "EdgeInput", "EdgeSet"]

# Edges that are held in memory at a time when predicting; a block of width 256 takes 1 kB each.
_BLOCK = 200_000


@dataclass(frozen=True, eq=False)
class EdgeInput:
    """Edges of one kind.

    Parameters
    ----------
    receivers, senders
        (E,) atoms that a message goes to and comes from.
    weights
        (E,) how many edges of the receiver each one stands for.
    statistical_weights
        (E,) how many edges of the whole crystal each one stands for, in batch statistics.
    kinds
        (E,) the row of ``inputs`` that describes each edge.
    inputs
        (K, ...) what the embedding starts from, once for all edges of one kind.
    embedding
        Turns inputs and their statistical weights into (K, features).
    """

    receivers: Tensor
    senders: Tensor
    weights: Tensor
    statistical_weights: Tensor
    kinds: Tensor
    inputs: Tensor
    embedding: nn.Module

    def whole(self) -> EdgeBlock:
        """Embed each kind of edge once."""
        counts = self.statistical_weights
        of_kinds = counts.new_zeros(len(self.inputs)).index_add(0, self.kinds, counts)
        features = self.embedding(self.inputs, of_kinds)
        return EdgeBlock(self.receivers, self.senders, self.weights, counts, self.kinds, features)

    def part(self, part: slice) -> EdgeBlock:
        """Embed some of the edges, each by itself."""
        kinds, counts = self.kinds[part], self.statistical_weights[part]
        features = self.embedding(self.inputs[kinds], counts)
        return EdgeBlock(
            self.receivers[part],
            self.senders[part],
            self.weights[part],
            counts,
            torch.arange(len(kinds), device=kinds.device),
            features,
        )


@dataclass(frozen=True, eq=False)
class EdgeBlock:
    """Embedded edges: those of :class:`EdgeInput`, with (K, F) features instead of inputs."""

    receivers: Tensor
    senders: Tensor
    weights: Tensor
    statistical_weights: Tensor
    kinds: Tensor
    features: Tensor

    @classmethod
    def join(cls, blocks: Sequence[EdgeBlock]) -> EdgeBlock:
        """Lay blocks end to end."""
        joined = {
            name: torch.cat([getattr(block, name) for block in blocks])
            for name in ("receivers", "senders", "weights", "statistical_weights", "features")
        }
        counts = [0, *(len(block.features) for block in blocks[:-1])]
        starts = itertools.accumulate(counts)
        kinds = [block.kinds + start for block, start in zip(blocks, starts, strict=True)]
        return cls(kinds=torch.cat(kinds), **joined)


class EdgeSet:
    """Edges of one or more kinds that pass through the same layer.

    Going through it gives blocks. A network that learns gets all
    edges in one block, since the statistics of a batch need them together. One that predicts gets
    them in blocks if there are many, so that the N² edges of a large cell are never in memory at
    once; they are then embedded anew by each layer.

    Parameters
    ----------
    kinds
        The edges.
    learning
        Whether all edges have to come in one block.
    block
        Most edges of a block in prediction.
    """

    def __init__(self, kinds: Sequence[EdgeInput], learning: bool, block: int = _BLOCK) -> None:
        self._kinds = kinds
        self._block = block
        self._whole = learning or sum(len(kind.receivers) for kind in kinds) <= block
        self._kept: EdgeBlock | None = None

    def __iter__(self) -> Iterator[EdgeBlock]:
        """Give the blocks."""
        if not self._whole:
            for kind in self._kinds:
                for start in range(0, len(kind.receivers), self._block):
                    yield kind.part(slice(start, start + self._block))
            return
        if self._kept is None:
            self._kept = EdgeBlock.join([kind.whole() for kind in self._kinds])
        yield self._kept
