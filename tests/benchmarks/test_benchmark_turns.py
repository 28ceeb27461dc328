"""The benchmarks that train ensembles and students run, on few crystals and small networks."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import madelung as md
from madelung.data.store import write_store
from madelung.training.ensembles import ensemble_runs

distil: Any = importlib.import_module("benchmarks.data.distilled_labels")
turns: Any = importlib.import_module("benchmarks.models.calibration_by_turns")

SMALL = "epochs: 1\nthreads: 1\nvalidation_parts: 2\nnetwork: {features: 8, layers: 1}\n"


@pytest.mark.slow
@pytest.mark.parametrize("members", [2, 4])
def test_turns_are_judged_by_training_crystals_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int
) -> None:
    """Of two parts, so that each crystal has one judge or two; intervals are the library's."""
    target = "bulk_modulus_kv"
    store = md.open_dataset("example:jarvis", folder=tmp_path / "data")
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    words = ["turns.py", str(store.folder), "--target", target, "--members", str(members)]
    words += ["--folds", "1"]
    words += ["--config", str(tmp_path / "small.yaml"), "--work", str(tmp_path / "work")]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    assert turns.main() == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    (fold,) = record["folds"]
    assert fold["widened"]["count"] == fold["with spread"]["count"] == fold["crystals"]
    assert fold["widened"]["mae"] == fold["widened, with spread"]["mae"]
    ways = ("widened", "widened, averaging not counted", "widened, with spread")
    width, plain, spread = (fold[way]["mean_half_width_90"] for way in ways)
    assert width < plain if members > 2 else width == plain < spread
    own = md.open_dataset(tmp_path / "work" / "store")
    tested = {
        name for name, part in zip(store.ids, store.split(target), strict=True) if part == "test"
    }
    assert len(own) > 100 and not tested & set(own.ids)
    runs = [tmp_path / "work" / f"fifth-0-{seed}" for seed in range(members)]
    errors = ensemble_runs(runs, tmp_path / "all", dataset=own.folder).errors["test"][target]
    for name in ("mae", "coverage_68", "coverage_90"):
        assert fold["widened"][name] == pytest.approx(getattr(errors, name), rel=1e-4), name
    with (tmp_path / "all" / "predictions.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["fold"] == "test"]
    factors = md.load(tmp_path / "all").card.targets[0]
    found = np.mean([float(row["uncertainty"]) for row in rows])
    assert width * factors.factor_68 / factors.factor_90 == pytest.approx(found, rel=1e-3)


@pytest.mark.slow
def test_a_teacher_guesses_training_crystals_and_no_others(tmp_path: Path) -> None:
    teacher = md.load("formation-energy")
    targets = [card.name for card in teacher.card.targets]
    store = md.open_dataset("example:jarvis", folder=tmp_path / "data")
    records = [replace(store[row], targets={"other": 1.0}) for row in range(40)]
    parts = ["train", "test"] * 20
    others = write_store(
        [
            replace(record, id=f"o-{record.id}", splits={"other": part})
            for record, part in zip(records, parts, strict=True)
        ],
        tmp_path / "others",
        store.info,
    )
    known = list(distil.labelled(store, targets))
    assert all(set(record.targets) <= set(targets) for record in known)
    assert [record.splits[targets[0]] for record in known] == list(store.split(targets[0]))
    guessed = list(distil.guessed(distil.chosen(others, targets, {8}), teacher))
    expected = [
        record.id
        for record, part in zip(others, parts, strict=True)
        if part == "train" and 8 in record.crystal.numbers
    ]
    assert [record.id for record in guessed] == expected and expected
    values = [prediction.value for prediction in teacher.predict([r.crystal for r in guessed])]
    found = [record.targets["formation_energy_peratom"] for record in guessed]
    np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)
    assert all(record.splits == dict.fromkeys(targets, "train") for record in guessed)
