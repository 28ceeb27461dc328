"""Do the energies above the hull of a data set differ as its formation energies do?

    python -m benchmarks.data.hull_consistency DATA

Two crystals of one composition have the same hull below them: their energies above it differ as
much as their formation energies. For each composition with three crystals or more the slope of one
against the other is fitted; it should be one. Of every composition, the most stable crystal of the
data set is taken as well. DATA is the folder of the published files. Writes ``run.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, header, versions, write_json

SOURCES = {
    "JARVIS-DFT 2021": ("jarvis_dft3d_subset.jsonl.gz", "formation_energy_peratom", "ehull"),
    "Materials Project (megnet)": ("megnet_mp2018_trainval.jsonl.gz", "e_form", "e_above_hull"),
}
SMALLEST_RANGE = 0.05  # eV/atom of formation energies that a slope is fitted to
CLOSE = 0.02

Composition = tuple[tuple[str, int], ...]


def read_energies(path: Path, formation: str, hull: str) -> dict[Composition, list[Any]]:
    """Formation energies and energies above the hull by reduced composition."""
    found: dict[Composition, list[Any]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            energies = (record["targets"].get(formation), record["targets"].get(hull))
            if None not in energies:
                counts = Counter(record["species"])
                divisor = math.gcd(*counts.values())
                atoms = sorted((symbol, count // divisor) for symbol, count in counts.items())
                found[tuple(atoms)].append(energies)
    return found


def summarise(energies: dict[Composition, list[Any]]) -> dict[str, Any]:
    """Slopes within compositions, and how far from the hull their most stable crystals are."""
    slopes, sizes, lowest = [], [], []
    for composition, pairs in energies.items():
        formation, hull = np.array(pairs).T
        if len(pairs) < 3:
            continue
        lowest.append(hull.min())
        if np.ptp(formation) > SMALLEST_RANGE:
            slopes.append(np.polyfit(formation, hull, 1)[0])
            sizes.append(sum(count for _, count in composition))
    slope, size, least = np.array(slopes), np.array(sizes), np.array(lowest)
    return {
        "compositions": len(slope),
        "median_slope": float(np.median(slope)),
        "slope_is_one": float((np.abs(slope - 1.0) < CLOSE).mean()),
        "slope_is_one_over_atoms": float((np.abs(slope * size - 1.0) < CLOSE).mean()),
        "most_stable": len(least),
        "most_stable_above_0.1": float((least > 0.1).mean()),
        "most_stable_above_0.5": float((least > 0.5).mean()),
    }


def main() -> int:
    """Compare, print and record."""
    parser = argparse.ArgumentParser(description="Energies above hulls by formation energies.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/hull_consistency")
    options = parser.parse_args()
    found = {}
    for name, (file, formation, hull) in SOURCES.items():
        found[name] = summarise(read_energies(options.data / file, formation, hull))
        print(name, found[name])
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**header(0), "versions": versions(("numpy",)), "sources": found}
    write_json(options.out / "run.json", record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
