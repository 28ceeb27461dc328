"""``madelung benchmark``: folds, members, going on, and the files that leaderboards take."""

import csv
import gzip
import hashlib
import json
import shutil
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Done, StartedCommand, run_command

import madelung as md
from madelung.data.store import CrystalStore
from madelung.leaderboards.benchmark import run_benchmark
from madelung.leaderboards.tasks import benchmark_task, benchmark_tasks
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.training.ensembles import ensemble_runs
from madelung.training.settings import TrainingSettings, read_settings

pytestmark = pytest.mark.slow  # it trains networks
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


@pytest.fixture(scope="module")
def data(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real crystals under the names, and in the folds, of a small Matbench task."""
    path = tmp_path_factory.mktemp("matbench") / "matbench_jdft2d.jsonl"
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


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished benchmark of two members a fold."""
    out = tmp_path_factory.mktemp("done")
    run_benchmark(TASK, out, settings=settings(), members=2, data=data)
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_crystal_is_predicted_once_in_its_fold(data: Path, done: Path) -> None:
    rows = rows_of(done / "predictions.csv")
    assert list(rows[0]) == [
        "id", "fold", "target", "prediction", "uncertainty", "uncertainty_90",
    ]  # fmt: skip
    known = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    expected = {
        item["id"]: (item["split"]["test_fold"], item["targets"]["exfoliation_en"])
        for item in known
    }
    assert sorted(row["id"] for row in rows) == sorted(expected)
    for row in rows:
        fold, value = expected[row["id"]]
        assert int(row["fold"]) == fold and float(row["target"]) == pytest.approx(value, rel=1e-6)
        assert 0 < float(row["uncertainty"]) <= float(row["uncertainty_90"])


def test_the_record_can_be_recomputed(done: Path) -> None:
    rows = rows_of(done / "predictions.csv")
    record = json.loads((done / "run.json").read_text(encoding="utf-8"))
    errors = np.array([abs(float(row["target"]) - float(row["prediction"])) for row in rows])
    folds = np.array([int(row["fold"]) for row in rows])
    maes = [errors[folds == fold].mean() for fold in range(FOLDS)]
    assert record["mae"]["mean"] == pytest.approx(np.mean(maes), rel=1e-5)
    assert record["mae"]["std"] == pytest.approx(np.std(maes), rel=1e-4)
    assert [fold["mae"] for fold in record["folds"]] == pytest.approx(maes, rel=1e-5)
    for share, column in ((68, "uncertainty"), (90, "uncertainty_90")):
        held = np.mean(
            [error <= float(row[column]) for error, row in zip(errors, rows, strict=True)]
        )
        assert record["errors"][f"coverage_{share}"] == pytest.approx(held)
    assert record["task"] == "matbench_jdft2d" and record["unit"] == "meV/atom"
    assert record["members"] == 2 and record["seed"] == 0 and record["complete"]
    assert record["published"]["coGN"] == {"mae": 37.1652, "std": 13.6825}
    assert {"command", "commit", "hours", "machine", "settings"} <= set(record)


def test_members_share_their_validation_and_no_test_crystal_is_learnt_from(done: Path) -> None:
    for fold in range(FOLDS):
        parts = []
        for member in range(2):
            rows = rows_of(done / f"fold-{fold}" / f"member-{member}" / "predictions.csv")
            parts.append({part: {r["id"] for r in rows if r["fold"] == part} for part in
                          ("val", "test")})  # fmt: skip
        assert parts[0] == parts[1] and parts[0]["val"]
        assert not parts[0]["val"] & parts[0]["test"]
        model = md.load(done / f"fold-{fold}")
        assert model.card.members == 2
        assert [member["seed"] for member in model.card.training["members"]] == [0, 1]


def test_the_model_of_a_fold_gives_its_predictions(data: Path, done: Path) -> None:
    crystals = {record.id: record.crystal for record in md.open_dataset(data)}
    model = md.load(done / "fold-2")
    for row in [row for row in rows_of(done / "predictions.csv") if row["fold"] == "2"]:
        prediction = model.predict(crystals[row["id"]])
        assert prediction.value == pytest.approx(float(row["prediction"]), abs=1e-2)
        assert prediction.uncertainty_90 == pytest.approx(float(row["uncertainty_90"]), rel=1e-3)


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


def times(folder: Path) -> dict[str, int]:
    """When the models below a folder were written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("weights.safetensors")
    }


def test_what_is_finished_is_not_done_again(data: Path, done: Path) -> None:
    before = times(done)
    result = run_benchmark(TASK, done, settings=settings(), members=2, data=data)
    assert times(done) == before and len(before) == FOLDS * 3
    assert result.record is not None and len(result.folds) == FOLDS


def test_a_member_that_left_no_checkpoint_begins_anew(
    data: Path, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "fold-1", out / "fold-1")
    for path in list(out.rglob("*")):
        # Of the second member, killed in its first epoch, there are its settings and a log.
        member = path.parent.name == "member-1"
        if path.is_file() and (path.parent.name == "fold-1" or member):
            path.write_text("") if path.name == "history.csv" else None
            if path.name not in {"settings.json", "history.csv"}:
                path.unlink()
    run_benchmark(TASK, out, settings=settings(), members=2, data=data, folds=[1])
    for name in ("predictions.csv", "member-1/predictions.csv"):
        assert (out / "fold-1" / name).read_bytes() == (done / "fold-1" / name).read_bytes()


def test_members_can_be_added(data: Path, tmp_path: Path) -> None:
    first = run_benchmark(TASK, tmp_path, settings=settings(), data=data, folds=[1])
    assert first.record is None and [len(f.member_errors) for f in first.folds] == [1]
    member = tmp_path / "fold-1" / "member-0"
    before = times(member)
    second = run_benchmark(TASK, tmp_path, settings=settings(), members=2, data=data, folds=[1])
    assert times(member) == before
    assert [len(f.member_errors) for f in second.folds] == [2]
    assert not (tmp_path / "run.json").exists()


def test_other_settings_or_data_are_refused(data: Path, done: Path, tmp_path: Path) -> None:
    with pytest.raises(md.TrainingError, match="epochs was 2 and is 3"):
        run_benchmark(TASK, done, settings=settings(epochs=3), members=2, data=data)
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "fewer.jsonl").write_text("".join(lines[:35]), encoding="utf-8")
    other = md.open_dataset(tmp_path / "fewer.jsonl", folder=tmp_path / "fewer")
    with pytest.raises(md.TrainingError, match="another data set"):
        run_benchmark(TASK, done, settings=settings(), members=2, data=other.folder)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task": "matbench_jdft2"}, "is it matbench_jdft2d"),
        ({"members": 0}, "at least one member"),
        ({"folds": [5]}, "folds 0 to 4, not 5"),
        ({"settings": read_settings(changes={"target": ["colour"]})}, "decides target and split"),
        ({"settings": read_settings(changes={"split": "fold-1"})}, "decides target and split"),
        ({"task": "jarvis_ehull"}, "no target 'ehull'"),
    ],
)
def test_odd_wishes_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    wishes = {"task": TASK, "settings": settings(), "data": data, **changes}
    with pytest.raises(md.TrainingError, match=text):
        run_benchmark(wishes.pop("task"), tmp_path, **wishes)  # type: ignore[arg-type]


def test_data_without_the_official_split_are_refused(store: CrystalStore, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    content = {
        "id": "one", "lattice": np.eye(3).tolist(), "species": ["Na"],
        "frac_coords": [[0, 0, 0]], "targets": {"exfoliation_en": 1.0},
    }  # fmt: skip
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    with pytest.raises(md.TrainingError, match="official split fold-0"):
        run_benchmark(TASK, tmp_path / "out", settings=settings(), data=path)


def test_folds_can_start_from_an_earlier_model(data: Path, done: Path, tmp_path: Path) -> None:
    initial = str(done / "fold-0")
    chosen = read_settings(changes={"epochs": 1, "threads": 1, "initial": initial})
    result = run_benchmark(TASK, tmp_path, settings=chosen, data=data, folds=[3])
    card = md.load(tmp_path / "fold-3").card
    assert card.network.features == 8 and card.training["initial"]["name"] == initial
    before = times(tmp_path)
    again = run_benchmark(TASK, tmp_path, settings=chosen, data=data, folds=[3])
    assert times(tmp_path) == before
    assert again.folds[0].errors.mae == pytest.approx(result.folds[0].errors.mae)


def test_members_take_over_how_those_of_an_ensemble_see_crystals(
    data: Path, tmp_path: Path
) -> None:
    network = {"features": 8, "layers": 1, "senders": 4, "tensors": 4}
    short = {"epochs": 1, "threads": 1, "split": "fold-0", "target": ["exfoliation_en"]}
    store = md.open_dataset(data, folder=tmp_path / "store")
    for seed, cutoff in enumerate((5.0, 6.0)):
        chosen = {**short, "seed": seed, "split_seed": 0, "network": network}
        run = read_settings(changes={**chosen, "graph": {"cutoff": cutoff}})
        md.Trainer(run, tmp_path / f"run-{seed}").fit(store)
    runs = [tmp_path / "run-0", tmp_path / "run-1"]
    ensemble_runs(runs, tmp_path / "both", dataset=tmp_path / "store")
    changes = {"epochs": 1, "threads": 1, "initial": str(tmp_path / "both")}
    wanted = read_settings(
        changes={**changes, "network": {"readout": "area"}, "graph": {"areas": True}}
    )
    run_benchmark(TASK, tmp_path / "out", settings=wanted, members=3, data=data, folds=[1])
    card = md.load(tmp_path / "out" / "fold-1").card
    assert [graph.cutoff for graph in card.member_graphs] == [5.0, 6.0, 5.0]
    assert all(graph.areas for graph in card.member_graphs)
    # Members that are finished are taken as they are, though the fold is not.
    before = [times(tmp_path / "out" / "fold-1" / f"member-{member}") for member in range(3)]
    (tmp_path / "out" / "fold-1" / "fold.json").unlink()
    run_benchmark(TASK, tmp_path / "out", settings=wanted, members=3, data=data, folds=[1])
    after = [times(tmp_path / "out" / "fold-1" / f"member-{member}") for member in range(3)]
    assert after == before


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


# The command.


def benchmark(*words: object) -> Done:
    return run_command("benchmark", *words)


@pytest.fixture
def words(data: Path, tmp_path: Path) -> list[object]:
    """A command line of three longer runs, of which each leaves checkpoints."""
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({**SHORT, "epochs": 15, "checkpoint_minutes": 0}))
    return [
        "matbench_jdft2d", "--data", data, "--config", config, "--fold", 0, "--fold", 4,
        "--members", 2, "--quiet",
    ]  # fmt: skip


def wait_for_checkpoint(path: Path, process: StartedCommand) -> None:
    while not path.exists():
        assert process.poll() is None, process.stderr
        time.sleep(0.01)


def test_a_killed_or_interrupted_benchmark_goes_on(words: list[object], tmp_path: Path) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    for fold, member, number in ((0, 1, signal.SIGKILL), (4, 0, signal.SIGINT)):
        process = StartedCommand("benchmark", *words, "--out", out, errors=tmp_path / "errors")
        wait_for_checkpoint(out / f"fold-{fold}" / f"member-{member}" / CHECKPOINT_FILE, process)
        process.send_signal(number)
        code, text = process.wait(), process.stderr
        assert not (out / f"fold-{fold}" / "fold.json").exists()
    assert code == 1 and "give the same command again" in text
    assert "Traceback" not in text
    finished = benchmark(*words, "--out", out)
    assert finished.returncode == 0, finished.stderr
    assert "3 folds are left" in finished.stdout
    undisturbed = benchmark(*words, "--out", alone)
    assert undisturbed.returncode == 0, undisturbed.stderr
    for fold in (0, 4):
        names = [place / f"fold-{fold}" / "predictions.csv" for place in (out, alone)]
        assert names[0].read_bytes() == names[1].read_bytes()


def test_the_summary_of_a_part_of_a_task(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps(SHORT))
    shown = benchmark(
        "matbench_jdft2d", "--data", data, "--config", config, "--out", tmp_path / "out",
        "--epochs", 1, "--seed", 3, "--quiet",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3 and record["settings"]["epochs"] == 1
    assert not record["complete"] and record["submission"] == [] and record["published"] == {}
    assert f"{record['mae']['mean']:.4g} ± " in shown.stdout
    assert "40 of the task's 636 crystals" in shown.stdout and "run.json" in shown.stdout


def test_the_list_of_tasks() -> None:
    shown = benchmark("--list")
    assert shown.returncode == 0, shown.stderr
    for task in benchmark_tasks().values():
        assert task.name in shown.stdout and f"{task.crystals:,}" in shown.stdout
    assert "33.19 ± 7.3 MODNet" in shown.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["matbench_jdft2d"], "name a folder"),
        (["--out", "out"], "name a task"),
        (["colour", "--out", "out"], "no such task"),
        (["matbench_jdft2d", "--out", "out", "--data", "missing.jsonl"], "missing.jsonl"),
        (["matbench_jdft2d", "--out", "out", "--initial", "nothing"], "no model 'nothing'"),
        (["matbench_jdft2d", "--out", "out", "--members", "0"], "--members"),
    ],
)
def test_the_command_explains_mistakes(
    words: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = benchmark(*words)
    assert shown.returncode in (1, 2) and text in shown.stderr, shown.stderr
    assert "Traceback" not in shown.stderr
