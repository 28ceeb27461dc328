"""How much faster ``madelung predict --workers N`` is than one process, on files of real crystals.

    python -m benchmarks.models.worker_processes [DATA]

Writes crystals of JARVIS-DFT as CIFs and predicts them by the whole command, start included, with
one thread for each process: with one process and with several, in turns, so that other work on the
machine meets both. Both must give the same values in the same order. The record has the load of the
machine before each turn, and the time of processors, which hardly depends on it.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.crystal_data import DATA, JARVIS, read_crystals
from benchmarks.support.records import ROOT, header, versions, write_json

RESULTS = ROOT / "benchmarks" / "results" / "worker_processes"
LARGEST = 40
# Two ways of the same float32 sums.
SAME = 1e-5


def write_files(crystals: Sequence[md.Crystal], folder: Path) -> None:
    """Write each crystal as a CIF."""
    for number, crystal in enumerate(crystals):
        crystal.to_ase().write(folder / f"{number:05}.cif", format="cif")


def timed_command(files: Path, out: Path, model: str, workers: int) -> tuple[float, float]:
    """Predict a folder of files; return seconds by the clock, and of all processors together."""
    words = [sys.executable, "-m", "madelung", "predict", str(files), "--model", model]
    words += ["--csv", "--out", str(out), "--threads", "1", "--workers", str(workers)]
    begun, spent = time.perf_counter(), processor_seconds()
    # A model's warnings are in the table; an exit code other than 0 is an error here.
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - begun, processor_seconds() - spent


def processor_seconds() -> float:
    """Return the time of processors that the processes have taken that this one has started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def values(path: Path) -> tuple[list[str], np.ndarray]:
    """Return the files of a table of predictions, and their values."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [row["file"] for row in rows], np.array([float(row["value"]) for row in rows])


def take_turns(files: Path, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time one process and several in turns; which of them is first alternates."""
    turns = []
    for turn in range(options.turns):
        own: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 2)}
        for workers in (1, options.workers) if turn % 2 == 0 else (options.workers, 1):
            out = folder / f"{workers}.csv"
            seconds = timed_command(files, out, options.model, workers)
            own[f"seconds_{workers}"], own[f"processor_seconds_{workers}"] = seconds
        own["ratio"] = own["seconds_1"] / own[f"seconds_{options.workers}"]
        print(own)
        turns.append(own)
    return turns


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--crystals", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--model", default="mp-formation-energy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the record."""
    found = list(read_crystals(options.data / JARVIS, LARGEST))
    rng = np.random.default_rng(options.seed)
    chosen = rng.choice(len(found), size=min(options.crystals, len(found)), replace=False)
    with tempfile.TemporaryDirectory() as name:
        files = Path(name) / "files"
        files.mkdir()
        write_files([found[int(index)] for index in chosen], files)
        turns = take_turns(files, Path(name), options)
        (names, alone), (others, together) = (
            values(Path(name) / f"{workers}.csv") for workers in (1, options.workers)
        )
    if names != others or np.abs(alone - together).max() > SAME:
        raise SystemExit("one process and several do not give the same")
    ratios = [turn["ratio"] for turn in turns]
    record = {
        **header(options.seed),
        "versions": versions(["madelung", "torch", "numpy"]),
        "model": options.model,
        "crystals": len(chosen),
        "workers": options.workers,
        "cores": len(os.sched_getaffinity(0)),
        "turns": turns,
        "ratio": float(np.median(ratios)),
        "largest_difference": float(np.abs(alone - together).max()),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    print(f"{options.workers} processes are {record['ratio']:.2f} times as fast as one")


if __name__ == "__main__":
    run(parse())
