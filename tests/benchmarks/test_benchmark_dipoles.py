"""The benchmark of dipoles runs, and its contestants agree; no test asserts a time."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("phonopy", reason="phonopy is not installed")

dipoles: Any = importlib.import_module("benchmarks.phonons.dipoles")


@pytest.mark.slow
def test_a_quick_run_agrees(tmp_path: Path) -> None:
    dipoles.run(dipoles.parse(["--turns", "1", "--cases", "1", "--out", str(tmp_path / "out")]))
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert {"command", "commit", "seed", "machine", "versions"} <= set(record)
    (row,) = record["results"]
    assert row["phonopy_converged_difference_terahertz"] < 1e-6
    assert row["phonopy_ratio"] > 0.0
