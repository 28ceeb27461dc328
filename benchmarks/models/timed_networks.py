"""What is timed of a network on crystals: making graphs, learning from them, predicting.

Both this project's networks and those of other codes, which run in a process of their own, are
timed by this file, so that all of them are measured alike. It needs PyTorch alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

__all__ = ["TASKS", "Code", "Entrant", "LocalTeam", "Member", "Team", "clock_of", "cut"]

TASKS = ("train", "predict")
"""What a network is timed at; graphs are timed once for all networks of a code."""
RATE, DECAY = 1e-3, 1e-5


class Code(Protocol):
    """A code that makes graphs and runs networks on them."""

    def graph(self, crystals: Sequence[Any]) -> Any:
        """Make the graph of a batch of crystals."""

    def values(self, network: nn.Module, graph: Any) -> Tensor:
        """Return the (B,) values that a network gives to B crystals."""

    def sizes(self, graph: Any) -> dict[str, int]:
        """Return the numbers of edges and the like of a graph."""


@dataclass(frozen=True)
class Member:
    """A network that takes part.

    Parameters
    ----------
    parameters
        Number of its weights.
    precision
        ``"float32"``, or ``"bfloat16"`` for mixed precision by PyTorch's autocast.
    tasks
        What it is timed at.
    """

    parameters: int
    precision: str = "float32"
    tasks: tuple[str, ...] = TASKS


class Team(Protocol):
    """Networks of one code, in this process or another one.

    Attributes
    ----------
    name
        Name of the code.
    members
        Its networks by name.
    sizes
        Edges and the like of all crystals.
    """

    name: str
    members: dict[str, Member]
    sizes: dict[str, int]

    def graph_seconds(self) -> float:
        """Make the graphs of all crystals; return how long it took."""

    def seconds(self, member: str, task: str) -> float:
        """Let a network learn from all crystals once, or predict them; return how long it took."""


@dataclass(eq=False)
class Entrant:
    """A network of this process that takes part; see :class:`Member`."""

    network: nn.Module
    precision: str = "float32"
    tasks: tuple[str, ...] = TASKS
    optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=RATE, weight_decay=DECAY, fused=True
        )

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weight.numel() for weight in self.network.parameters())


class LocalTeam:
    """Networks of a code that runs in this process.

    Parameters
    ----------
    name
        Name of the code.
    code
        The code.
    batches
        Crystals, batch by batch, in the form that the code takes them.
    entrants
        Its networks by name.
    seed
        Of the targets: these are random, which changes nothing about the time.
    clock
        Tells seconds.
    """

    def __init__(
        self,
        name: str,
        code: Code,
        batches: Sequence[Sequence[Any]],
        entrants: Mapping[str, Entrant],
        seed: int,
        clock: Callable[[], float],
    ) -> None:
        self.name, self._code, self._batches, self._clock = name, code, batches, clock
        self._graphs = [code.graph(batch) for batch in batches]
        generator = torch.Generator().manual_seed(seed)
        self._targets = [torch.randn(len(batch), generator=generator) for batch in batches]
        self._entrants = entrants
        self.members = {
            own_name: Member(entrant.parameters, entrant.precision, entrant.tasks)
            for own_name, entrant in entrants.items()
        }
        self.sizes: dict[str, int] = {}
        for graph in self._graphs:
            for quantity, count in code.sizes(graph).items():
                self.sizes[quantity] = self.sizes.get(quantity, 0) + count
        self._try()

    def graph_seconds(self) -> float:
        """Make the graphs of all crystals; return how long it took."""
        begun = self._clock()
        for batch in self._batches:
            self._code.graph(batch)
        return self._clock() - begun

    def seconds(self, member: str, task: str) -> float:
        """Let a network learn from all crystals once, or predict them; return how long it took.

        A first batch is not counted: it gets the memory that others' turns have given back.
        """
        self._run(member, task, 1)
        begun = self._clock()
        self._run(member, task, len(self._batches))
        return self._clock() - begun

    def _try(self) -> None:
        """Run everything on one batch, so that what cannot work fails before the contest."""
        for name, member in self.members.items():
            for task in member.tasks:
                self._run(name, task, 1)

    def _run(self, name: str, task: str, batches: int) -> None:
        entrant = self._entrants[name]
        entrant.network.train(task == "train")
        pairs = zip(self._graphs[:batches], self._targets[:batches], strict=True)
        for graph, target in pairs:
            if task == "train":
                self._step(entrant, graph, target)
            else:
                with torch.no_grad():
                    self._values(entrant, graph)

    def _step(self, entrant: Entrant, graph: Any, target: Tensor) -> None:
        entrant.optimiser.zero_grad(set_to_none=True)
        loss = (self._values(entrant, graph) - target).abs().mean()
        loss.backward()
        entrant.optimiser.step()
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")

    def _values(self, entrant: Entrant, graph: Any) -> Tensor:
        low = entrant.precision == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            values = self._code.values(entrant.network, graph)
        return values.float()


def clock_of(threads: int) -> Callable[[], float]:
    """Return the clock for work on so many threads.

    One thread's CPU time does not grow while other programs run; that of several threads is no
    duration, so that they are timed by the clock on the wall.
    """
    return time.process_time if threads == 1 else time.perf_counter


def cut(items: Sequence[Any], length: int) -> list[Sequence[Any]]:
    """Cut a sequence into batches."""
    return [items[start : start + length] for start in range(0, len(items), length)]
