"""From crystals to what networks start from, whichever kind their settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from madelung.crystals.reading.arguments import as_crystals
from madelung.inputs.near_graph import CrystalGraph, build_graph
from madelung.inputs.pair_functions import near_sections, several_pair_functions
from madelung.inputs.pair_graph import PairGraph, join_pairs
from madelung.inputs.settings import GraphSettings, InputSettings, PairSettings

__all__ = ["MemberInputs", "NetworkInput", "build_input"]


@dataclass(frozen=True, eq=False)
class MemberInputs:
    """The same crystals as each network of an ensemble takes them.

    Parameters
    ----------
    graphs
        One for each network; networks of equal settings share theirs.
    """

    graphs: tuple[CrystalGraph | PairGraph, ...]

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.graphs[0])

    @property
    def numbers(self) -> Tensor:
        """Atomic numbers of the first graph; see there for those that follow."""
        return self.graphs[0].numbers

    @property
    def owner(self) -> Tensor:
        """The crystal that each atom of the first graph belongs to."""
        return self.graphs[0].owner

    @property
    def weights(self) -> Tensor:
        """How many atoms each one of the first graph stands for."""
        return self.graphs[0].weights

    @property
    def counts(self) -> Tensor:
        """Atoms of each crystal."""
        return self.graphs[0].counts

    @property
    def areas(self) -> Tensor | None:
        """Areas of a layer for each of its atoms, if the settings ask for them."""
        return getattr(self.graphs[0], "areas", None)

    def to(self, device: Any) -> MemberInputs:
        """Return the same crystals on another device."""
        moved = {id(graph): graph.to(device) for graph in self.graphs}
        return MemberInputs(tuple(moved[id(graph)] for graph in self.graphs))


NetworkInput = CrystalGraph | PairGraph | MemberInputs
"""What a network, or an ensemble, takes: crystals laid side by side."""


def build_input(
    crystals: Any, settings: InputSettings | Sequence[InputSettings], *, threads: int = 1
) -> NetworkInput:
    """Make the input of a network.

    Parameters
    ----------
    crystals
        A crystal, a batch, or a sequence of crystals; see :func:`madelung.as_crystals`.
    settings
        What the network starts from; of an ensemble, what each network does, where this differs.
    threads
        Threads for the complete sums.

    Raises
    ------
    CrystalError
        If a crystal is not periodic in three directions or has no volume.
    """
    if isinstance(settings, Sequence):
        kinds = list(dict.fromkeys(settings))
        made = dict(zip(kinds, _graphs(crystals, kinds, threads), strict=True))
        return MemberInputs(tuple(made[own] for own in settings))
    return _graphs(crystals, [settings], threads)[0]


def _graphs(
    crystals: Any, kinds: Sequence[InputSettings], threads: int
) -> list[CrystalGraph | PairGraph]:
    """Graphs of the same crystals by different settings."""
    # Networks of an ensemble are of one architecture, and so are their settings.
    pairs = [kind for kind in kinds if isinstance(kind, PairSettings)]
    if not pairs:
        plain = [kind for kind in kinds if isinstance(kind, GraphSettings)]
        return [build_graph(crystals, kind, threads=threads) for kind in plain]
    members, _ = as_crystals(crystals)
    made = [several_pair_functions(crystal, pairs, threads=threads) for crystal in members]
    return [
        join_pairs(functions, near_sections(kind))
        for functions, kind in zip(zip(*made, strict=True), pairs, strict=True)
    ]
