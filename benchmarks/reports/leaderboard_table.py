"""What was reached on the tasks of public leaderboards, from the records of this folder.

    python -m benchmarks.reports.leaderboard_table --page docs/benchmarks.md

Each row is read from ``benchmarks/results/TASK/run.json``: errors on test crystals that were
predicted once for each model, and the best published ones beside it, on the same crystals.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.support.records import ROOT, replace_block

# Errors that were set as goals before the networks were built.
GOALS: dict[str, float] = {
    "matbench_jdft2d": 29.9,
    "matbench_phonons": 20.6,
    "jarvis_exfoliation_energy": 40.0,
    "jarvis_formation_energy": 0.0303,
    "jarvis_optb88vdw_total_energy": 0.0323,
    "jarvis_optb88vdw_bandgap": 0.2325,
    "jarvis_ehull": 0.0649,
    "jarvis_mbj_bandgap": 0.4457,
    "jarvis_bulk_modulus_kv": 9.359,
    "jarvis_shear_modulus_gv": 8.414,
}
SHOWN = 3


def row(task: str, goal: float, record: dict[str, Any]) -> str:
    """One line of the table."""
    if "mae" in record:
        # Matbench averages over the folds.
        mae, spread = record["mae"]["mean"], record["mae"]["std"]
        errors, interval = record["errors"], f"± {spread:.4g}" if spread else ""
    else:
        errors = record["test"]
        mae, interval = errors["mae"], ""
    if not interval:
        low, high = errors["mae_interval"]
        interval = f"{low:.4g} to {high:.4g}"
    published = {
        name: found["mae"] if isinstance(found, dict) else found
        for name, found in record["published"].items()
    }
    best = sorted(published.items(), key=lambda item: item[1])[:SHOWN]
    members = record.get("members", 1)
    cells = [
        f"`{task}`, {record['unit']}",
        f"{errors['count']:,}",
        str(members if isinstance(members, int) else len(members)),
        f"**{mae:.4g}**",
        interval,
        f"{goal:.4g}",
        "reached" if mae <= goal else f"{100 * (mae / goal - 1):.0f} % above",
        f"{100 * errors['coverage_90']:.0f} %",
        ", ".join(f"{name} {value:.4g}" for name, value in best),
    ]
    return f"| {' | '.join(cells)} |"


def markdown() -> str:
    """The table of all tasks that have a record."""
    head = [
        "task", "test crystals", "members", "MAE", "95 % interval, or spread of folds", "goal", "",
        "within its 90 %", "best published",
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for task, goal in GOALS.items():
        path = ROOT / "benchmarks/results" / task / "run.json"
        if path.is_file():
            lines.append(row(task, goal, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(lines)


def main() -> int:
    """Print the table, or put it into a page."""
    parser = argparse.ArgumentParser(description="Table of what was reached.")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    text = f"{markdown()}\n\nCommand: `python -m benchmarks.reports.leaderboard_table`."
    if options.page is not None:
        replace_block(options.page, "reached", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
