"""The files that leaderboards publish and take."""

import csv
import gzip
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmark_cases import FOLDS, TASK, rows_of, settings

import madelung as md
from madelung.data.store import CrystalStore
from madelung.leaderboards.benchmark import run_benchmark
from madelung.leaderboards.tasks import benchmark_task


@pytest.mark.slow
def test_matbench_takes_the_file(done: Path) -> None:
    """What ``MatbenchBenchmark.from_dict`` and ``MatbenchTask.validate`` require."""
    with gzip.open(done / "results.json.gz", "rt", encoding="utf-8") as stream:
        content = json.load(stream)
    assert set(content) == {
        "@module", "@class", "version", "benchmark_name", "tasks", "user_metadata", "datestamp",
        "hash",
    }  # fmt: skip
    stated = content.pop("hash")
    assert stated == hashlib.sha256(json.dumps(ordered(content)).encode()).hexdigest()
    (task,) = content["tasks"].values()
    assert set(task) == {"@module", "@class", "benchmark_name", "dataset_name", "results"}
    assert task["benchmark_name"] == content["benchmark_name"] == "matbench_v0.1"
    assert task["dataset_name"] == "matbench_jdft2d" == next(iter(content["tasks"]))
    assert set(task["results"]) == {f"fold_{fold}" for fold in range(FOLDS)}
    rows = rows_of(done / "predictions.csv")
    for name, fold in task["results"].items():
        own = {r["id"]: float(r["prediction"]) for r in rows if f"fold_{r['fold']}" == name}
        assert fold["data"] == pytest.approx(own, rel=1e-6)
        assert set(fold) == {"data", "parameters", "scores"}
        assert set(fold["scores"]) == {"mae", "rmse", "mape", "max_error"}
        assert all(isinstance(score, float) for score in fold["scores"].values())
        truths = {r["id"]: float(r["target"]) for r in rows}
        errors = [abs(truths[key] - value) for key, value in fold["data"].items()]
        assert fold["scores"]["mae"] == pytest.approx(np.mean(errors), rel=1e-5)
        assert fold["scores"]["max_error"] == pytest.approx(max(errors), rel=1e-5)
    information = json.loads((done / "info.json").read_text(encoding="utf-8"))
    assert {"authors", "algorithm", "algorithm_long", "bibtex_refs", "notes"} <= set(information)


def ordered(content: object) -> object:
    """The order in which matbench's own function lays a dictionary out before it hashes it."""
    if isinstance(content, dict):
        return {key: ordered(content[key]) for key in sorted(content)}
    return content


@pytest.mark.slow
def test_the_jarvis_leaderboard_takes_the_file(store: CrystalStore, tmp_path: Path) -> None:
    task = benchmark_task("jarvis_formation_energy")
    task = replace(task, crystals=int((store.split(task.target) == "test").sum()))
    short = settings(epochs=1, training_limit=40, max_atoms=6)
    result = run_benchmark(task, tmp_path, settings=short, data=store.folder)
    name = "AI-SinglePropertyPrediction-formation_energy_peratom-dft_3d-test-mae.csv"
    assert result.record is not None
    assert result.record["submission"] == [f"{name}.zip", "metadata.json"]
    with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
        assert archive.namelist() == [name]
        rows = list(csv.DictReader(archive.read(name).decode().splitlines()))
    # Test crystals are predicted however large they are, while large ones are not learnt from.
    tested = [store.ids[row] for row in np.flatnonzero(store.split(task.target) == "test")]
    assert {row["id"] for row in rows} == set(tested) and list(rows[0]) == ["id", "prediction"]
    own = {row["id"]: row["prediction"] for row in rows_of(tmp_path / "predictions.csv")}
    assert {row["id"]: row["prediction"] for row in rows} == own
    metadata = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    assert {"model_name", "project_url", "author_email", "database_version"} <= set(metadata)


def test_the_published_file_of_a_task_gets_its_official_folds(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymatgen.core import Structure

    from madelung.data import named
    from madelung.data.catalogue import CATALOGUE
    from madelung.data.official_splits import matbench_folds
    from madelung.leaderboards.tasks import open_task

    structures = [record.crystal.to_pymatgen() for record in md.open_dataset(data)][:10]
    assert isinstance(structures[0], Structure)
    table = {
        "index": list(range(10)),
        "columns": ["structure", "exfoliation_en"],
        "data": [[structure.as_dict(), float(row)] for row, structure in enumerate(structures)],
    }
    path = tmp_path / "matbench_jdft2d.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    small = replace(CATALOGUE[TASK.dataset], crystals=10, sha256=None)
    monkeypatch.setitem(named.CATALOGUE, TASK.dataset, small)
    opened = open_task(TASK, path, folder=tmp_path / "store")
    assert opened.ids[0] == "mb-jdft2d-01"
    folds = matbench_folds(10)
    assert [list(opened.split(f"fold-{fold}")).index("test") for fold in range(FOLDS)] == [
        int(np.flatnonzero(folds == fold)[0]) for fold in range(FOLDS)
    ]
    before = (tmp_path / "store" / "store.json").stat().st_mtime_ns
    open_task(TASK, path, folder=tmp_path / "store")
    assert (tmp_path / "store" / "store.json").stat().st_mtime_ns == before
