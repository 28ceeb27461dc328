"""Evaluation of a finished model on a data set, with all that one would look at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, TrainingError
from madelung.common.machine import torch_threads
from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import TableWriter
from madelung.crystals.crystal import Crystal
from madelung.data.store import CrystalStore
from madelung.models.doubts import lacks_needed_elements
from madelung.models.model import CrystalModel
from madelung.training.evaluation import (
    ModelEvaluation,
    TargetErrors,
    evaluate_apart,
    target_errors,
)
from madelung.training.splits import Membership

__all__ = ["EvaluationReport", "evaluate_dataset", "published_errors"]

_WORST = 10


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Errors of a model on one target of a data set.

    Parameters
    ----------
    target, unit
        What was predicted.
    errors
        The summary.
    ids
        (n,) names of the crystals.
    truths, predictions, uncertainties
        (n,) known and predicted values, and stated 68 % half-widths.
    novelty
        (n,) distances from the training crystals.
    worst
        The crystals with the largest errors, worst first.
    published
        Errors of published models on the same crystals, if these are known.
    seen_in_training
        Whether the data set's part contains crystals that the model may have been trained on.
    part
        What was measured: "train", "val", "test", or "all" crystals.
    seen_crystals
        How many of these crystals are training or validation crystals of the model, by its card
        where the data set is the same, or copies of these in any data set.
    problems
        Why crystals of the part have no prediction, by their names; they count in no error.
    column
        Column of the data set that holds the target.
    """

    target: str
    unit: str
    errors: TargetErrors
    ids: list[str]
    truths: NDArray[np.float64]
    predictions: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    novelty: NDArray[np.float64]
    worst: list[dict[str, Any]]
    published: dict[str, float]
    seen_in_training: bool
    part: str
    seen_crystals: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    column: str = ""

    def as_object(self) -> dict[str, Any]:
        """Return what stands in the JSON output."""
        return {
            "target": self.target,
            "unit": self.unit,
            **self.errors.as_object(),
            "worst": self.worst,
            "published": self.published,
            "seen_in_training": self.seen_in_training,
            "seen_crystals": self.seen_crystals,
            "problems": self.problems,
            "column": self.column,
        }


def evaluate_dataset(
    model: CrystalModel,
    store: CrystalStore,
    *,
    target: str | None = None,
    column: str | None = None,
    split: str | None = None,
    part: str = "test",
    threads: int | None = None,
) -> EvaluationReport:
    """Compare a model with the known values of a data set.

    Parameters
    ----------
    model
        The model.
    store
        Crystals and targets.
    target
        One of the model's targets; its default if None. What is none of them but a target of the
        data set is taken as ``column``.
    column
        The data set's name of that target, if it is another one.
    split
        Named split; the one of the target if None and there is one.
    part
        "train", "val" or "test" of the split, or "all" crystals. A data set without splits is
        taken whole.
    threads
        Threads of PyTorch; left as they are if None.

    Raises
    ------
    TrainingError
        If the target, column, split or part does not exist or has no known value, if the column
        has another unit, or no crystal can be predicted.
    """
    name, column = _named(model, store, target, column)
    membership, part = _membership(model, store, name, column, split, part)
    with torch_threads(threads):
        evaluation, problems = evaluate_apart(model, store, membership, part)
    rows = evaluation.known(name)
    if len(rows) == 0:
        raise TrainingError(f"no crystal of the part {part!r} has a value of {column!r}")
    usable = np.array([row for row in rows if int(row) not in problems], dtype=np.int64)
    if len(usable) == 0:
        first = problems[int(rows[0])]
        raise TrainingError(f"none of {len(rows)} crystals can be predicted; the first: {first}")
    report = _report(model, store, evaluation, usable, name, column, part)
    names = {store.ids[int(evaluation.indices[row])]: text for row, text in problems.items()}
    return replace(report, problems=names)


def _named(
    model: CrystalModel, store: CrystalStore, target: str | None, column: str | None
) -> tuple[str, str]:
    """Return the model's target, and the data set's name for it."""
    names = [card.name for card in model.card.targets]
    known = ", ".join(store.target_names) or "none"
    if target is not None and target not in names:
        if column is not None or target not in store.target_names:
            raise TrainingError(
                f"the model {model.card.name!r} does not predict {target!r}; it predicts "
                f"{', '.join(names)} (the data set's name of it is --column, of: {known})"
            )
        target, column = None, target
    name = model.target if target is None else target
    found = name if column is None else column
    if found not in store.target_names:
        raise TrainingError(
            f"the data set has no target {found!r}; it has {known}; name the one that holds the "
            f"model's {name!r} (--column)"
        )
    own = model.card.targets[names.index(name)].unit
    given = next((item.unit for item in store.info.targets if item.name == found), "")
    if own and given and own != given:
        raise TrainingError(
            f"the data set has {found!r} in {given}, and the model gives {name!r} in {own}; "
            "compare it with a column in that unit (--column)"
        )
    return name, found


