"""The benchmarks of phonons run on a small shard; no test asserts a time."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from phonon_cases import METALS, metal, write_shard

from benchmarks.phonons import ablations, accuracy


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "metals.npz.xz"
    write_shard(path, [metal(symbol) for symbol in METALS])
    return path


@pytest.mark.slow
def test_accuracy_is_recorded(shard: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- accuracy -->\nold\n<!-- accuracy -->\n")
    words = [str(shard), "--out", str(tmp_path / "out"), "--page", str(page)]
    record = accuracy.run(accuracy.parse(words))
    written = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert written["errors"].keys() == record["errors"].keys() >= accuracy.OTHERS.keys()
    with (tmp_path / "out" / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(METALS)
    assert {"F300_reference", "F300_90", "minimum_commensurate"} <= rows[0].keys()
    text = page.read_text()
    assert "old" not in text and "| free energy at 300 K, meV/atom |" in text


@pytest.mark.slow
def test_variants_are_trained(shard: Path, tmp_path: Path) -> None:
    words = [str(shard), "--out", str(tmp_path), "--only", "batches of 8", "--epochs", "3"]
    record = ablations.run(ablations.parse(words))
    assert list(record["variants"]) == ["batches of 8"]
    assert record["variants"]["batches of 8"]["frequency"] > 0.0
