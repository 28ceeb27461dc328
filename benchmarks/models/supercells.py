"""How much a model's prediction changes when the same crystal is given as a larger cell.

    python -m benchmarks.models.supercells formation-energy example:jarvis \\
        --out benchmarks/results/potnet_supercells

A crystal and its supercells are one and the same, so that any change is an error of the network.
Writes ``run.json`` and ``table.csv`` (one row for each crystal and supercell).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_csv, write_json

SUPERCELLS = ((1, 1, 2), (2, 1, 1), (2, 2, 1), (2, 2, 2))
FIELDS = ["id", "target", "atoms", "supercell", "reduced", "value", "change"]
MOST_ATOMS = 12


def measure(
    model: Any, store: Any, crystals: int, seed: int, primitive: bool
) -> list[dict[str, Any]]:
    """Predict crystals and supercells of them, for every target of the model.

    Without reduction to primitive cells the network itself is seen.
    """
    model.card.graph = model.card.graph.model_copy(update={"primitive": primitive})
    small = np.flatnonzero(store.sizes <= MOST_ATOMS)
    chosen = np.random.default_rng(seed).permutation(small)[:crystals]
    records = [store[int(index)] for index in chosen]
    rows = []
    for card in model.card.targets:
        if card.name not in store.target_names:
            continue
        cells = model.predict([record.crystal for record in records], target=card.name)
        for counts in SUPERCELLS:
            repeated = [record.crystal.repeat(counts) for record in records]
            predictions = model.predict(repeated, target=card.name)
            for record, one, other in zip(records, cells, predictions, strict=True):
                rows.append(
                    {
                        "id": record.id, "target": card.name, "atoms": len(record.crystal),
                        "supercell": "x".join(map(str, counts)), "reduced": primitive,
                        "value": one.value,
                        "change": other.value - one.value,
                    }
                )  # fmt: skip
    return rows


def summary(rows: list[dict[str, Any]], store: Any) -> dict[str, Any]:
    """Mean and largest change of each target and supercell, beside the spread of the target."""
    found: dict[str, Any] = {}
    for target in dict.fromkeys(row["target"] for row in rows):
        spread = float(np.nanstd(store.values(target)))
        for supercell in dict.fromkeys(row["supercell"] for row in rows):
            changes = np.abs(
                [
                    row["change"]
                    for row in rows
                    if (row["target"], row["supercell"]) == (target, supercell)
                ]
            )
            found.setdefault(target, {"spread": spread})[supercell] = {
                "mean_change": float(changes.mean()),
                "largest_change": float(changes.max()),
                "mean_change_over_spread": float(changes.mean() / spread),
            }
    return found


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Changes of predictions with the cell.")
    parser.add_argument("model")
    parser.add_argument("dataset")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/potnet_supercells")
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    model, store = md.load(options.model), md.open_dataset(options.dataset)
    parts = {
        name: measure(model, store, options.crystals, options.seed, primitive)
        for name, primitive in (("the network itself", False), ("reduced first", True))
    }
    results = {name: summary(rows, store) for name, rows in parts.items()}
    rows = [row for part in parts.values() for row in part]
    record = {
        **header(options.seed),
        "versions": versions(("madelung", "torch", "numpy")),
        "hours": round((time.perf_counter() - begun) / 3600, 4),
        "weights_sha256": model.card.weights_sha256,
        "results": results,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    write_csv(options.out / "table.csv", rows, FIELDS)
    for name, targets in results.items():
        for target, cells in targets.items():
            print(f"{name}, {target}: spread {cells.pop('spread'):.4g}")
            for supercell, change in cells.items():
                print(
                    f"  {supercell}: mean change {change['mean_change']:.4g}, "
                    f"largest {change['largest_change']:.4g}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
