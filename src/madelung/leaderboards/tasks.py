"""Benchmark tasks that models are compared by: data, official splits, and published errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from madelung.common.errors import TrainingError
from madelung.common.registry import did_you_mean
from madelung.data.catalogue import CATALOGUE
from madelung.data.dataset import open_dataset
from madelung.data.downloads import file_checksum
from madelung.data.formats.detection import detect_dataset_format
from madelung.data.formats.values import FOLDS
from madelung.data.index import is_store
from madelung.data.named import import_dataset
from madelung.data.store import CrystalStore

__all__ = ["BenchmarkTask", "benchmark_task", "benchmark_tasks", "open_task"]

_JARVIS = "jarvis/dft_3d_2021"


@dataclass(frozen=True)
class BenchmarkTask:
    """One task of a public leaderboard.

    Parameters
    ----------
    name
        What it is asked for by.
    leaderboard
        Whose task it is; this decides the form of a submission.
    dataset
        Name of its data set.
    target, unit
        What is predicted.
    splits
        Name of the split of each fold.
    crystals
        Number of crystals that are tested, over all folds.
    published
        For each published model its mean absolute error ("mae"), and where there are several
        folds the standard deviation over them ("std"); best first.
    """

    name: str
    leaderboard: Literal["matbench", "jarvis"]
    dataset: str
    target: str
    unit: str
    splits: tuple[str, ...]
    crystals: int
    published: dict[str, dict[str, float]]


@cache
def benchmark_tasks() -> dict[str, BenchmarkTask]:
    """Return all tasks by name."""
    return {task.name: task for task in (*_matbench_tasks(), *_jarvis_tasks())}


def benchmark_task(name: str) -> BenchmarkTask:
    """Return a task by its name.

    Raises
    ------
    TrainingError
        If there is no such task.
    """
    tasks = benchmark_tasks()
    if name not in tasks:
        raise TrainingError(
            f"{name}: no such task; {did_you_mean(name, tasks, 0.4)}"
            "'madelung benchmark --list' names all"
        )
    return tasks[name]


def _matbench_tasks() -> Iterator[BenchmarkTask]:
    for dataset in CATALOGUE.values():
        if dataset.folds:
            name = dataset.name.replace("/", "_")
            (target,) = dataset.targets
            yield BenchmarkTask(
                name=name,
                leaderboard="matbench",
                dataset=dataset.name,
                target=target.name,
                unit=target.unit,
                splits=tuple(f"fold-{fold}" for fold in range(FOLDS)),
                crystals=dataset.crystals,
                published=_published().get(name, {}).get("models", {}),
            )


def _jarvis_tasks() -> Iterator[BenchmarkTask]:
    units = {target.name: target.unit for target in CATALOGUE[_JARVIS].targets}
    for name, known in _published().items():
        target = known.get("target", name.removeprefix("jarvis_"))
        if target in units:
            yield BenchmarkTask(
                name=name,
                leaderboard="jarvis",
                dataset=_JARVIS,
                target=target,
                unit=units[target],
                splits=(target,),
                crystals=known["crystals"],
                published=known["models"],
            )


@cache
def _published() -> dict[str, Any]:
    text = (files(__package__) / "leaderboards.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["tasks"])


def open_task(
    task: BenchmarkTask,
    data: str | Path | None = None,
    *,
    folder: Path | None = None,
    progress: bool = False,
) -> CrystalStore:
    """Open the crystals of a task.

    Parameters
    ----------
    task
        The task.
    data
        A file or store that holds them: the published file, or another with the official splits.
        By default the named data set, which is downloaded if it is not there.
    folder
        Where to write the store of a file; a temporary folder by default.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    DatasetError
        If the data cannot be read.
    TrainingError
        If they lack the target or a split of the task.
    """
    if data is None:
        store = open_dataset(task.dataset, progress=progress)
    else:
        store = _local(task, Path(data), folder, progress)
    if task.target not in store.target_names:
        known = ", ".join(store.target_names) or "none"
        raise TrainingError(
            f"{data or task.dataset}: has no target {task.target!r}, which {task.name} is about; "
            f"it has {known}"
        )
    missing = [split for split in task.splits if split not in store.split_names]
    if missing:
        raise TrainingError(
            f"{data or task.dataset}: the official split {', '.join(missing)} of {task.name} is "
            "missing; give the published file, beside its file of the split if it has one"
        )
    return store


def _local(task: BenchmarkTask, path: Path, folder: Path | None, progress: bool) -> CrystalStore:
    """Open a file; the published one gets the official ids and splits."""
    published = CATALOGUE[task.dataset]
    if not path.is_file() or detect_dataset_format(path) != published.format:
        return open_dataset(path, folder=folder, progress=progress)
    if folder is not None and is_store(folder):
        store = CrystalStore.open(folder)
        if store.origin.get("sha256") == file_checksum(path):
            return store
    return import_dataset(task.dataset, path, folder=folder, progress=progress)
