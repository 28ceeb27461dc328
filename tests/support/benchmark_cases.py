"""A small Matbench task on real crystals, and what benchmarks of it leave."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from madelung.data.store import CrystalStore
from madelung.leaderboards.tasks import benchmark_task
from madelung.training.settings import TrainingSettings, read_settings

COUNT = 40
FOLDS = 5
SHORT = {
    "epochs": 2,
    "batch_size": 16,
    "threads": 1,
    "validation_share": 0.3,
    "network": {
        "architecture": "potnet",
        "features": 8,
        "layers": 1,
        "gaussians": 16,
        "multiquadrics": 8,
    },
}
TASK = replace(benchmark_task("matbench_jdft2d"), crystals=COUNT)


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


def write_task(store: CrystalStore, path: Path) -> Path:
    """Write real crystals under the names, and in the folds, of the task."""
    chosen = [record for record in store if len(record.crystal) <= 4][:COUNT]
    with path.open("w", encoding="utf-8") as stream:
        for number, record in enumerate(chosen):
            crystal = record.crystal
            content = {
                "id": f"mb-jdft2d-{number + 1:03d}",
                "lattice": crystal.cell.tolist(),
                "species": list(crystal.symbols),
                "frac_coords": (crystal.positions @ np.linalg.inv(crystal.cell)).tolist(),
                "targets": {"exfoliation_en": 50 * record.targets["formation_energy_peratom"]},
                "split": {"test_fold": number % FOLDS},
            }
            stream.write(json.dumps(content) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def times(folder: Path) -> dict[str, int]:
    """When the models below a folder were written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("weights.safetensors")
    }
