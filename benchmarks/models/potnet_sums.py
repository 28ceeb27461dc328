"""What do complete sums bring to PotNet: on, off, and with the Pauli sums that were published.

    python -m benchmarks.models.potnet_sums DATASET --out benchmarks/results/potnet_sums

Trains a small PotNet on part of a data set for each variant and seed, chooses the epoch by
validation, and reports validation and test errors. Runs that are complete are not run again, so
that the command goes on where it was stopped. Writes ``run.json``, ``table.csv`` and ``table.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_csv, write_json
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.training.settings import read_settings

VARIANTS: dict[str, dict[str, Any]] = {
    "complete sums": {},
    "near neighbours only": {"potentials": ()},
    "published Pauli sums": {"pauli": "published"},
}
FIELDS = ["variant", "seed", "part", "target", "mae", "rmse", "crystals", "best_epoch", "seconds"]


def run_one(store: Any, options: argparse.Namespace, variant: str, seed: int) -> dict[str, Any]:
    """Train one network, or read what an earlier call trained."""
    folder = options.work / f"{variant.replace(' ', '-')}-{seed}"
    if not (folder / "results.json").exists():
        settings = read_settings(
            changes={
                "target": options.target.split(","),
                "epochs": options.epochs,
                "training_limit": options.crystals,
                "batch_size": 32,
                "learning_rate": 2e-3,
                "precision": options.precision,
                "seed": seed,
                "network": {"architecture": "potnet", "features": options.features},
                "graph": VARIANTS[variant],
            }
        )
        begun = (folder / CHECKPOINT_FILE).exists()
        md.Trainer(settings, folder, resume=begun, quiet=False).fit(store)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def rows_of(variant: str, seed: int, results: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each part and target of a run."""
    return [
        {
            "variant": variant, "seed": seed, "part": part, "target": target, "mae": found["mae"],
            "rmse": found["rmse"], "crystals": found["count"],
            "best_epoch": results["best_epoch"], "seconds": results["seconds"],
        }
        for part, targets in results["errors"].items()
        for target, found in targets.items()
    ]  # fmt: skip


def markdown(rows: list[dict[str, Any]], units: dict[str, str], options: argparse.Namespace) -> str:
    """Mean and standard deviation over the seeds."""
    text = (
        f"PotNet with {options.features} features, {options.crystals} training crystals, "
        f"{options.epochs} epochs; mean ± standard deviation over {len(options.seeds)} seeds of "
        "the mean absolute error.\n\n"
    )
    text += "| target | part | " + " | ".join(VARIANTS) + " |\n"
    text += "| --- | --- |" + " --- |" * len(VARIANTS) + "\n"
    for target, unit in units.items():
        for part in ("val", "test"):
            cells = []
            for variant in VARIANTS:
                chosen = [
                    row["mae"]
                    for row in rows
                    if (row["variant"], row["part"], row["target"]) == (variant, part, target)
                ]
                spread = np.std(chosen, ddof=1) if len(chosen) > 1 else 0.0
                cells.append(f"{np.mean(chosen):.4g} ± {spread:.2g}")
            text += f"| {target} ({unit}) | {part} | " + " | ".join(cells) + " |\n"
    return text


def main() -> int:
    """Run all variants."""
    parser = argparse.ArgumentParser(description="What complete sums bring to PotNet.")
    parser.add_argument("dataset")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/potnet_sums")
    parser.add_argument("--work", type=Path, default=Path("potnet-sums"), help="folder of the runs")
    parser.add_argument("--target", default="formation_energy_peratom,optb88vdw_bandgap")
    parser.add_argument("--crystals", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    # The sources as they are now, since these are what runs.
    begun, sources = time.perf_counter(), header(options.seeds[0])
    store = md.open_dataset(options.dataset, folder=options.work / "dataset")
    rows: list[dict[str, Any]] = []
    units: dict[str, str] = {}
    for seed in options.seeds:
        for variant in VARIANTS:
            results = run_one(store, options, variant, seed)
            units = results["units"]
            rows += rows_of(variant, seed, results)
    record = {
        **sources,
        "versions": versions(("madelung", "torch", "numpy")),
        "hours": round((time.perf_counter() - begun) / 3600, 4),
        "seeds": options.seeds,
        "dataset": store.info.name,
        "fingerprint": store.fingerprint,
        "results": rows,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    write_csv(options.out / "table.csv", rows, FIELDS)
    text = markdown(rows, units, options)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
