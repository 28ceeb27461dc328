"""Make the data set that comes with the package from the O/N subset of JARVIS-DFT.

Run as ``python tests/support/data_make_sample.py jarvis_dft3d_subset.jsonl.gz``. The crystals are
drawn with a fixed seed from those of at most 30 atoms, so many from each part of the official split
of the formation energy, and half of them from those whose bulk modulus is known (of all it is a
third). Lines keep the order of the file and the official part of each of their targets, so that
nobody who learns from the training part has seen an official test value.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

SEED = 1918
MOST_ATOMS = 30
TARGETS = ("formation_energy_peratom", "optb88vdw_bandgap", "bulk_modulus_kv")
# Crystals with and without a bulk modulus.
COUNTS = {"train": (240, 240), "val": (30, 30), "test": (30, 30)}
OUTPUT = (
    Path(__file__).parents[2]
    / "src" / "madelung" / "data" / "embedded" / "jarvis_sample.jsonl.gz"
)  # fmt: skip


def main(source: Path) -> None:
    """Draw the crystals and write them."""
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    generator = np.random.default_rng(SEED)
    chosen: list[int] = []
    for part, counts in COUNTS.items():
        for known, count in zip((True, False), counts, strict=True):
            candidates = [
                index
                for index, record in enumerate(records)
                if len(record["species"]) <= MOST_ATOMS
                and record["split"][TARGETS[0]] == part
                and (TARGETS[2] in record["targets"]) == known
            ]
            chosen.extend(generator.choice(candidates, count, replace=False).tolist())
    content = "".join(json.dumps(shortened(records[index])) + "\n" for index in sorted(chosen))
    with OUTPUT.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        stream.write(content.encode("utf-8"))


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the three targets and their splits alone."""
    return {
        **{key: record[key] for key in ("id", "lattice", "species", "frac_coords")},
        "targets": {name: record["targets"][name] for name in TARGETS if name in record["targets"]},
        "split": {name: record["split"][name] for name in TARGETS if name in record["split"]},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
