"""From crystals to what networks start from, whichever kind their settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from madelung.common.registry import imported
from madelung.inputs.settings import InputSettings

__all__ = ["InputGraph", "MemberInputs", "NetworkInput", "build_input", "input_graphs"]


class InputGraph(Protocol):
    """What the input of any network has: crystals laid side by side, with their atoms.

    One row may stand for several atoms that are equal by symmetry. ``areas``, (atoms,) areas of
    the layer of each atom in Å², is needed only where targets are learnt for the area.
    """

    @property
    def numbers(self) -> Tensor:
        """Atomic numbers, (rows,)."""

    @property
    def owner(self) -> Tensor:
        """The crystal that each row belongs to, (rows,)."""

    @property
    def weights(self) -> Tensor:
        """How many atoms each row stands for, (rows,)."""

    @property
    def counts(self) -> Tensor:
        """Atoms of each crystal, (crystals,)."""

    def __len__(self) -> int:
        """Return the number of crystals."""

    def to(self, device: Any) -> InputGraph:
        """Return the same crystals on another device."""


@dataclass(frozen=True, eq=False)
class MemberInputs:
    """The same crystals as each network of an ensemble takes them.

    Parameters
    ----------
    graphs
        One for each network; networks of equal settings share theirs.
    """

    graphs: tuple[InputGraph, ...]

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


NetworkInput = InputGraph | MemberInputs
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
        made = dict(zip(kinds, input_graphs(crystals, kinds, threads=threads), strict=True))
        return MemberInputs(tuple(made[own] for own in settings))
    return input_graphs(crystals, [settings], threads=threads)[0]


def input_graphs(
    crystals: Any, kinds: Sequence[InputSettings], *, threads: int = 1
) -> list[InputGraph]:
    """Make the graphs of the same crystals by different settings of one kind."""
    graphs: list[InputGraph] = imported(kinds[0].builder)(crystals, kinds, threads=threads)
    return graphs
