"""The benchmarks run, and their job has the sizes that it claims; no test asserts a time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("madelung.common._core", reason="the native core is not built")

job_data: Any = importlib.import_module("benchmarks.support.job_data")
lattice_sums: Any = importlib.import_module("benchmarks.sums.lattice_sums")
records: Any = importlib.import_module("benchmarks.support.records")


def test_sizes_have_the_moments_of_jarvis() -> None:
    sizes, crystals = job_data.tilted_sizes(job_data.CRYSTALS)
    assert crystals.min() >= 0
    assert crystals.sum() == job_data.CRYSTALS
    assert (sizes * crystals).sum() / job_data.CRYSTALS == pytest.approx(9.8, rel=1e-3)
    assert (sizes**2 * crystals).sum() == pytest.approx(9.29e6, rel=1e-3)


def test_job_without_data_is_reproducible(tmp_path: Path) -> None:
    batches, origin = job_data.make_job(tmp_path, 600, seed=5)
    again, _ = job_data.make_job(tmp_path, 600, seed=5)
    other, _ = job_data.make_job(tmp_path, 600, seed=6)
    assert origin == "synthetic crystals"
    assert [len(batch) for batch in batches] == [256, 256, 88]
    np.testing.assert_array_equal(batches[2].positions, again[2].positions)
    assert len(batches[0].numbers) != len(other[0].numbers)
    atoms = sum(len(batch.numbers) for batch in batches)
    assert atoms / 600 == pytest.approx(job_data.MEAN_ATOMS, rel=0.05)


def test_stored_job_is_the_same(tmp_path: Path) -> None:
    batches, _ = job_data.make_job(tmp_path, 300, seed=0)
    job_data.save_job(tmp_path / "job.npz", batches)
    for batch, loaded in zip(batches, job_data.load_job(tmp_path / "job.npz"), strict=True):
        for name in ("cells", "positions", "numbers", "offsets", "pbc"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(loaded, name))


@pytest.mark.slow
def test_quick_run_without_peers_and_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("epsteinlib", "torchpme", "pymatgen.core.ewald"):
        monkeypatch.setitem(sys.modules, module, None)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- speed -->\nold\n<!-- speed -->\nafter\n")
    arguments = ["--quick", "--out", str(tmp_path / "out"), "--data", str(tmp_path)]
    lattice_sums.run(lattice_sums.parse([*arguments, "--page", str(page)]))

    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    results = record["results"]
    assert {"command", "commit", "seed", "date", "hours", "machine", "versions"} <= set(record)
    assert {row["status"] for row in results["peers"]["peers"]} == {"not installed"}
    assert results["peers"]["origin"] == "examples of the package"
    assert results["job"]["certificates"]["violated"] == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- speed -->\nCPU time")
    assert text.endswith("<!-- speed -->\nafter\n")
    assert "old" not in text
    assert "| epsteinlib | full precision | Coulomb | not installed |" in text
    assert (tmp_path / "out" / "table.csv").read_text().startswith("part,case,quantity,value\n")


def test_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing to replace\n")
    with pytest.raises(ValueError, match="0 lines"):
        records.replace_block(page, "speed", "text")
