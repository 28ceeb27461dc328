"""How SumNet's validation error falls with the number of training crystals.

    python -m benchmarks.models.learning_curve DATASET --out benchmarks/results/learning_curve

Every size is a part of the next, drawn with the same seed. Small sets are gone through more often,
so that none has much fewer steps than another. The validation crystals are the same throughout, and
test crystals have no part. Error and number are fitted by a power law, whose extrapolation says how
many crystals a goal would need. Runs that are complete are not run again. Writes ``run.json``,
``table.csv`` and ``curve.png``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_csv, write_json
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.training.batches import InputMemory
from madelung.training.settings import read_settings

# Training crystals, and passes over them; the last number is more than there are.
SIZES: dict[int, int] = {1000: 60, 2000: 50, 4000: 40, 8000: 25, 100_000: 20}
FIELDS = ["crystals", "epochs", "target", "mae", "best_epoch", "seconds"]


def run_one(
    store: Any, options: argparse.Namespace, crystals: int, memory: InputMemory
) -> dict[str, Any]:
    """Train on so many crystals, or read what an earlier call trained."""
    folder = options.work / f"crystals-{crystals}"
    if not (folder / "results.json").exists():
        settings = read_settings(
            changes={
                "target": options.target.split(","),
                "epochs": SIZES[crystals],
                "training_limit": crystals,
                "batch_size": 64,
                "learning_rate": 2e-3,
                "weight_decay": 0.05,
                "precision": options.precision,
                "threads": options.threads,
                "seed": options.seed,
                "network": {"features": options.features},
            }
        )
        begun = (folder / CHECKPOINT_FILE).exists()
        md.Trainer(settings, folder, resume=begun, quiet=options.quiet, memory=memory).fit(store)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def power_law(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Fit error = factor * crystals^-exponent to each target."""
    fits = {}
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        sizes, errors = (np.log([row[name] for row in own]) for name in ("crystals", "mae"))
        slope, offset = np.polyfit(sizes, errors, 1)
        fits[target] = {"factor": float(np.exp(offset)), "exponent": float(-slope)}
    return fits


def draw(rows: list[dict[str, Any]], units: dict[str, str], path: Path) -> None:
    """Plot error against crystals, both on logarithmic axes."""
    import matplotlib.pyplot as plt

    targets = list(dict.fromkeys(row["target"] for row in rows))
    figure, axes = plt.subplots(1, len(targets), figsize=(4 * len(targets), 3.4), squeeze=False)
    for axis, target in zip(axes[0], targets, strict=True):
        own = [row for row in rows if row["target"] == target]
        axis.loglog([row["crystals"] for row in own], [row["mae"] for row in own], "o-")
        axis.set_xlabel("training crystals")
        axis.set_ylabel(f"validation MAE, {units[target]}")
        axis.set_title(target, fontsize=9)
        axis.grid(True, which="both", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Error against number of training crystals.")
    parser.add_argument("dataset")
    parser.add_argument(
        "--target", default="formation_energy_peratom,optb88vdw_total_energy,optb88vdw_bandgap"
    )
    parser.add_argument("--sizes", type=int, nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--features", type=int, default=192)
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("learning-curve"), help="folder of runs")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/learning_curve")
    return parser.parse_args()


def main() -> int:
    """Train on every number of crystals, and write table and plot."""
    options = parse()
    store = md.open_dataset(options.dataset)
    memory = InputMemory(4.0)
    rows: list[dict[str, Any]] = []
    units: dict[str, str] = {}
    for crystals in options.sizes:
        results = run_one(store, options, crystals, memory)
        units |= results["units"]
        known = results["training"]["crystals"]["train"]
        rows += [
            {
                "crystals": known, "epochs": SIZES[crystals], "target": target, "mae": found["mae"],
                "best_epoch": results["best_epoch"], "seconds": results["seconds"],
            }
            for target, found in results["errors"]["val"].items()
        ]  # fmt: skip
        print(rows[-len(units) :], flush=True)
    fits = power_law(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "table.csv", rows, FIELDS)
    draw(rows, units, options.out / "curve.png")
    record = {**header(options.seed), "versions": versions(("madelung", "torch", "numpy"))}
    record |= {"dataset": options.dataset, "features": options.features, "power_law": fits}
    write_json(options.out / "run.json", {**record, "runs": rows})
    print(json.dumps(fits, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