def _membership(
    model: CrystalModel,
    store: CrystalStore,
    target: str,
    column: str,
    split: str | None,
    part: str,
) -> tuple[Membership, str]:
    """Values of one target in the model's columns, and their parts."""
    names = tuple(card.name for card in model.card.targets)
    values = np.full((len(store), len(names)), np.nan)
    values[:, names.index(target)] = store.values(column)
    if split is not None and split not in store.split_names:
        known = ", ".join(store.split_names) or "none"
        raise TrainingError(f"the data set has no split {split!r}; it has {known}")
    candidates = (split, column, store.default_split, "split")
    own = next((name for name in candidates if name in store.split_names), None)
    if own is None or part == "all":
        labels = np.full(values.shape, "test")
        return Membership(names, values, labels, ("all",) * len(names)), "test"
    labels = np.repeat(np.asarray(store.split(own))[:, None], len(names), axis=1)
    return Membership(names, values, labels, (own,) * len(names)), part


def _seen(model: CrystalModel, store: CrystalStore, target: str, crystals: Any) -> int:
    """Return how many crystals the model has learnt from or was chosen by."""
    seen = _seen_by_split(model, store, target, crystals)
    others = [row for row in map(int, crystals) if row not in seen]
    return len(seen) + sum(_is_copy(model, store[row].crystal) for row in others)


def _seen_by_split(
    model: CrystalModel, store: CrystalStore, target: str, crystals: Any
) -> set[int]:
    """Crystals of the data set that the card names, or of a part of it, by the split it names."""
    training = model.card.training
    # A sample of a data set says so after a comma.
    source = store.info.source.split(",")[0]
    same = store.fingerprint == training.get("fingerprint") or (
        source != "" and source == training.get("source")
    )
    split = training.get("splits", {}).get(target)
    if not same or split not in store.split_names:
        return set()
    labels = np.asarray(store.split(split))
    seen = [int(row) for row in crystals if labels[row] in ("train", "val")]
    return {row for row in seen if not lacks_needed_elements(model.card, store[row].crystal)}


def _is_copy(model: CrystalModel, crystal: Crystal) -> bool:
    """Whether a crystal of any data set is one that the model keeps a note of."""
    try:
        return model.training_crystals.holds(crystal)
    except CrystalError:
        return False


def _report(
    model: CrystalModel,
    store: CrystalStore,
    evaluation: ModelEvaluation,
    rows: NDArray[np.int64],
    target: str,
    column: str,
    part: str,
) -> EvaluationReport:
    place = evaluation.targets.index(target)
    card = model.card.targets[place]
    truths, predictions = evaluation.truths[rows, place], evaluation.predictions[rows, place]
    expected = evaluation.expected_errors[rows, place]
    ids = [store.ids[int(index)] for index in evaluation.indices[rows]]
    order = np.argsort(-np.abs(predictions - truths))[:_WORST]
    worst = [
        {
            "id": ids[row],
            "truth": float(truths[row]),
            "prediction": float(predictions[row]),
            "uncertainty": float(card.factor_68 * expected[row]),
            "novelty": float(evaluation.novelty[rows[row]]),
        }
        for row in order
    ]
    seen = _seen(model, store, target, evaluation.indices[rows])
    same = store.fingerprint == model.card.training.get("fingerprint")
    return EvaluationReport(
        target=target,
        unit=card.unit,
        errors=target_errors(
            truths, predictions, card.factor_68 * expected, card.factor_90 * expected
        ),
        ids=ids,
        truths=truths,
        predictions=predictions,
        uncertainties=card.factor_68 * expected,
        novelty=evaluation.novelty[rows],
        worst=worst,
        published=published_errors(target, ids),
        seen_in_training=seen > 0 or (same and part == "train"),
        part=part,
        seen_crystals=seen,
        column=column,
    )


def published_errors(target: str, ids: list[str]) -> dict[str, float]:
    """Mean absolute errors of published models on exactly these crystals.

    Parameters
    ----------
    target
        Name of the target.
    ids
        Names of the crystals.

    Returns
    -------
    dict
        Empty unless the crystals are those that the published predictions were scored on.
    """
    entry = _published().get(target)
    if entry is None or entry["crystals"] != len(ids) or entry["checksum"] != checksum(ids):
        return {}
    return dict(entry["models"])


def checksum(ids: list[str]) -> str:
    """Return what identifies a set of crystals, whatever their order."""
    import hashlib

    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


@cache
def _published() -> dict[str, Any]:
    text = (files(__package__) / "published_errors.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["targets"])


def save_report(report: EvaluationReport, folder: Path) -> None:
    """Write ``evaluation-TARGET.json`` and ``.csv``, and the picture of errors, into a folder."""
    from madelung.common.figures import save_figure
    from madelung.training.plots import plot_errors

    stem = f"evaluation-{report.target}"
    with whole_file(folder / f"{stem}.json") as temporary:
        temporary.write_text(json_text(report.as_object(), indent=2) + "\n", encoding="utf-8")
    with (
        whole_file(folder / f"{stem}.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = TableWriter(stream)
        writer.writerow(["id", "truth", "prediction", "uncertainty", "novelty"])
        arrays = (report.truths, report.predictions, report.uncertainties, report.novelty)
        for name, *numbers in zip(report.ids, *arrays, strict=True):
            writer.writerow([name, *(f"{number:.7g}" for number in numbers)])
    figure = plot_errors(
        report.target, report.unit, report.truths, report.predictions, report.uncertainties,
        report.part,
    )  # fmt: skip
    save_figure(figure, folder / f"{stem}.png")
