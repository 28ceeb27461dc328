"""How much of the graphs of a data set is left when equal atoms and edges are merged.

    python -m benchmarks.models.merged_atoms DATASET --out benchmarks/results/merging

Counts atoms, edges, and distinct distances and sums, with and without merging, over crystals drawn
at random. Writes ``run.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import madelung as md
from benchmarks.support.records import ROOT, header, write_json

COUNTED = ("numbers", "centre", "distance", "first", "sums")
LABELS = ("atoms", "near edges", "distinct distances", "complete edges", "distinct sums")


def count(store: Any, chosen: Any, settings: md.GraphSettings) -> Any:
    """Sizes of the arrays of all graphs, and the seconds that building them took."""
    totals, begun = np.zeros(len(COUNTED)), time.process_time()
    for start in range(0, len(chosen), 64):
        graph = md.build_graph(store.batch(chosen[start : start + 64]), settings)
        totals += [len(getattr(graph, name)) for name in COUNTED]
    return totals, time.process_time() - begun


def main() -> int:
    """Count and write."""
    parser = argparse.ArgumentParser(description="What merging leaves of graphs.")
    parser.add_argument("dataset")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/merging")
    parser.add_argument("--crystals", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    store = md.open_dataset(options.dataset)
    order = np.random.default_rng(options.seed).permutation(len(store))[: options.crystals]
    whole, seconds_whole = count(store, order, md.GraphSettings(merge_tolerance=0.0))
    merged, seconds_merged = count(store, order, md.GraphSettings())
    shares = dict(zip(LABELS, (merged / whole).round(4).tolist(), strict=True))
    milliseconds = 1e3 / len(order)
    record = {
        **header(options.seed),
        "dataset": store.info.name,
        "crystals": len(order),
        "left": shares,
        "milliseconds_a_crystal": {
            "whole": round(seconds_whole * milliseconds, 4),
            "merged": round(seconds_merged * milliseconds, 4),
        },
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    for name, share in shares.items():
        print(f"{name}: {100 * share:.1f} % are left")
    print(f"milliseconds a crystal: {record['milliseconds_a_crystal']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
