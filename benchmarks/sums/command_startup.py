"""Wall time from a crystal file to a table, start-up of Python included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from madelung.crystals.examples import example_path

__all__ = ["measure_startup"]


def measure_startup(runs: int) -> dict[str, Any]:
    """Run the command on the file of rutile several times, after one run that is not counted."""
    path = str(example_path("TiO2"))
    # What one thread means for the other parts would not be how a user starts the command.
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")
    }
    seconds = []
    before = os.times()
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "madelung.cli", "sums", path],
            capture_output=True,
            check=True,
            env=environment,
        )
        seconds.append(time.perf_counter() - begun)
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    return {
        "runs": runs,
        "first_seconds": seconds[0],
        "median_seconds": float(np.median(seconds[1:])),
        "slowest_seconds": max(seconds[1:]),
        "mean_cpu_seconds": cpu / (runs + 1),
    }
