"""Prints, as JSON, the memory that the job of JARVIS's size takes batch by batch.

    python benchmarks/memory.py FOLDER CRYSTALS SEED

The peak is read after the job is prepared, after a tenth of its batches and at its end.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from jarvis_job import public
from job_data import BATCH, make_job


def peak() -> float:
    """Return the largest resident size so far, in MB (macOS counts bytes, Linux kilobytes)."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Make the job, run it and print the peaks."""
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    batches, _ = make_job(folder, count, seed)
    prepared = peak()
    tenth = max(1, len(batches) // 10)
    public(batches[:tenth], 1e-10)
    early = peak()
    public(batches[tenth:], 1e-10)
    record = {
        "batch": BATCH,
        "prepared_megabytes": prepared,
        "after_a_tenth_megabytes": early,
        "at_the_end_megabytes": peak(),
        "grown_by_megabytes": peak() - prepared,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
