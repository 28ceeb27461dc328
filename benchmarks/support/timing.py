"""Times contestants in turns, so that a slower minute of the machine meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Timing", "contest", "ratio"]

# A turn shorter than this would measure the clock.
SHORTEST_TURN = 0.05


@dataclass(frozen=True)
class Timing:
    """Seconds of one run, for each turn.

    Parameters
    ----------
    seconds
        (turns,) seconds of one run.
    """

    seconds: NDArray[np.float64]

    @property
    def median(self) -> float:
        """Median of the turns."""
        return float(np.median(self.seconds))


def contest(
    runs: Mapping[str, Callable[[], object]],
    turns: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Timing]:
    """Let contestants run A B A B, after one run each that is not counted.

    Parameters
    ----------
    runs
        What is timed, by name.
    turns
        How often each has its turn. A contestant faster than a turn runs several times in it.
    clock
        CPU seconds of this process, all its threads together, unless another clock is given.
    """
    counts = {}
    for name, run in runs.items():
        begun = clock()
        run()
        spent = max(clock() - begun, 1e-7)
        counts[name] = max(1, round(SHORTEST_TURN / spent))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            begun = clock()
            for _ in range(counts[name]):
                run()
            seconds[name].append((clock() - begun) / counts[name])
    return {name: Timing(np.array(spent)) for name, spent in seconds.items()}


def ratio(numerator: Timing, denominator: Timing) -> float:
    """Median of the ratios of turns that followed each other."""
    return float(np.median(numerator.seconds / denominator.seconds))
