"""Whether matbench's own reader takes the submission files of ``madelung benchmark``.

    python -m benchmarks.data.matbench_reader

Needs matbench (0.6, whose pinned dependencies are old: ``pip install --no-deps matbench`` and
``pip install matminer``). It loads the ``results.json.gz`` of each task in ``benchmarks/results``,
compares folds and identifiers with its own lists, and computes mean scores, which stand beside
those of ``run.json``. Results: ``benchmarks/results/matbench_reader/run.json``.
"""

from __future__ import annotations

import gzip
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.support.records import ROOT, header, versions, write_json

RESULTS = ROOT / "benchmarks/results"
TASKS = ("matbench_jdft2d", "matbench_phonons")


def read_submission(task: str) -> dict[str, Any]:
    """Return what matbench says of a submission.

    Raises
    ------
    ValueError
        If it finds the file wrong: it compares folds and identifiers when it loads.
    """
    from matbench.bench import MatbenchBenchmark

    with tempfile.NamedTemporaryFile("wb", suffix=".json") as plain:
        # Version 0.6 reads and writes text, whatever the name of the file.
        plain.write(gzip.decompress((RESULTS / task / "results.json.gz").read_bytes()))
        plain.flush()
        benchmark = MatbenchBenchmark.from_file(plain.name)
    scores = benchmark.scores[task]
    record = json.loads((RESULTS / task / "run.json").read_text(encoding="utf-8"))
    return {
        "valid": bool(benchmark.is_valid),
        "every_fold_recorded": bool(benchmark.is_recorded),
        "mean_mae": float(scores["mae"]["mean"]),
        "mean_mae_of_run": record["mae"]["mean"],
    }


def main() -> None:
    logging.disable(logging.WARNING)
    result = {"tasks": {task: read_submission(task) for task in TASKS}}
    for task, found in result["tasks"].items():
        print(task, found)
    path = RESULTS / "matbench_reader/run.json"
    write_json(path, {**header(0), "versions": versions(["matbench", "matminer"]), **result})
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    taken = (found["valid"] and found["every_fold_recorded"] for found in result["tasks"].values())
    if not all(taken):
        sys.exit("matbench finds a submission wrong")


if __name__ == "__main__":
    main()
