"""Guessing the elements of hidden atoms: an exercise that makes a network learn chemistry.

Some atoms of each batch are hidden, and the network's features have to tell from the crystal around
them what they are. Nothing but the crystals is needed; see docs/theory/sumnet.md.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.inputs.pair_graph import PairGraph, PairList
from madelung.inputs.settings import PairSettings
from madelung.models.normalisation import unchanged_statistics
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet

__all__ = ["HiddenElements"]

# The part of the orbits that is hidden, and the element that they seem to be.
_HIDDEN, _NO_ELEMENT = 0.15, 0
_ELEMENTS = 119


class HiddenElements(nn.Module):
    """Reads the elements of atoms from what a network knows of their surroundings.

    Parameters
    ----------
    network
        Settings of the network.
    graph
        Settings of its pair functions, some of which know the radii of both elements.
    """

    def __init__(self, network: SumNetSettings, graph: PairSettings) -> None:
        super().__init__()
        self._telling = slice(graph.radial, graph.radial + graph.reduced)
        self.guess = nn.Linear(network.features, _ELEMENTS)

    def forward(self, network: SumNet, graph: PairGraph) -> tuple[Tensor, int]:
        """Return the sum of cross entropies, and of how many orbits.

        Which orbits are hidden follows from PyTorch's random numbers. The network's running
        statistics, which describe whole crystals, stay as they are.
        """
        random = torch.rand(len(graph.numbers), device=graph.numbers.device)
        hidden = (random < _HIDDEN) & (graph.weights > 0)
        numbers = torch.where(hidden, _NO_ELEMENT, graph.numbers)
        near = self._without_radii(graph.near, hidden)
        with unchanged_statistics(network):
            atoms = network.atoms(replace(graph, numbers=numbers, near=near))
        guesses = self.guess(atoms[hidden]).float()
        error = functional.cross_entropy(guesses, graph.numbers[hidden], reduction="sum")
        return error, int(hidden.sum())

    def _without_radii(self, near: PairList, hidden: Tensor) -> PairList:
        """Return pairs that do not tell the radii of hidden atoms."""
        orbits = torch.arange(len(hidden), device=hidden.device)
        receivers = torch.repeat_interleave(orbits, near.starts.diff())
        told = ~(hidden[receivers] | hidden[near.senders])
        functions = near.functions.clone()
        functions[:, self._telling] *= told[:, None]
        return replace(near, functions=functions)
