"""A benchmark task from training to predictions, fold by fold, as often stopped as need be.

Each fold's members are runs of :class:`~madelung.Trainer` that differ in their
seeds, and share their validation crystals or take turns with them. What is finished is recognised
when the same benchmark is asked for again, and an unfinished run goes on from its checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import TrainingError
from madelung.common.interruption import JobInterrupted
from madelung.common.locks import alone_in_folder
from madelung.common.machine import bounded_threads, torch_threads
from madelung.data.store import CrystalStore
from madelung.leaderboards.submissions import FoldPredictions
from madelung.leaderboards.tasks import BenchmarkTask, benchmark_task, open_task
from madelung.leaderboards.tested_folds import FoldResult, read_fold, write_benchmark, write_fold
from madelung.learning.checkpoints import CHECKPOINT_FILE
from madelung.models.model import CrystalModel
from madelung.training.batches import InputMemory
from madelung.training.ensembles import combine_models
from madelung.training.evaluation import TargetErrors, evaluate_members, target_errors
from madelung.training.initial import adopt_settings, load_initial
from madelung.training.preparation import prepare
from madelung.training.results import MODEL_FOLDER, RESULTS_FILE
from madelung.training.settings import TrainingSettings, require_same_training
from madelung.training.splits import resolve_membership
from madelung.training.trainer import Trainer

__all__ = ["BenchmarkResult", "run_benchmark"]

_STORE = "dataset"


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """What a benchmark has led to.

    Parameters
    ----------
    task
        The task.
    folds
        The folds that are finished, in order.
    record
        What stands in ``run.json``; None while a fold is missing.
    folder
        Where the files are.
    """

    task: BenchmarkTask
    folds: tuple[FoldResult, ...]
    record: dict[str, Any] | None
    folder: Path


@alone_in_folder
def run_benchmark(
    task: str | BenchmarkTask,
    out: str | os.PathLike[str],
    *,
    settings: TrainingSettings | None = None,
    members: int = 1,
    data: str | os.PathLike[str] | None = None,
    folds: Sequence[int] = (),
    quiet: bool = True,
) -> BenchmarkResult:
    """Train, choose and test models as a benchmark task asks for.

    Parameters
    ----------
    task
        A task or its name (:func:`~madelung.leaderboards.tasks.benchmark_tasks`).
    out
        Folder for ``fold-K/member-M`` with the runs, ``fold-K/model`` with the model of each
        fold, and, when all folds are finished, ``predictions.csv``, ``run.json`` and the files of
        a submission. If it holds a part of the same benchmark, that is gone on with.
    settings
        Settings of each run; the task decides target and split, and members of a fold count
        their seeds from the one that is given.
    members
        Runs of each fold, which predict together as an ensemble.
    data
        A file or store with the crystals of the task; by default its named data set.
    folds
        Folds that are worked on now; all if none is named.
    quiet
        Whether to show no progress.

    Raises
    ------
    TrainingError
        If the task does not exist, the settings do not fit it, or the folder holds a part of
        another benchmark.
    JobInterrupted
        If it was interrupted; all that is finished, and a checkpoint, has been written.
    OutputError
        If another process works in the folder.
    """
    known = benchmark_task(task) if isinstance(task, str) else task
    wanted = settings or TrainingSettings()
    _require_usable(known, wanted, members, folds)
    initial = load_initial(wanted)
    job = _Job(
        task=known,
        out=Path(out),
        settings=wanted,
        initial=initial,
        members=members,
        store=open_task(
            known,
            None if data is None else Path(data),
            folder=Path(out) / _STORE,
            progress=not quiet,
        ),
        quiet=quiet,
        memory=InputMemory(wanted.memory_gigabytes),
    )
    with torch_threads(bounded_threads(wanted.threads)), _stoppable(job.out):
        for fold in folds or range(len(known.splits)):
            job.run_fold(fold)
        return job.conclude()


def _require_usable(
    task: BenchmarkTask, settings: TrainingSettings, members: int, folds: Sequence[int]
) -> None:
    if members < 1:
        raise TrainingError(f"a fold needs at least one member, not {members}")
    odd = [fold for fold in folds if not 0 <= fold < len(task.splits)]
    if odd:
        raise TrainingError(f"{task.name} has the folds 0 to {len(task.splits) - 1}, not {odd[0]}")
    if settings.target not in ((), (task.target,)) or settings.split is not None:
        raise TrainingError(f"{task.name} decides target and split; leave these settings away")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("a benchmark runs in one process; start it without torchrun")


@contextmanager
def _stoppable(out: Path) -> Iterator[None]:
    try:
        yield
    except (JobInterrupted, KeyboardInterrupt):
        raise JobInterrupted(
            f"interrupted; what is finished is in {out}: give the same command again to go on"
        ) from None


@dataclass(frozen=True, eq=False)
class _Job:
    """A benchmark while it goes on."""

    task: BenchmarkTask
    out: Path
    settings: TrainingSettings
    initial: CrystalModel | None
    members: int
    store: CrystalStore
    quiet: bool
    memory: InputMemory

    def run_fold(self, fold: int) -> None:
        """Train the members of a fold, make them one model, and test it; unless that is done."""
        if self._finished(fold) is not None:
            return
        models = [self._member(fold, member) for member in range(self.members)]
        settings = self._settings(fold, 0)
        if len(models) == 1:
            model = models[0]
        else:
            self._say(f"{self._title(fold)}: making one model of {len(models)}")
            for member in models:
                _move(member, settings.device)
            memberships = [
                prepare(self.store, self._settings(fold, member), self.memory).membership
                for member in range(self.members)
            ]
            model, _ = combine_models(models, self.store, memberships, memory=self.memory)
        _move(model, settings.device)
        predictions = self._test(model, fold)
        _move(model, "cpu")
        errors = _errors(predictions)
        for card in model.card.targets:
            card.errors = errors.as_object()
        folder = self._folder(fold)
        model.save(folder / MODEL_FOLDER)
        trained = [member.card.training for member in models]
        result = FoldResult(
            predictions=predictions,
            errors=errors,
            member_errors=tuple(self._member_mae(fold, member) for member in range(self.members)),
            seconds=sum(float(training["seconds"]) for training in trained),
            crystals={part: int(count) for part, count in model.card.training["crystals"].items()},
        )
        write_fold(folder, result, self._identity(fold))

    def conclude(self) -> BenchmarkResult:
        """Write the files of the benchmark if all of its folds are finished."""
        found = [self._finished(fold) for fold in range(len(self.task.splits))]
        folds = tuple(result for result in found if result is not None)
        record = None
        if len(folds) == len(self.task.splits):
            record = write_benchmark(
                self.out,
                self.task,
                folds,
                adopt_settings(self.settings, self.initial),
                self.members,
                self.store,
            )
        return BenchmarkResult(self.task, folds, record, self.out)

    def _finished(self, fold: int) -> FoldResult | None:
        return read_fold(self._folder(fold), fold, self._identity(fold))

    def _member(self, fold: int, member: int) -> CrystalModel:
        """Train a member, go on with it, or take it if it is finished."""
        folder = self._folder(fold) / f"member-{member}"
        settings = self._settings(fold, member)
        finished = folder / RESULTS_FILE
        if finished.is_file():
            training = json.loads(finished.read_text(encoding="utf-8"))["training"]
            stored = {
                "settings": training["settings"],
                "fingerprint": training["fingerprint"],
                "initial_weights": training.get("initial", {}).get("weights_sha256", ""),
            }
            require_same_training(stored, self._run_identity(settings), folder)
            return CrystalModel.load(folder / MODEL_FOLDER)
        of = f", member {member + 1} of {self.members}" if self.members > 1 else ""
        self._say(f"{self._title(fold)}{of}")
        resume = (folder / CHECKPOINT_FILE).is_file()
        trainer = Trainer(settings, folder, resume=resume, quiet=self.quiet, memory=self.memory)
        return trainer.fit(self.store).model

    def _member_mae(self, fold: int, member: int) -> float:
        """The error of a member alone on the test crystals that it was tested on."""
        path = self._folder(fold) / f"member-{member}" / RESULTS_FILE
        errors = json.loads(path.read_text(encoding="utf-8"))["errors"]
        return float(errors["test"].get(self.task.target, {}).get("mae", np.nan))

    def _test(self, model: CrystalModel, fold: int) -> FoldPredictions:
        """Predict every test crystal of a fold, however large."""
        membership = resolve_membership(self.store, self._settings(fold, 0))
        evaluation = evaluate_members(model, self.store, membership, "test", memory=self.memory)
        rows = evaluation.known(self.task.target)
        if len(rows) == 0:
            raise TrainingError(f"{self._title(fold)} has no test crystal with a value")
        (card,) = model.card.targets
        expected = evaluation.expected_errors[rows, 0]
        return FoldPredictions(
            fold=fold,
            ids=[self.store.ids[int(index)] for index in evaluation.indices[rows]],
            truths=evaluation.truths[rows, 0],
            predictions=evaluation.predictions[rows, 0],
            uncertainties=card.factor_68 * expected,
            uncertainties_90=card.factor_90 * expected,
        )

    def _settings(self, fold: int, member: int) -> TrainingSettings:
        own = self.settings.model_copy(
            update={
                "target": (self.task.target,),
                "split": self.task.splits[fold],
                "seed": self.settings.seed + member,
                "split_seed": self.settings.drawn_with,
            }
        )
        # Members of an initial ensemble may see crystals in different ways, and so do these then.
        return adopt_settings(own, self.initial)

    def _run_identity(self, settings: TrainingSettings) -> dict[str, Any]:
        return {
            "settings": settings.model_dump(mode="json"),
            "fingerprint": self.store.fingerprint,
            "initial_weights": self.initial.card.weights_sha256 if self.initial else "",
        }

    def _identity(self, fold: int) -> dict[str, Any]:
        """What makes a finished fold the one that is asked for."""
        return {**self._run_identity(self._settings(fold, 0)), "members": self.members}

    def _folder(self, fold: int) -> Path:
        return self.out / f"fold-{fold}"

    def _title(self, fold: int) -> str:
        count = len(self.task.splits)
        return f"{self.task.name}, fold {fold}" if count > 1 else self.task.name

    def _say(self, text: str) -> None:
        if not self.quiet:
            from madelung.common.terminal import LiteralConsole

            LiteralConsole(stderr=True).print(text, style="bold", highlight=False)


def _move(model: CrystalModel, device: str) -> None:
    for module in (model.network, model.scale, model.novelty):
        module.to(device)


def _errors(predictions: FoldPredictions) -> TargetErrors:
    return target_errors(
        predictions.truths,
        predictions.predictions,
        predictions.uncertainties,
        predictions.uncertainties_90,
    )
