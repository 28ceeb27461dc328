"""Edges of a graph with their embedded features: whole in learning, in blocks in prediction."""

from __future__ import annotations

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
    inputs
        (E, ...) what the embedding starts from.
    embedding
        Turns inputs and statistical weights into (E, features).
    """

    receivers: Tensor
    senders: Tensor
    weights: Tensor
    statistical_weights: Tensor
    inputs: Tensor
    embedding: nn.Module

    def block(self, part: slice) -> EdgeBlock:
        """Embed some of the edges."""
        counts = self.statistical_weights[part]
        features = self.embedding(self.inputs[part], counts)
        return EdgeBlock(
            self.receivers[part], self.senders[part], self.weights[part], counts, features
        )


@dataclass(frozen=True, eq=False)
class EdgeBlock:
    """Embedded edges; see :class:`EdgeInput`."""

    receivers: Tensor
    senders: Tensor
    weights: Tensor
    statistical_weights: Tensor
    features: Tensor


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
                    yield kind.block(slice(start, start + self._block))
            return
        if self._kept is None:
            blocks = [kind.block(slice(None)) for kind in self._kinds]
            self._kept = EdgeBlock(
                *(
                    torch.cat([getattr(block, name) for block in blocks])
                    for name in EdgeBlock.__dataclass_fields__
                )
            )
        yield self._kept
