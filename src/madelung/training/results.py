"""The end of a run: the best model is calibrated, tested once, and written down."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import TableWriter
from madelung.common.version import __version__
from madelung.data.store import CrystalStore
from madelung.learning.checkpoints import Progress
from madelung.learning.processes import Processes
from madelung.models.model import CrystalModel
from madelung.training.batches import InputMemory
from madelung.training.calibration import calibrate, learn_novelty
from madelung.training.evaluation import (
    ModelEvaluation,
    TargetErrors,
    evaluate_members,
    target_errors,
)
from madelung.training.preparation import Preparation
from madelung.training.settings import TrainingSettings

__all__ = [
    "MODEL_FOLDER",
    "PREDICTIONS_FILE",
    "RESULTS_FILE",
    "TrainingResult",
    "circumstances",
    "conclude",
    "note_errors",
    "part_errors",
    "write_predictions",
]

MODEL_FOLDER = "model"
PREDICTIONS_FILE = "predictions.csv"
RESULTS_FILE = "results.json"


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a run has led to.

    Parameters
    ----------
    model
        The best model by validation.
    errors
        For each part ("val", "test") and target its errors; no entry where nothing is known.
    folder
        Folder of the run.
    best_epoch
        The epoch the model was taken from.
    seconds
        Time of all sittings.
    """

    model: CrystalModel
    errors: dict[str, dict[str, TargetErrors]]
    folder: Path
    best_epoch: int
    seconds: float


def conclude(
    model: CrystalModel,
    prepared: Preparation,
    store: CrystalStore,
    progress: Progress,
    settings: TrainingSettings,
    folder: Path,
    processes: Processes,
    memory: InputMemory,
) -> TrainingResult:
    """Calibrate by validation, test once, and write model, predictions, plots and results."""
    validation = evaluate_members(
        model, store, prepared.membership, "val", processes, memory=memory
    )
    calibrate(model, validation)
    learn_novelty(
        model,
        prepared.membership,
        store,
        validation,
        seed=settings.seed,
        processes=processes,
        memory=memory,
    )
    tested = evaluate_members(model, store, prepared.membership, "test", processes, memory=memory)
    parts = {"val": validation, "test": tested}
    errors = {part: part_errors(model, evaluation) for part, evaluation in parts.items()}
    note_errors(model, errors)
    model.card.training |= {
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "seconds": round(progress.seconds, 1),
        "processes": processes.count,
        **circumstances(),
    }
    for module in (model.network, model.scale, model.novelty):
        module.to("cpu")
    result = TrainingResult(model, errors, folder, progress.best_epoch, progress.seconds)
    if processes.is_first:
        model.save(folder / MODEL_FOLDER)
        write_predictions(folder / PREDICTIONS_FILE, model, store, parts)
        _write_results(folder / RESULTS_FILE, result, prepared, progress)
        _draw(folder, model, progress, parts)
    return result


def part_errors(model: CrystalModel, evaluation: ModelEvaluation) -> dict[str, TargetErrors]:
    """Return the errors of each target of which a value is known."""
    found = {}
    for column, card in enumerate(model.card.targets):
        rows = evaluation.known(card.name)
        if len(rows):
            expected = evaluation.expected_errors[rows, column]
            found[card.name] = target_errors(
                evaluation.truths[rows, column],
                evaluation.predictions[rows, column],
                card.factor_68 * expected,
                card.factor_90 * expected,
            )
    return found


def note_errors(model: CrystalModel, errors: dict[str, dict[str, TargetErrors]]) -> None:
    """Write errors on validation and test crystals on a model's card."""
    for card in model.card.targets:
        if card.name in errors["test"]:
            card.errors = errors["test"][card.name].as_object()
        if card.name in errors["val"]:
            card.validation = errors["val"][card.name].as_object()


def circumstances() -> dict[str, Any]:
    """Return what a card says about how its model came about."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {
        "version": __version__,
        "commit": _commit(),
        "command": shlex.join(words) if words[0] == "madelung" else "from Python",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }


def _commit() -> str | None:
    """Commit of the sources, where the package runs from a checkout of them."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "src" / "madelung").is_dir():
        return None
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def write_predictions(
    path: Path, model: CrystalModel, store: CrystalStore, parts: dict[str, ModelEvaluation]
) -> None:
    """One row for each known value: id, part, target, true value, prediction, uncertainty."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = TableWriter(stream)
        writer.writerow(["id", "fold", "target", "truth", "prediction", "uncertainty"])
        for part, evaluation in parts.items():
            for column, card in enumerate(model.card.targets):
                for row in evaluation.known(card.name):
                    writer.writerow(
                        [
                            store.ids[int(evaluation.indices[row])],
                            part,
                            card.name,
                            f"{evaluation.truths[row, column]:.7g}",
                            f"{evaluation.predictions[row, column]:.7g}",
                            f"{card.factor_68 * evaluation.expected_errors[row, column]:.4g}",
                        ]
                    )


def _graph_share(progress: Progress) -> float:
    """Processor time of making graphs over the time of the epochs."""
    made = sum(row["graph_seconds"] for row in progress.history)
    return round(made / max(sum(row["seconds"] for row in progress.history), 1e-9), 4)


def _write_results(
    path: Path, result: TrainingResult, prepared: Preparation, progress: Progress
) -> None:
    content = {
        "errors": {
            part: {name: found.as_object() for name, found in targets.items()}
            for part, targets in result.errors.items()
        },
        "units": {card.name: card.unit for card in result.model.card.targets},
        "left_out": list(prepared.left_out),
        "best_epoch": progress.best_epoch,
        "seconds": round(progress.seconds, 1),
        "graph_share": _graph_share(progress),
        "training": result.model.card.training,
    }
    with whole_file(path) as temporary:
        temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")


def _draw(
    folder: Path, model: CrystalModel, progress: Progress, parts: dict[str, ModelEvaluation]
) -> None:
    from madelung.common.figures import save_figure
    from madelung.learning.plots import plot_history
    from madelung.training.plots import plot_errors

    units = {card.name: card.unit for card in model.card.targets}
    measured_on = {name: f"{len(parts['val'].known(name)):,} crystals" for name in units}
    save_figure(plot_history(progress.history, units, measured_on), folder / "history.png")
    for column, card in enumerate(model.card.targets):
        for part in ("test", "val"):
            rows = parts[part].known(card.name)
            if len(rows):
                evaluation = parts[part]
                figure = plot_errors(
                    card.name,
                    card.unit,
                    evaluation.truths[rows, column],
                    evaluation.predictions[rows, column],
                    card.factor_68 * evaluation.expected_errors[rows, column],
                    part,
                )
                save_figure(figure, folder / f"{part}-{card.name}.png")
