"""Element masking: an auxiliary objective that makes a network learn chemistry.

The elements of some atoms of each batch are masked, and the network's features have to tell them
from the crystal around. Nothing but the crystals is needed; see docs/theory/sumnet.md.
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

__all__ = ["ElementMasking"]

# The part of the orbits that is masked, and the element that they seem to be.
_MASKED, _NO_ELEMENT = 0.15, 0
_ELEMENTS = 119


class ElementMasking(nn.Module):
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
        # Checkpoints know it by this name.
        self.guess = nn.Linear(network.features, _ELEMENTS)

    def forward(self, network: SumNet, graph: PairGraph) -> tuple[Tensor, int]:
        """Return the sum of cross entropies, and of how many orbits.

        Which orbits are masked follows from PyTorch's random numbers. The network's running
        statistics, which describe whole crystals, stay as they are.
        """
        random = torch.rand(len(graph.numbers), device=graph.numbers.device)
        masked = (random < _MASKED) & (graph.weights > 0)
        numbers = torch.where(masked, _NO_ELEMENT, graph.numbers)
        near = self._without_radii(graph.near, masked)
        with unchanged_statistics(network):
            atoms = network.atoms(replace(graph, numbers=numbers, near=near))
        logits = self.guess(atoms[masked]).float()
        error = functional.cross_entropy(logits, graph.numbers[masked], reduction="sum")
        return error, int(masked.sum())

    def _without_radii(self, near: PairList, masked: Tensor) -> PairList:
        """Return pairs that do not tell the radii of masked atoms."""
        orbits = torch.arange(len(masked), device=masked.device)
        receivers = torch.repeat_interleave(orbits, near.starts.diff())
        told = ~(masked[receivers] | masked[near.senders])
        functions = near.functions.clone()
        functions[:, self._telling] *= told[:, None]
        return replace(near, functions=functions)
