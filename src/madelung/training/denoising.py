"""Denoising: an auxiliary objective that makes a network look at geometry.

Atoms of some crystals of each batch are moved at random, and the network's features have to tell
where each one came from. Nothing but the crystals is needed, and networks that learn this beside
their targets predict these better; see docs/theory/sumnet.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.data.store import CrystalStore
from madelung.inputs.pair_functions import near_sections, pair_functions
from madelung.inputs.pair_graph import ORBITS_OF_BATCH, PairGraph, join_pairs
from madelung.inputs.settings import PairSettings
from madelung.models.normalisation import unchanged_statistics
from madelung.models.pair_sums import pair_sums
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet

__all__ = [
    "Denoising",
    "Displaced",
    "Displacer",
    "displaced_crystals",
]

# Standard deviation of each coordinate, in Å.
_SPREAD = 0.1
# Of a batch, this part is displaced; of crystals with more atoms none, since their pairs, which no
# symmetry makes equal any more, would take most of the time.
_SHARE = 1 / 8
_MOST_ATOMS = 12
# Sets the random numbers apart from others of the same seed.
_STREAM = 7


@dataclass(frozen=True, eq=False)
class Displaced:
    """Crystals whose atoms were moved.

    Parameters
    ----------
    graph
        The crystals after the move: N atoms, and others that no crystal owns.
    moves
        (N, 3) displacements in units of their standard deviation, float32; those of a crystal add
        up to zero.
    """

    graph: PairGraph
    moves: Tensor

    def to(self, device: Any) -> Displaced:
        """Return the same on another device."""
        return Displaced(self.graph.to(device), self.moves.to(device))


class Displacer:
    """Displaces some crystals of each batch.

    Parameters
    ----------
    store
        Data set.
    settings
        How pair functions are made.
    seed
        Seed; which displacements a batch gets depends on it and on the batch's crystals alone.
    """

    def __init__(self, store: CrystalStore, settings: PairSettings, seed: int) -> None:
        self._store = store
        self._settings = settings
        self._seed = seed

    def __call__(self, indices: NDArray[np.int64]) -> Displaced | None:
        """Displace some of these crystals of the data set; None if all are too large."""
        small = indices[self._store.sizes[indices] <= _MOST_ATOMS]
        chosen = small[: max(round(_SHARE * len(indices)), 1)]
        if not len(chosen):
            return None
        generator = np.random.default_rng([self._seed, _STREAM, *indices.tolist()])
        return displaced_crystals(self._store.batch(chosen), self._settings, generator)


def displaced_crystals(
    crystals: Iterable[Crystal], settings: PairSettings, generator: np.random.Generator
) -> Displaced:
    """Move the atoms of crystals at random and make pair functions of the outcome.

    Parameters
    ----------
    crystals
        At least one.
    settings
        How pair functions are made; symmetry is not looked for.
    generator
        Where displacements come from.
    """
    without_symmetry = settings.model_copy(
        update={"symmetry_tolerance": 0.0, "bonds": 0.0, "areas": False}
    )
    made, moves = [], []
    for crystal in crystals:
        move = generator.standard_normal((len(crystal), 3))
        # A translation of the whole crystal cannot be seen.
        move -= move.mean(axis=0)
        moved = Crystal(
            cell=to_numpy(crystal.cell),
            positions=to_numpy(crystal.positions) + _SPREAD * move,
            numbers=crystal.numbers,
        )
        made.append(pair_functions(moved, without_symmetry))
        moves.append(move)
    graph = join_pairs(made, near_sections(settings), multiple=ORBITS_OF_BATCH)
    return Displaced(graph, torch.from_numpy(np.concatenate(moves).astype(np.float32)))


class Denoising(nn.Module):
    """Reads displacements from what a network knows of the atoms.

    A vector for each atom is summed over its surroundings from features of the senders times
    radial functions and directions, as in a layer of the network, and gated by the atom's own
    features. It turns with the crystal.

    Parameters
    ----------
    network
        Settings of the network.
    graph
        Settings of its pair functions; directions are needed (degree of at least one).
    """

    def __init__(self, network: SumNetSettings, graph: PairSettings) -> None:
        super().__init__()
        width, vectors = network.features, network.tensors
        self.norm = nn.LayerNorm(width)
        self.sender = nn.Linear(width, network.senders)
        self.mix = nn.Linear(graph.angular * network.senders, vectors, bias=False)
        self.gate = nn.Linear(width, vectors)

    def forward(self, network: SumNet, displaced: Displaced) -> tuple[Tensor, int]:
        """Return the sum over the atoms of the mean square error of coordinates, and their number.

        The network's running statistics, which describe real crystals, stay as they are.
        """
        graph = displaced.graph
        with unchanged_statistics(network):
            atoms = self.norm(network.atoms(graph))
        vectors = pair_sums(self.sender(atoms).float(), graph.near)[1]
        seen = self.mix(vectors.view(len(atoms), 3, -1)) * self.gate(atoms)[:, None, :]
        predicted = seen.float().sum(2) / seen.shape[2] ** 0.5
        count = len(displaced.moves)
        return (predicted[:count] - displaced.moves).square().mean(1).sum(), count
