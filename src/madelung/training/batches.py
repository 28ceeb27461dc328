"""Batches of graphs with their targets, made on a thread of their own while a network works."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.data.store import CrystalStore
from madelung.graph import CrystalGraph, build_graph
from madelung.graph_settings import GraphSettings

__all__ = ["Batch", "BatchMaker"]

_AHEAD = 3


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
    """

    indices: NDArray[np.int64]
    graph: CrystalGraph
    values: Tensor


class BatchMaker:
    """Makes batches ahead of their use.

    Parameters
    ----------
    store
        Data set.
    values
        (n, T) targets of the whole data set, NaN where a value must not be seen.
    settings
        How crystals become graphs.
    """

    def __init__(
        self, store: CrystalStore, values: NDArray[np.float64], settings: GraphSettings
    ) -> None:
        self._store = store
        self._values = values
        self._settings = settings
        self.seconds = 0.0
        """Processor time of the thread that made graphs."""
        self.waited = 0.0
        """Time that was spent waiting for graphs."""

    def make(self, indices: NDArray[np.int64]) -> Batch:
        """Make one batch now."""
        graph = build_graph(self._store.batch(indices), self._settings)
        return Batch(indices, graph, torch.from_numpy(self._values[indices]))

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
