"""Predictions for the crystals in many files, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from madelung.common.errors import CrystalError
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.files import iterate
from madelung.models.model import CrystalModel
from madelung.models.prediction import Prediction
from madelung.models.workers import in_order

__all__ = ["FilePrediction", "predict_files", "predict_items"]

_CRYSTALS_IN_BATCH = 64
# Of several processes each gets few at a time, so that all end at nearly the same time.
_CRYSTALS_OF_WORKER = 16


@dataclass(frozen=True, eq=False)
class FilePrediction:
    """What a model says about one crystal of a file, or why it says nothing.

    Parameters
    ----------
    file
        The file's name as it was given.
    source
        The file, with the record where it holds several.
    formula
        Chemical formula, or None if the crystal could not be read.
    prediction
        The prediction, or None.
    problem
        Why there is none, or None.
    """

    file: str
    source: str
    formula: str | None = None
    prediction: Prediction | None = None
    problem: CrystalError | None = None


def predict_files(
    model: CrystalModel,
    paths: Iterable[str | Path],
    *,
    target: str | None = None,
    every: bool = False,
    format: str | None = None,
    max_atoms: int = 2000,
    threads: int = 1,
    workers: int = 1,
) -> Iterator[FilePrediction]:
    """Predict a property of the crystals of many files, in order and with bounded memory.

    Parameters
    ----------
    model
        The model.
    paths
        Files to read.
    target
        Which of the model's targets; its default if None.
    every
        Whether to take every structure of a file that holds several, and not the last alone.
    format
        As for :func:`madelung.read`.
    max_atoms
        Crystals with more atoms are refused: the sums of n atoms take n² numbers.
    threads
        Threads for the complete sums; with several processes, of all of them together.
    workers
        Processes that predict. With more than one, a script has to keep its work under
        ``if __name__ == "__main__":``, as for all of Python's processes.

    Yields
    ------
    FilePrediction
        One for each crystal, and one for each file or crystal that cannot be used.
    """
    items = iterate(paths, format=format, every=every)
    return predict_items(
        model, items, target=target, max_atoms=max_atoms, threads=threads, workers=workers
    )


def predict_items(
    model: CrystalModel,
    items: Iterable[tuple[str | os.PathLike[str], Crystal | CrystalError]],
    *,
    target: str | None = None,
    max_atoms: int = 2000,
    threads: int = 1,
    workers: int = 1,
) -> Iterator[FilePrediction]:
    """Predict a property of crystals that were read already.

    Parameters
    ----------
    model
        The model.
    items
        Each crystal, or why there is none, with the name of its file.
    target, max_atoms, threads, workers
        As for :func:`predict_files`.
    """
    own = max(threads // workers, 1)
    work = partial(_predicted, model, target=target, threads=own)
    size = _CRYSTALS_IN_BATCH if workers == 1 else _CRYSTALS_OF_WORKER
    pieces = _pieces(items, max_atoms, size)
    done: Iterator[list[FilePrediction]] = map(work, pieces)
    if workers > 1:
        done = in_order(work, pieces, workers=workers, threads=own)
    for entries in done:
        yield from entries


def _pieces(
    items: Iterable[tuple[str | os.PathLike[str], Crystal | CrystalError]],
    max_atoms: int,
    size: int,
) -> Iterator[list[tuple[str, Crystal | CrystalError]]]:
    waiting: list[tuple[str, Crystal | CrystalError]] = []
    for path, item in items:
        waiting.append((str(path), _checked(item, max_atoms)))
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _checked(item: Crystal | CrystalError, max_atoms: int) -> Crystal | CrystalError:
    if isinstance(item, CrystalError):
        return item
    if len(item) > max_atoms:
        return crystal_error(
            item.source,
            f"{len(item)} atoms, and the limit is {max_atoms}; raise it (--max-atoms) if that is "
            "meant",
        )
    try:
        return item.require_periodic()
    except CrystalError as problem:
        return problem


def _predicted(
    model: CrystalModel,
    waiting: list[tuple[str, Crystal | CrystalError]],
    *,
    target: str | None,
    threads: int,
) -> list[FilePrediction]:
    usable = [item for _, item in waiting if isinstance(item, Crystal)]
    predictions = iter(model.predict_each(usable, target=target, threads=threads))
    entries = []
    for file, item in waiting:
        if isinstance(item, CrystalError):
            entries.append(FilePrediction(file, file, problem=item))
            continue
        result = next(predictions)
        if isinstance(result, CrystalError):
            entries.append(FilePrediction(file, file, problem=result))
        else:
            entries.append(FilePrediction(file, item.source or file, item.formula, result))
    return entries
