"""What it brings to start from a model that has learnt other things: validation errors of runs.

    python -m benchmarks.models.pretraining phonons "from nothing=RUN" "from base=RUN" ...

Each RUN is a folder of ``madelung train`` or of ``madelung benchmark``; those of one call differ in
what they start from. Of a benchmark, the first member of each fold is taken. Results are added to
``benchmarks/results/pretraining/run.json`` under the name of the comparison; test crystals have no
part in them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, header, replace_block, write_json

# What runs of a comparison may differ in, beside what they start from.
SETTINGS = (
    "training_limit",
    "epochs",
    "batch_size",
    "learning_rate",
    "average_decay",
    "element_reference",
)
OUT = ROOT / "benchmarks/results/pretraining/run.json"


def validation(folder: Path) -> dict[str, Any]:
    """Return the mean validation error of each target, and how each run was made."""
    runs = sorted(folder.glob("fold-*/member-0")) or [folder]
    found = [json.loads((run / "results.json").read_text(encoding="utf-8")) for run in runs]
    targets = found[0]["errors"]["val"]
    return {
        "validation_mae": {
            name: round(float(np.mean([run["errors"]["val"][name]["mae"] for run in found])), 5)
            for name in targets
        },
        "runs": [
            {
                "command": run["training"]["command"],
                "commit": run["training"]["commit"],
                "seed": run["training"]["settings"]["seed"],
                "settings": {name: run["training"]["settings"][name] for name in SETTINGS},
                "crystals": run["training"]["crystals"]["train"],
                "validation_mae": {
                    name: errors["mae"] for name, errors in run["errors"]["val"].items()
                },
                "minutes": round(run["seconds"] / 60, 2),
            }
            for run in found
        ],
        "units": found[0]["units"],
    }


def markdown(record: dict[str, Any]) -> str:
    """All comparisons as one table."""
    lines = ["| | start | runs | validation MAE |", "| --- | --- | --- | --- |"]
    for name, comparison in record["comparisons"].items():
        for start, found in comparison.items():
            errors = ", ".join(
                f"{target} {mae:.4g} {found['units'][target]}".rstrip()
                for target, mae in found["validation_mae"].items()
            )
            lines.append(f"| {name} | {start} | {len(found['runs'])} | {errors} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Add a comparison to the record."""
    parser = argparse.ArgumentParser(description="What pretraining brings.")
    parser.add_argument("name", help="name of the comparison")
    parser.add_argument("runs", nargs="+", metavar="START=RUN")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    record: dict[str, Any] = {"comparisons": {}}
    if OUT.is_file():
        record = json.loads(OUT.read_text(encoding="utf-8"))
    comparison = {}
    for text in options.runs:
        start, _, folder = text.partition("=")
        comparison[start] = validation(Path(folder))
    record = {**header(0), "comparisons": {**record["comparisons"], options.name: comparison}}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    write_json(OUT, record)
    print(markdown({"comparisons": {options.name: comparison}}))
    if options.page:
        replace_block(options.page, "pretraining", markdown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
