"""Predictions by several processes, each with a model of its own, in the order of the crystals."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from madelung.common.errors import ModelError

__all__ = ["in_order"]

Given = TypeVar("Given")
Made = TypeVar("Made")

# Pieces of work that wait for each process, so that none is idle and few are in memory.
_WAITING = 2

_work: Callable[[Any], Any] | None = None


def in_order(
    work: Callable[[Given], Made], pieces: Iterable[Given], *, workers: int, threads: int
) -> Iterator[Made]:
    """Do pieces of work in processes of their own, and give the results in order.

    Parameters
    ----------
    work
        What is done with a piece; it goes to each process once, and so must what it holds.
    pieces
        Read as far ahead as the processes need.
    workers
        Number of processes.
    threads
        Threads of PyTorch in each.

    Raises
    ------
    ModelError
        If a process ends before its work is done.
    """
    # A copy of a process that has threads, as PyTorch's, may hang: new ones are started.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(work, threads)
    )
    waiting: deque[Future[Made]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(_do, piece))
            if len(waiting) > _WAITING * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise ModelError(
            f"one of {workers} processes ended before its work was done, perhaps for want of "
            "memory; use fewer (--workers)"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(work: Callable[[Any], Any], threads: int) -> None:
    import torch

    # Whoever stops the command stops the first process, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    global _work
    _work = work


def _do(piece: Any) -> Any:
    assert _work is not None
    return _work(piece)
