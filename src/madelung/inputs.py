"""From crystals to what networks start from, whichever kind their settings ask for."""

from __future__ import annotations

from typing import Any

from madelung.crystal import as_crystals
from madelung.graph import CrystalGraph, build_graph
from madelung.graph_settings import GraphSettings, InputSettings
from madelung.pair_functions import near_sections, pair_functions
from madelung.pair_graph import PairGraph, join_pairs

__all__ = ["NetworkInput", "build_input"]

NetworkInput = CrystalGraph | PairGraph
"""What a network takes: crystals laid side by side."""


def build_input(crystals: Any, settings: InputSettings, *, threads: int = 1) -> NetworkInput:
    """Make the input of a network.

    Parameters
    ----------
    crystals
        A crystal, a batch, or a sequence of crystals; see :func:`madelung.crystal.as_crystals`.
    settings
        What the network starts from.
    threads
        Threads for the complete sums.

    Raises
    ------
    CrystalError
        If a crystal is not periodic in three directions or has no volume.
    """
    if isinstance(settings, GraphSettings):
        return build_graph(crystals, settings, threads=threads)
    members, _ = as_crystals(crystals)
    return join_pairs(
        [pair_functions(crystal, settings, threads=threads) for crystal in members],
        near_sections(settings),
    )
