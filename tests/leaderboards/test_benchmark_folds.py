"""Benchmarks: folds, members, and going on with what is there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from benchmark_cases import FOLDS, TASK, rows_of, settings, times

import madelung as md
from madelung.data.store import CrystalStore
from madelung.leaderboards.benchmark import run_benchmark
from madelung.training.ensembles import ensemble_runs
from madelung.training.settings import read_settings


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_model_of_a_fold_gives_its_predictions(data: Path, done: Path) -> None:
    crystals = {record.id: record.crystal for record in md.open_dataset(data)}
    model = md.load(done / "fold-2")
    for row in [row for row in rows_of(done / "predictions.csv") if row["fold"] == "2"]:
        prediction = model.predict(crystals[row["id"]])
        assert prediction.value == pytest.approx(float(row["prediction"]), abs=1e-2)
        assert prediction.uncertainty_90 == pytest.approx(float(row["uncertainty_90"]), rel=1e-3)


@pytest.mark.slow
def test_what_is_finished_is_not_done_again(data: Path, done: Path) -> None:
    before = times(done)
    result = run_benchmark(TASK, done, settings=settings(), members=2, data=data)
    assert times(done) == before and len(before) == FOLDS * 3
    assert result.record is not None and len(result.folds) == FOLDS


@pytest.mark.slow
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


@pytest.mark.slow
def test_members_can_be_added(data: Path, tmp_path: Path) -> None:
    first = run_benchmark(TASK, tmp_path, settings=settings(), data=data, folds=[1])
    assert first.record is None and [len(f.member_errors) for f in first.folds] == [1]
    member = tmp_path / "fold-1" / "member-0"
    before = times(member)
    second = run_benchmark(TASK, tmp_path, settings=settings(), members=2, data=data, folds=[1])
    assert times(member) == before
    assert [len(f.member_errors) for f in second.folds] == [2]
    assert not (tmp_path / "run.json").exists()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
