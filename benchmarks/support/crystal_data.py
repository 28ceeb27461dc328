"""Real crystals for the benchmarks: from the shared data sets, or those of the package."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.records import ROOT

__all__ = [
    "DATA",
    "JARVIS",
    "MATERIALS_PROJECT",
    "crystal_of_record",
    "has_data",
    "read_crystals",
    "size_histogram",
]

DATA = ROOT.parent / "shared" / "data" / "crystals"
JARVIS = "jarvis_dft3d_subset.jsonl.gz"
MATERIALS_PROJECT = "megnet_mp2018_trainval.jsonl.gz"
SIZES = Path(__file__).with_name("crystal_sizes.csv")


def has_data(folder: Path) -> bool:
    """Whether both data sets are there."""
    return (folder / JARVIS).is_file() and (folder / MATERIALS_PROJECT).is_file()


def read_crystals(path: Path, largest: int) -> Iterator[md.Crystal]:
    """Read the crystals of a data set that have at most so many atoms."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if len(record["species"]) > largest:
                continue
            yield crystal_of_record(record)


def crystal_of_record(record: Mapping[str, Any]) -> md.Crystal:
    """Return the crystal of a row of a data set."""
    from madelung.crystals.elements import ATOMIC_NUMBERS

    cell = np.array(record["lattice"], dtype=np.float64)
    return md.Crystal(
        cell=cell,
        positions=np.array(record["frac_coords"], dtype=np.float64) @ cell,
        numbers=np.array([ATOMIC_NUMBERS[symbol] for symbol in record["species"]]),
        source=record["id"],
    )


def size_histogram() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of atoms, and how many crystals of both data sets have them."""
    with SIZES.open(newline="", encoding="utf-8") as stream:
        rows = [(int(row["atoms"]), int(row["crystals"])) for row in csv.DictReader(stream)]
    atoms, crystals = np.array(rows, dtype=np.int64).T
    return atoms, crystals
