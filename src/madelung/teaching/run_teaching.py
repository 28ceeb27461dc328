"""Teaching networks in several ways, from several parts of the labels: errors and pictures."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.common.figures import save_figure
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.common.resuming import default_settings, require_same_job
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.training import reported
from madelung.forcefields.reference.comparison import Comparison, compare
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.plots import plot_learning_curves
from madelung.teaching.strategies import Lesson, Method, TeachingSettings
from madelung.teaching.task import TeachingTask, divide_task

__all__ = ["TeachingResult", "TeachingShares", "teach_networks"]

PRETRAINED, POTENTIAL, RESULT, RESULTS = "pretrained", "potential", "result.json", "results.json"
_TEST = "test"


@dataclass(frozen=True)
class TeachingShares:
    """How configurations are divided; see :func:`~madelung.teaching.task.divide_task`.

    Parameters
    ----------
    labelled
        Part of those with a reference that may be learnt from; None for all but those held back.
    validation, test
        Parts held back.
    """

    labelled: float | None = None
    validation: float = 0.1
    test: float = 0.1


@dataclass(frozen=True, eq=False)
class TeachingResult:
    """What was learnt.

    Parameters
    ----------
    rows
        For each way and fraction: ``method``, ``fraction``, ``labelled`` (configurations),
        ``energy_rmse`` (meV/atom), ``force_rmse`` (eV/Å), both on the test part, ``seconds`` (of
        processor time).
    folder
        Where the networks are.
    """

    rows: list[dict[str, Any]]
    folder: Path


@alone_in_folder
def teach_networks(
    configurations: Sequence[Configuration],
    labels: TeacherLabels,
    folder: str | os.PathLike[str],
    settings: TeachingSettings,
    *,
    methods: Sequence[Method] = ("ours",),
    fractions: Sequence[float] = (1.0,),
    shares: TeachingShares | None = None,
    quiet: bool = True,
) -> TeachingResult:
    """Teach a network in some ways, from some fractions of the labelled configurations.

    For each way and fraction the folder then holds ``METHOD-FRACTION/`` with ``potential/``,
    ``predictions.csv`` and ``result.json``; beside these ``results.json`` and
    ``learning_curves.png``. What is there already is not done again, so that a job that was
    stopped goes on.

    Parameters
    ----------
    configurations
        Structures, of which some or all have a reference energy.
    labels
        What teachers say of them.
    folder
        Where to write.
    settings
        How networks are taught.
    methods, fractions
        Which ways, and which parts of the labelled configurations.
    shares
        How configurations are divided.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If there are too few configurations, or the folder holds another job.
    """
    out, parts = Path(folder), TeachingShares() if shares is None else shares
    _require_same(out, settings, parts, labels)
    rows, pretrained = [], None
    for fraction in fractions:
        task = _task(configurations, labels, parts, fraction, settings.seed)
        lesson = Lesson(task, settings, pretrained)
        for method in methods:
            place = out / f"{method}-{fraction:g}"
            row = _finished(place)
            if row is None:
                with reported(f"{method}, {len(task.labelled)} labelled", quiet) as report:
                    lesson.report = report
                    row = _teach(lesson, method, fraction, place, out / PRETRAINED)
            rows.append(row)
            pretrained = lesson.pretrained
    with whole_file(out / RESULTS) as temporary:
        temporary.write_text(json_text(rows, indent=1) + "\n", encoding="utf-8")
    tested = len(_task(configurations, labels, parts, fractions[0], settings.seed).test)
    save_figure(plot_learning_curves(rows, tested), out / "learning_curves.png")
    return TeachingResult(rows, out)


def _task(
    configurations: Sequence[Configuration],
    labels: TeacherLabels,
    shares: TeachingShares,
    fraction: float,
    seed: int,
) -> TeachingTask:
    return divide_task(
        configurations,
        labels,
        labelled_share=shares.labelled,
        validation_share=shares.validation,
        test_share=shares.test,
        fraction=fraction,
        seed=seed,
    )


def _teach(
    lesson: Lesson, method: Method, fraction: float, place: Path, pretrained: Path
) -> dict[str, Any]:
    """Teach a network, test it, and write what came out."""
    if lesson.needs_pretraining(method):
        lesson.pretrained = _pretrained(lesson, pretrained)
    begun = time.process_time()
    force_field = lesson.force_field(lesson.teach(method))
    seconds = time.process_time() - begun
    task = lesson.task
    comparison: Comparison = compare(force_field, ((_TEST, item) for item in task.of(task.test)))
    errors = comparison.errors()
    row = {
        "method": method,
        "fraction": fraction,
        "labelled": len(task.labelled),
        "energy_rmse": errors["energy_rmse"],
        "force_rmse": errors["force_rmse"],
        "seconds": round(seconds, 1),
    }
    force_field.save(place / POTENTIAL)
    comparison.write(place / "predictions.csv")
    with whole_file(place / RESULT) as temporary:
        temporary.write_text(json_text(row) + "\n", encoding="utf-8")
    return row


def _pretrained(lesson: Lesson, place: Path) -> EnergyModel:
    """The network that knows all teachers, from its folder where it is there."""
    if lesson.pretrained is not None:
        return lesson.pretrained
    card = place / "card.json"
    if card.is_file():
        stored = NeuralForceField.from_object(json.loads(card.read_text("utf-8")), str(card))
        model = EnergyModel(lesson.network)
        model.load_state_dict(stored.models[0].state_dict())
        return model
    model = lesson.pretrain()
    NeuralForceField([model]).save(place)
    return model


def _finished(place: Path) -> dict[str, Any] | None:
    path = place / RESULT
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return row


def _require_same(
    out: Path, settings: TeachingSettings, shares: TeachingShares, labels: TeacherLabels
) -> None:
    """Refuse to add to what was learnt with other settings or labels."""
    digest = hashlib.sha256(labels.energies.tobytes()).hexdigest()
    content = {
        "settings": settings.model_dump(mode="json"),
        "shares": [shares.labelled, shares.validation, shares.test],
        "teachers": list(labels.teachers),
        "labels": digest,
    }
    path = out / "job.json"
    if not path.is_file():
        with whole_file(path) as temporary:
            temporary.write_text(json_text(content, indent=1) + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    defaults = default_settings(settings)
    subject, remedy = "networks there were taught", "choose another folder"
    require_same_job(
        before, content, out, ForceFieldError, defaults=defaults, subject=subject, remedy=remedy
    )
