"""Tested folds of a benchmark on disk, and what is written when all of them are there."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import TableWriter, cell_text
from madelung.data.store import CrystalStore
from madelung.leaderboards.submissions import (
    FoldPredictions,
    write_jarvis_submission,
    write_matbench_submission,
)
from madelung.leaderboards.tasks import BenchmarkTask
from madelung.training.evaluation import TargetErrors, target_errors
from madelung.training.report import published_errors
from madelung.training.results import PREDICTIONS_FILE, circumstances
from madelung.training.settings import TrainingSettings, is_same_training

__all__ = ["RECORD_FILE", "FoldResult", "read_fold", "write_benchmark", "write_fold"]

RECORD_FILE = "run.json"
_FOLD_FILE = "fold.json"
_COLUMNS = ("id", "fold", "target", "prediction", "uncertainty", "uncertainty_90")


@dataclass(frozen=True, eq=False)
class FoldResult:
    """A fold that is finished.

    Parameters
    ----------
    predictions
        For its test crystals.
    errors
        Their errors.
    member_errors
        Mean absolute error of each member alone.
    seconds
        Time of training, over all members.
    crystals
        Number of crystals of each part in training.
    """

    predictions: FoldPredictions
    errors: TargetErrors
    member_errors: tuple[float, ...]
    seconds: float
    crystals: dict[str, int]


def write_fold(folder: Path, result: FoldResult, identity: dict[str, Any]) -> None:
    """Write a fold: its predictions, and last what says that it is finished.

    Parameters
    ----------
    folder
        Folder of the fold.
    result
        The fold.
    identity
        What it has to be asked for with in order to be recognised.
    """
    _write_predictions(folder / PREDICTIONS_FILE, [result.predictions])
    content = {
        "identity": identity,
        "errors": result.errors.as_object(),
        "member_errors": [None if mae != mae else mae for mae in result.member_errors],
        "seconds": round(result.seconds, 1),
        "crystals": result.crystals,
    }
    _write_json(folder / _FOLD_FILE, content)


def read_fold(folder: Path, fold: int, identity: dict[str, Any]) -> FoldResult | None:
    """Read a fold; None if it is not finished, or was another one than is asked for."""
    try:
        content = json.loads((folder / _FOLD_FILE).read_text(encoding="utf-8"))
        with (folder / PREDICTIONS_FILE).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError):
        return None
    if not is_same_training(content.get("identity", {}), identity):
        return None
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in _COLUMNS[2:]}
    predictions = FoldPredictions(
        fold=fold,
        ids=[cell_text(row["id"]) for row in rows],
        truths=numbers["target"],
        predictions=numbers["prediction"],
        uncertainties=numbers["uncertainty"],
        uncertainties_90=numbers["uncertainty_90"],
    )
    return FoldResult(
        predictions=predictions,
        errors=_errors([predictions]),
        member_errors=tuple(
            float("nan") if mae is None else mae for mae in content["member_errors"]
        ),
        seconds=float(content["seconds"]),
        crystals=content["crystals"],
    )


def write_benchmark(
    out: Path,
    task: BenchmarkTask,
    folds: Sequence[FoldResult],
    settings: TrainingSettings,
    members: int,
    store: CrystalStore,
) -> dict[str, Any]:
    """Write ``predictions.csv``, the files of a submission, and ``run.json``.

    Parameters
    ----------
    out
        Folder of the benchmark.
    task
        The task.
    folds
        All of its folds.
    settings, members, store
        What it was run with.

    Returns
    -------
    dict
        What stands in ``run.json``.
    """
    predictions = [fold.predictions for fold in folds]
    _write_predictions(out / PREDICTIONS_FILE, predictions)
    tested = [name for fold in predictions for name in fold.ids]
    complete = len(tested) == task.crystals
    around = circumstances()
    seconds = sum(fold.seconds for fold in folds)
    # A leaderboard refuses a file that lacks some of its crystals.
    files = (
        _write_submission(out, task, predictions, settings, members, seconds) if complete else []
    )
    maes = [fold.errors.mae for fold in folds]
    same_crystals = published_errors(task.target, tested)
    record = {
        "task": task.name,
        **around,
        "seed": settings.seed,
        "members": members,
        "hours": round(seconds / 3600, 3),
        "versions": {name: version(name) for name in ("madelung", "torch", "numpy")},
        "dataset": {"name": store.info.name, "fingerprint": store.fingerprint},
        "unit": task.unit,
        "complete": complete,
        "mae": {"mean": float(np.mean(maes)), "std": float(np.std(maes))},
        "errors": _errors(predictions).as_object(),
        "folds": [_fold_record(fold) for fold in folds],
        # Of published models, the errors on exactly these crystals, if they are known.
        "published": task.published
        if complete
        else {name: {"mae": mae} for name, mae in same_crystals.items()},
        "submission": [path.name for path in files],
        "settings": settings.model_dump(mode="json"),
    }
    _write_json(out / RECORD_FILE, record)
    return record


def _fold_record(fold: FoldResult) -> dict[str, Any]:
    return {
        "fold": fold.predictions.fold,
        **fold.errors.as_object(),
        "member_mae": [None if mae != mae else mae for mae in fold.member_errors],
        "hours": round(fold.seconds / 3600, 3),
        "crystals": fold.crystals,
    }


def _errors(folds: Sequence[FoldPredictions]) -> TargetErrors:
    names = ("truths", "predictions", "uncertainties", "uncertainties_90")
    return target_errors(
        *(np.concatenate([getattr(fold, name) for fold in folds]) for name in names)
    )


def _write_submission(
    out: Path,
    task: BenchmarkTask,
    folds: Sequence[FoldPredictions],
    settings: TrainingSettings,
    members: int,
    seconds: float,
) -> list[Path]:
    network = settings.network.model_dump(mode="json")
    algorithm = f"Madelung {network['architecture']}"
    if task.leaderboard == "jarvis":
        machine = str(circumstances()["machine"])
        return write_jarvis_submission(
            out, task.target, folds[0], algorithm=algorithm, seconds=seconds, machine=machine
        )
    average = f", {members} runs together" if members > 1 else ""
    return write_matbench_submission(
        out,
        task.name,
        folds,
        algorithm=algorithm,
        description="A graph network with complete sums of interatomic potentials over the "
        f"infinite crystal, of the architecture {network['architecture']}{average}.",
        parameters={"members": members, **settings.model_dump(mode="json")},
    )


def _write_predictions(path: Path, folds: Sequence[FoldPredictions]) -> None:
    """One row for each crystal; ``target`` is the true value."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = TableWriter(stream)
        writer.writerow(_COLUMNS)
        for fold in folds:
            for name, *numbers in zip(
                fold.ids,
                fold.truths,
                fold.predictions,
                fold.uncertainties,
                fold.uncertainties_90,
                strict=True,
            ):
                writer.writerow([name, fold.fold, *(f"{number:.8g}" for number in numbers)])


def _write_json(path: Path, content: Any) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
