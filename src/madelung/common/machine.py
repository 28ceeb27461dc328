"""What the machine has to offer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "available_cores",
    "bounded_threads",
    "most_threads",
    "one_thread_in_forks",
    "torch_threads",
]

# More than these wait for each other, and so many a system may refuse to start.
_MOST_OF_A_CORE = 4


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_threads() -> int:
    """Return how many threads or processes may be asked for: more only get in each other's way."""
    return _MOST_OF_A_CORE * available_cores()


# Whether this process is a fork of one that had loaded PyTorch.
_is_fork = False


def one_thread_in_forks() -> None:
    """Let PyTorch work with one thread in forks of this process, where it would hang with more.

    A fork has the state of OpenMP's threads, but not the threads, and waits for them forever.
    PyTorch's own data loaders do the same. To be called once.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_take_one_thread)


def _take_one_thread() -> None:
    global _is_fork
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_threads is not None:
        _is_fork = True
        set_threads(1)


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Let PyTorch use this many threads for a while.

    Parameters
    ----------
    threads
        No more than :func:`most_threads` are used, and one alone in a fork of a process that had
        loaded PyTorch. None leaves the number as it is.
    """
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(1 if _is_fork else bounded_threads(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bounded_threads(threads: int | None) -> int:
    """Return how many threads to start: all cores for None or 0, else no more than are of use."""
    return max(1, min(threads, most_threads())) if threads else available_cores()
