"""Batches of graphs with their targets, made on a thread of their own while a network works."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.data.store import CrystalStore
from madelung.inputs.build import InputGraph, MemberInputs, NetworkInput, input_graphs
from madelung.inputs.pair_functions import PairFunctions, near_sections, pair_functions
from madelung.inputs.pair_graph import ORBITS_OF_BATCH, join_pairs
from madelung.inputs.settings import InputSettings, PairSettings
from madelung.training.denoising import Displaced, Displacer

__all__ = ["Batch", "BatchMaker", "InputMemory"]

_AHEAD = 3
_GIGABYTE = 1e9


class InputMemory:
    """Keeps the pair functions of crystals that will be needed again, as long as there is room.

    They depend on crystals and settings alone. Several runs may share a memory; it forgets when it
    is given to another data set or other settings.

    Parameters
    ----------
    gigabytes
        Most memory to take.
    """

    def __init__(self, gigabytes: float) -> None:
        self._room = self._left = gigabytes * _GIGABYTE
        self._kept: dict[int, PairFunctions] = {}
        self._owner: tuple[str, InputSettings] | None = None

    def belong_to(self, store: CrystalStore, settings: InputSettings) -> None:
        """Keep crystals of this data set, made with these settings, and no others."""
        owner = (store.fingerprint, settings)
        if self._owner != owner:
            self._owner, self._left = owner, self._room
            self._kept.clear()

    def get(self, index: int) -> PairFunctions | None:
        """Return what is kept of a crystal of the data set."""
        return self._kept.get(index)

    def keep(self, index: int, functions: PairFunctions) -> None:
        """Keep what was made of a crystal, if there is room."""
        if functions.nbytes <= self._left:
            self._left -= functions.nbytes
            self._kept[index] = functions


@dataclass(frozen=True, eq=False)
class Batch:
    """Crystals with their targets.

    Parameters
    ----------
    indices
        (B,) positions in the data set.
    graph
        Their graphs.
    values
        (B, T) targets in their units, NaN where missing, float64.
    displaced
        Some of the crystals with displaced atoms, if that was asked for.
    """

    indices: NDArray[np.int64]
    graph: NetworkInput
    values: Tensor
    displaced: Displaced | None = None

    def to(self, device: Any) -> Batch:
        """Return the same on another device."""
        displaced = None if self.displaced is None else self.displaced.to(device)
        return Batch(self.indices, self.graph.to(device), self.values.to(device), displaced)


class BatchMaker:
    """Makes batches ahead of their use.

    Parameters
    ----------
    store
        Data set.
    values
        (n, T) targets of the whole data set, NaN where a value must not be seen.
    settings
        How crystals become graphs; of an ensemble those of each member, where they differ.
    memory
        Keeps what networks that take pair functions start from; none if not given, or if members
        differ.
    displacer
        Displaces some crystals of each batch; none if not given.
    """

    def __init__(
        self,
        store: CrystalStore,
        values: NDArray[np.float64],
        settings: InputSettings | tuple[InputSettings, ...],
        memory: InputMemory | None = None,
        displacer: Displacer | None = None,
    ) -> None:
        self._store = store
        self._values = values
        self._settings = settings
        self._memory = InputMemory(0.0)
        if memory is not None and not isinstance(settings, tuple):
            self._memory = memory
            memory.belong_to(store, settings)
        self._displacer = displacer
        self.seconds = 0.0
        """Processor time of the thread that made graphs."""
        self.waited = 0.0
        """Time that was spent waiting for graphs."""

    def make(self, indices: NDArray[np.int64]) -> Batch:
        """Make one batch now."""
        graph: NetworkInput
        if isinstance(self._settings, tuple):
            made = {own: self._graph(indices, own) for own in self._settings}
            graph = MemberInputs(tuple(made[own] for own in self._settings))
        else:
            graph = self._graph(indices, self._settings)
        displaced = None if self._displacer is None else self._displacer(indices)
        return Batch(indices, graph, torch.from_numpy(self._values[indices]), displaced)

    def _graph(self, indices: NDArray[np.int64], settings: InputSettings) -> InputGraph:
        if isinstance(settings, PairSettings):
            return join_pairs(
                self._pair_functions(indices, settings),
                near_sections(settings),
                multiple=ORBITS_OF_BATCH,
            )
        return input_graphs(self._store.batch(indices), [settings])[0]

    def _pair_functions(
        self, indices: NDArray[np.int64], settings: PairSettings
    ) -> list[PairFunctions]:
        kept = [self._memory.get(int(index)) for index in indices]
        missing = [place for place, functions in enumerate(kept) if functions is None]
        for place, crystal in zip(missing, self._store.batch(indices[missing]), strict=True):
            made = pair_functions(crystal, settings)
            self._memory.keep(int(indices[place]), made)
            kept[place] = made
        return [functions for functions in kept if functions is not None]

    def ahead(self, groups: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Make batches in order, a few of them ahead; errors of the thread are raised here."""
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
        stopped = threading.Event()
        worker = threading.Thread(
            target=self._work, args=(groups, ready, stopped), daemon=True, name="graphs"
        )
        worker.start()
        try:
            while True:
                begun = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - begun
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            _drain(ready)
            worker.join()

    def _work(
        self,
        groups: Sequence[NDArray[np.int64]],
        ready: queue.Queue[Batch | BaseException | None],
        stopped: threading.Event,
    ) -> None:
        try:
            for indices in groups:
                if stopped.is_set():
                    return
                begun = time.thread_time()
                batch = self.make(indices)
                self.seconds += time.thread_time() - begun
                ready.put(batch)
            ready.put(None)
        except BaseException as problem:
            ready.put(problem)


def _drain(ready: queue.Queue[Batch | BaseException | None]) -> None:
    """Make room, so that a thread that waits to hand over a batch can end."""
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
