"""The benchmark of processes runs, and several give what one does; no test asserts a time."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES

worker_processes: Any = importlib.import_module("benchmarks.models.worker_processes")
JARVIS = importlib.import_module("benchmarks.support.crystal_data").JARVIS


@pytest.mark.slow
def test_a_quick_run(tmp_path: Path) -> None:
    with gzip.open(tmp_path / JARVIS, "wt") as stream:
        for name in EXAMPLE_NAMES:
            crystal = md.example(name)
            record = {
                "id": name,
                "lattice": crystal.cell.tolist(),
                "species": list(crystal.symbols),
                "frac_coords": crystal.scaled_positions.tolist(),
            }
            stream.write(json.dumps(record) + "\n")
    arguments = [str(tmp_path), "--crystals", "3", "--turns", "1", "--out", str(tmp_path / "out")]
    worker_processes.run(worker_processes.parse(arguments))
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert {"command", "commit", "seed", "date", "machine", "versions"} <= set(record)
    (turn,) = record["turns"]
    assert record["ratio"] == turn["ratio"] == turn["seconds_1"] / turn["seconds_2"]
    assert record["crystals"] == 3 and record["largest_difference"] <= 1e-5
