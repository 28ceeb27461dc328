"""What the machine has to offer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["available_cores", "bounded_threads", "most_threads", "torch_threads"]

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


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use this many threads for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bounded_threads(threads: int | None) -> int:
    """Return how many threads to start: all cores for None or 0, else no more than are of use."""
    return max(1, min(threads, most_threads())) if threads else available_cores()
