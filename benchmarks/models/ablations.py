"""What each part of SumNet brings: one change at a time, validation errors over several seeds.

    python -m benchmarks.models.ablations DATASET --out benchmarks/results/ablations

Each network is trained on the same part of a data set for the same number of epochs, and the epoch
is chosen by validation; test crystals have no part in the table. Runs that are complete are not run
again, so that the command goes on where it was stopped. Writes ``run.json``, ``table.csv`` and
``table.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.training.batches import InputMemory
from madelung.training.settings import read_settings

# Changes of the settings; a group that is named is merged with the defaults.
VARIANTS: dict[str, dict[str, Any]] = {
    "SumNet": {},
    "without complete sums": {"graph": {"potentials": ()}},
    "with Yukawa and Gaussian sums": {
        "graph": {
            "potentials": (
                "coulomb", "london", "pauli:3", "yukawa:0.5", "gaussian:0.3", "gaussian:0.1",
                "gaussian:0.03",
            )
        }
    },
    "without distances over radii": {"graph": {"reduced": 0}},
    "distances alone (degree 0)": {"graph": {"degree": 0}},
    "vectors (degree 1)": {"graph": {"degree": 1}},
    "degree 3": {"graph": {"degree": 3}},
    "cutoff 5 Å": {"graph": {"cutoff": 5.0}},
    "32 distances, 16 over radii": {"graph": {"radial": 32, "reduced": 16}},
    "16 distances of each direction": {"graph": {"angular": 16}},
    "4 distances of each direction": {"graph": {"angular": 4}},
    "5 Å, 4 distances of each direction": {"graph": {"cutoff": 5.0, "angular": 4}},
    "2 layers": {"network": {"layers": 2}},
    "16 senders": {"network": {"senders": 16}},
    "dropout 0.1": {"network": {"dropout": 0.1}},
    "mean squares as loss": {"loss": "mse"},
    "without element reference": {"element_reference": False},
    "displacements guessed": {"denoising": 0.1},
    "hidden elements guessed": {"masking": 0.1},
    "displacements and hidden elements guessed": {"denoising": 0.1, "masking": 0.1},
    "PotNet": {"network": {"architecture": "potnet"}, "batch_size": 32},
}  # fmt: skip
COMMAND = "-m benchmarks.models.ablations DATASET"
FIELDS = ["variant", "seed", "target", "mae", "crystals", "best_epoch", "seconds"]


def settings_of(options: argparse.Namespace, variant: str, seed: int) -> md.TrainingSettings:
    """Return the settings of one run."""
    change = VARIANTS[variant]
    common = {
        "target": options.target.split(","),
        "epochs": options.epochs,
        "training_limit": options.crystals,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "weight_decay": 0.05,
        "precision": options.precision,
        "threads": options.threads,
        "seed": seed,
        "split_seed": 0,
    }
    network = {"features": options.features, **change.get("network", {})}
    return read_settings(changes={**common, **change, "network": network})


def run_one(
    store: Any, options: argparse.Namespace, variant: str, seed: int, memory: InputMemory
) -> dict[str, Any]:
    """Train one network, or read what an earlier call trained."""
    folder = options.work / f"{variant.replace(' ', '-').replace('/', '-')}-{seed}"
    if not (folder / "results.json").exists():
        settings = settings_of(options, variant, seed)
        begun = (folder / CHECKPOINT_FILE).exists()
        md.Trainer(settings, folder, resume=begun, quiet=False, memory=memory).fit(store)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def markdown(rows: list[dict[str, Any]], units: dict[str, str], options: argparse.Namespace) -> str:
    """Mean and standard deviation over the seeds."""
    text = (
        f"{options.features} features, {options.crystals} training crystals, {options.epochs} "
        f"epochs; validation errors, mean ± standard deviation over {len(options.seeds)} seeds.\n\n"
    )
    text += "| | " + " | ".join(f"{name}, {unit}" for name, unit in units.items()) + " |\n"
    text += "| --- |" + " --- |" * len(units) + "\n"
    for variant in options.variants:
        own = [row for row in rows if row["variant"] == variant]
        cells = []
        for target in units:
            errors = [row["mae"] for row in own if row["target"] == target]
            cells.append(f"{np.mean(errors):.4f} ± {np.std(errors, ddof=len(errors) > 1):.4f}")
        text += f"| {variant} | " + " | ".join(cells) + " |\n"
    return text


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What each part of SumNet brings.")
    parser.add_argument("dataset")
    parser.add_argument("--target", default="formation_energy_peratom,optb88vdw_bandgap")
    parser.add_argument("--crystals", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("ablations"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/ablations")
    parser.add_argument("--page", type=Path, help="page whose table of ablations is replaced")
    return parser.parse_args()


def main() -> int:
    """Train every variant with every seed and write the table."""
    options = parse()
    store = md.open_dataset(options.dataset)
    rows: list[dict[str, Any]] = []
    units: dict[str, str] = {}
    memory = InputMemory(4.0)
    for variant in options.variants:
        for seed in options.seeds:
            results = run_one(store, options, variant, seed, memory)
            units |= results["units"]
            rows += [
                {
                    "variant": variant, "seed": seed, "target": target, "mae": found["mae"],
                    "crystals": found["count"], "best_epoch": results["best_epoch"],
                    "seconds": results["seconds"],
                }
                for target, found in results["errors"]["val"].items()
            ]  # fmt: skip
            print(variant, seed, [f"{row['mae']:.4f}" for row in rows[-len(units) :]], flush=True)
    table = markdown(rows, units, options)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "table.csv", rows, FIELDS)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    record = {**header(options.seeds[0]), "versions": versions(("madelung", "torch", "numpy"))}
    record |= {name: getattr(options, name) for name in ("dataset", "crystals", "epochs", "seeds")}
    record |= {"features": options.features, "precision": options.precision, "runs": rows}
    write_json(options.out / "run.json", record)
    if options.page is not None:
        replace_block(options.page, "ablations", f"{table}\nCommand: `python {COMMAND}`.")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
