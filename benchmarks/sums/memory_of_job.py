"""Prints, as JSON, the memory that a stored job takes batch by batch.

    python -m benchmarks.sums.memory_of_job JOB.npz

The peak is read before the first batch, after a tenth of the batches and after the last.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from benchmarks.sums.jarvis_job import public
from benchmarks.support.job_data import load_job

__all__ = ["main", "peak"]


def peak() -> float:
    """Return the largest resident size of this process so far, in MB.

    Linux hands ``ru_maxrss`` down from the process that started this one, so its own record is
    preferred.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1e3
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Read the job, run it and print the peaks."""
    batches = load_job(Path(sys.argv[1]))
    # What is loaded at the first call is no part of what the job takes.
    public(batches[:1], 1e-3)
    prepared = peak()
    tenth = max(1, len(batches) // 10)
    public(batches[:tenth], 1e-10)
    early = peak()
    public(batches[tenth:], 1e-10)
    record = {
        "batches": len(batches),
        "before_megabytes": prepared,
        "after_a_tenth_megabytes": early,
        "at_the_end_megabytes": peak(),
        "grown_by_megabytes": peak() - prepared,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
