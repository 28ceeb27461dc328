"""The record of taught networks grows by those of a further run and loses none."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

teaching: Any = importlib.import_module("benchmarks.teaching.taught_force_fields")


def _network(work: Path, seed: int, method: str, energy_rmse: float) -> None:
    folder = work / "Cu" / str(seed) / f"{method}-0.2"
    folder.mkdir(parents=True)
    row = {"method": method, "fraction": 0.2, "labelled": 7, "seconds": 1.0}
    errors = {"energy_rmse": energy_rmse, "force_rmse": 0.1}
    (folder / "result.json").write_text(json.dumps(row | errors), encoding="utf-8")
    line = f"a-{seed},-4.0,{-4.0 + 1e-3 * energy_rmse},0.1\n"
    text = "id,energy,predicted_energy,force_rmse\n" + line
    (folder / "predictions.csv").write_text(text, encoding="utf-8")


def _gather(work: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    arguments = ["data", "--work", str(work), "--elements", "Cu", "--gather", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["teaching.py", *arguments])
    assert teaching.main() == 0
    record: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return record


def _predicted(out: Path) -> list[tuple[str, str, str]]:
    with (out / "predictions_Cu.csv").open(encoding="utf-8") as stream:
        return sorted((row["seed"], row["method"], row["id"]) for row in csv.DictReader(stream))


def test_networks_of_another_run_keep_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _network(tmp_path / "one", 0, "baseline", 10.0)
    _network(tmp_path / "one", 0, "ours", 4.0)
    _network(tmp_path / "two", 0, "ours", 5.0)
    _network(tmp_path / "two", 1, "ours", 7.0)
    first = _gather(tmp_path / "one", tmp_path / "out", monkeypatch)
    assert first["errors"]["Cu"]["0.2"]["ours"]["energy_rmse"] == 4.0
    second = _gather(tmp_path / "two", tmp_path / "out", monkeypatch)
    # Seed 0 of ours was made again and replaced; seed 1 is new; the baseline stays.
    ways = second["errors"]["Cu"]["0.2"]
    assert (ways["ours"]["energy_rmse"], ways["ours"]["seeds"]) == (6.0, [0, 1])
    assert (ways["baseline"]["energy_rmse"], ways["baseline"]["seeds"]) == (10.0, [0])
    assert all("commit" in row for row in second["networks"]["Cu"])
    assert _predicted(tmp_path / "out") == [
        ("0", "baseline", "a-0"), ("0", "ours", "a-0"), ("1", "ours", "a-1"),
    ]  # fmt: skip
