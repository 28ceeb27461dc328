"""How much a SumNet's prediction changes when the same crystal is given in another cell.

    python -m benchmarks.models.cell_choice MODEL DATASET --out benchmarks/results/sumnet_cells

The cells are doubled, tripled along one axis, sheared, and doubled and sheared. A crystal in any of
them is the same crystal, so that a change is an error; it is given as a part of the spread of the
target that is left after its element reference. With ``--as-given`` nothing looks for symmetry or a
smaller cell first, so that the network itself is seen. Writes ``run.json`` and ``table.csv``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import make_supercell

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_csv, write_json

CELLS: dict[str, list[list[int]]] = {
    "2 x 2 x 2": [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
    "1 x 1 x 3": [[1, 0, 0], [0, 1, 0], [0, 0, 3]],
    "sheared": [[1, 1, 0], [0, 1, -1], [0, 1, 0]],
    "doubled, sheared": [[1, 1, 0], [-1, 1, 0], [0, 2, 1]],
}
FIELDS = ["id", "target", "atoms", "cell", "as_given", "change"]
MOST_ATOMS = 12


def measure(model: Any, store: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Predict crystals in every cell, for every target of the model."""
    small = np.flatnonzero(store.sizes <= MOST_ATOMS)
    chosen = np.random.default_rng(options.seed).permutation(small)[: options.crystals]
    records = [store[int(index)] for index in chosen]
    cells = {
        name: [_in_cell(record.crystal, rows) for record in records] for name, rows in CELLS.items()
    }
    rows = []
    for column, card in enumerate(model.card.targets):
        spread = float(model.scale.spread[column])
        values = model.predict([record.crystal for record in records], target=card.name)
        for name, crystals in cells.items():
            predictions = model.predict(crystals, target=card.name)
            for record, one, other in zip(records, values, predictions, strict=True):
                rows.append(
                    {
                        "id": record.id, "target": card.name, "atoms": len(record.crystal),
                        "cell": name, "as_given": options.as_given,
                        "change": (other.value - one.value) / spread,
                    }
                )  # fmt: skip
    return rows


def _in_cell(crystal: md.Crystal, rows: list[list[int]]) -> md.Crystal:
    return md.Crystal.from_ase(make_supercell(crystal.to_ase(), rows))


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Changes of predictions with the cell.")
    parser.add_argument("model")
    parser.add_argument("dataset")
    parser.add_argument("--crystals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--as-given", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/sumnet_cells")
    options = parser.parse_args()
    begun = time.perf_counter()
    model, store = md.load(options.model), md.open_dataset(options.dataset)
    if options.as_given:
        card, changes = model.card, {"symmetry_tolerance": 0.0}
        card.graph = card.graph.model_copy(update=changes)
        card.member_graphs = tuple(each.model_copy(update=changes) for each in card.member_graphs)
    rows = measure(model, store, options)
    largest = {
        name: max(abs(row["change"]) for row in rows if row["cell"] == name) for name in CELLS
    }
    median = float(np.median([abs(row["change"]) for row in rows]))
    record = {
        **header(options.seed),
        "versions": versions(("madelung", "torch", "numpy", "spglib")),
        "hours": round((time.perf_counter() - begun) / 3600, 4),
        "model": model.card.name,
        "crystals": options.crystals,
        "as_given": options.as_given,
        "largest_change_in_spreads": largest,
        "median_change_in_spreads": median,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    write_csv(options.out / "table.csv", rows, FIELDS)
    print(f"largest change, in spreads of the target: {largest}; median {median:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
