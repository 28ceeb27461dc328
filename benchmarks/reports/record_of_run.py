"""Put the test predictions of a training run, or of an ensemble, where the results stand.

    python -m benchmarks.reports.record_of_run RUN --prefix jarvis_

For each target: ``benchmarks/results/PREFIXTARGET/predictions.csv``, or under the name that a
benchmark task has for it, with columns id, fold, target (the true value), prediction; and
``run.json`` with command, commit, seed, hours, machine, and the errors recomputed from these
predictions, beside published ones on the same crystals.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, machine, versions, write_csv, write_json
from madelung.leaderboards.tasks import benchmark_tasks
from madelung.training.report import published_errors

FIELDS = ["id", "fold", "target", "prediction", "uncertainty"]


def record_target(
    rows: list[dict[str, str]], target: str, results: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Write the predictions and the record of one target."""
    training = results["training"]
    tested = [
        {**row, "target": row["truth"]}
        for row in rows
        if row["target"] == target and row["fold"] == "test"
    ]
    differences = [float(row["prediction"]) - float(row["target"]) for row in tested]
    errors = {**results["errors"]["test"][target], "mae": float(np.abs(differences).mean())}
    record = {
        "command": training["command"],
        "commit": training["commit"],
        "seed": training["settings"]["seed"],
        "date": training["date"],
        "hours": round(results["seconds"] / 3600, 3),
        "machine": machine(),
        "versions": versions(("madelung", "torch", "numpy")),
        "unit": results["units"][target],
        "dataset": training["dataset"],
        "values": training["values"][target],
        **_origin(results, training),
        "validation": results["errors"]["val"][target],
        "test": errors,
        "published": published_errors(target, [row["id"] for row in tested]),
        "settings": training["settings"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "predictions.csv", tested, FIELDS)
    write_json(folder / "run.json", record)
    return record


def _origin(results: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """The best epoch of a run; of an ensemble, its members with their commands and errors."""
    if "members" not in training:
        return {"best_epoch": results["best_epoch"], "initial": training.get("initial")}
    return {"members": training["members"], "initial": training.get("initial")}


def main() -> int:
    """Record every target of a run."""
    parser = argparse.ArgumentParser(description="Record the test predictions of a run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    options = parser.parse_args()
    results = json.loads((options.run / "results.json").read_text(encoding="utf-8"))
    with (options.run / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = {task.target: task.name for task in benchmark_tasks().values()}
    for target in results["errors"]["test"]:
        name = names.get(target, "")
        known = bool(options.prefix) and name.startswith(options.prefix)
        folder = options.out / (name if known else f"{options.prefix}{target}")
        record = record_target(rows, target, results, folder)
        low, high = record["test"]["mae_interval"]
        print(
            f"{target}: {record['test']['count']} crystals, MAE {record['test']['mae']:.4g} "
            f"({low:.4g} to {high:.4g}) {record['unit']}"
        )
        for name, value in sorted(record["published"].items(), key=lambda item: item[1]):
            print(f"  {name}: {value:.4g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
