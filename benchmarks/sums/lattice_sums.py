"""Measure the speed of complete lattice sums, and what else was promised of them.

    python -m benchmarks.sums.lattice_sums --out benchmarks/results/lattice_sums [--quick]

Four parts: the same crystals in other codes; a job of the size of JARVIS-DFT; larger and larger
cells; the start-up of the command. Times are CPU seconds of one thread, each the median of turns
in which the contestants alternate; ratios are medians of the ratios turn by turn.

Writes ``run.json`` (command, commit, seed, machine, versions, date, hours, all results),
``table.csv`` (one number a line) and ``table.md``; ``--page docs/speed.md`` puts that table between
the marks ``<!-- speed -->`` of that page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sums.command_startup import measure_startup
from benchmarks.sums.comparison_of_codes import compare_executors, compare_peers, small_crystals
from benchmarks.sums.jarvis_job import measure_certificates, measure_memory, measure_times
from benchmarks.sums.time_by_cell_size import measure_scaling
from benchmarks.support.crystal_data import DATA
from benchmarks.support.job_data import CRYSTALS, make_job
from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json
from benchmarks.support.tables import FIELDS, long_rows, markdown

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
PARTS = ("peers", "job", "scaling", "startup")
DISTRIBUTIONS = (
    "madelung", "numpy", "scipy", "torch", "epsteinlib", "torch-pme", "pymatgen-core",
    "python-flint",
)  # fmt: skip
Step = Callable[[str], None]


def run_peers(options: argparse.Namespace, step: Step) -> dict[str, Any]:
    """Compare with other codes and with our PyTorch executor."""
    step("small crystals")
    crystals, origin = small_crystals(options.data, 3 if options.quick else 20, options.seed)
    peers, checks = compare_peers(crystals, options.turns, step)
    return {
        "crystals": len(crystals),
        "atoms": [len(crystal) for crystal in crystals],
        "origin": origin,
        "errors_of_true_sums": checks,
        "peers": peers,
        "executors": compare_executors(crystals, options.turns, step),
    }


def run_job(options: argparse.Namespace, step: Step) -> dict[str, Any]:
    """Run the job of JARVIS's size."""
    count = 300 if options.quick else CRYSTALS
    step("crystals of the job")
    batches, origin = make_job(options.data, count, options.seed)
    atoms = sum(len(batch.numbers) for batch in batches)
    pairs = sum(int((np.diff(batch.offsets) ** 2).sum()) for batch in batches)
    times = measure_times(batches, options.turns, step)
    step("certificates of the job")
    certificates = measure_certificates(batches)
    step("memory of the job")
    return {
        "crystals": count,
        "mean_atoms": atoms / count,
        "pairs": pairs,
        "origin": origin,
        "times": times,
        "certificates": certificates,
        "memory": measure_memory(batches),
    }


def run_scaling(options: argparse.Namespace, step: Step) -> dict[str, Any]:
    """Time larger and larger cells."""
    largest = 100 if options.quick else 2000
    return {"cells": measure_scaling(largest, options.turns, options.seed, step)}


def run_startup(options: argparse.Namespace, step: Step) -> dict[str, Any]:
    """Time the command."""
    step("start-up of the command")
    return measure_startup(2 if options.quick else 7)


@contextmanager
def progress_bar(parts: list[str]) -> Iterator[Callable[[str], Step]]:
    """Show one line for each part; what is yielded returns the reporter of a part."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as progress:

        def start(part: str) -> Step:
            task = progress.add_task(part, total=None)

            def step(text: str) -> None:
                progress.update(task, description=f"{part}: {text}")

            return step

        yield start


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen parts and write everything; return the record."""
    import torch

    torch.set_num_threads(1)
    runners = {"peers": run_peers, "job": run_job, "scaling": run_scaling, "startup": run_startup}
    begun = time.perf_counter()
    results = {}
    with progress_bar(options.parts) as start:
        for part in options.parts:
            results[part] = runners[part](options, start(part))
    record = {
        **header(options.seed),
        "versions": versions(DISTRIBUTIONS),
        "hours": round((time.perf_counter() - begun) / 3600, 4),
        "quick": options.quick,
        "turns": options.turns,
        "results": results,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    write_csv(options.out / "table.csv", long_rows(results), FIELDS)
    text = markdown(record)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    if options.page is not None:
        replace_block(options.page, "speed", text)
    return record


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the speed of complete lattice sums.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/lattice_sums")
    parser.add_argument("--quick", action="store_true", help="a small version, to try it out")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--turns", type=int, help="turns of each contestant (default 7; quick 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the crystal data sets")
    parser.add_argument("--page", type=Path, help="page whose speed table is replaced")
    options = parser.parse_args(arguments)
    if options.turns is None:
        options.turns = 1 if options.quick else 7
    return options


def main() -> int:
    """Run on one thread, which libraries learn from the environment when they start."""
    options = parse()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **ONE_THREAD})
    run(options)
    print((options.out / "table.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
