"""Splits that published results were obtained with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import DatasetError
from madelung.common.text import read_text
from madelung.data.formats.values import FOLDS
from madelung.data.records import split_part

__all__ = ["matbench_folds", "read_leaderboard_split"]

# Dunn et al., npj Comput. Mater. 6, 138 (2020): five-fold cross-validation with this seed.
_MATBENCH_SEED = 18012019


def matbench_folds(count: int) -> NDArray[np.int64]:
    """Return the fold that each crystal of a Matbench v0.1 regression task is tested in.

    Parameters
    ----------
    count
        Number of crystals of the task.

    Returns
    -------
    (count,) int64
        0 to 4, in the order of the task's file.

    Notes
    -----
    Matbench shuffles the rows with NumPy's Mersenne Twister and cuts them into five runs, of which
    the first ``count % 5`` are longer by one.
    """
    # The published folds come from this generator, and from no later one.
    generator = np.random.RandomState(_MATBENCH_SEED)
    order = np.arange(count)
    generator.shuffle(order)
    sizes = np.full(FOLDS, count // FOLDS)
    sizes[: count % FOLDS] += 1
    folds = np.empty(count, dtype=np.int64)
    folds[order] = np.repeat(np.arange(FOLDS), sizes)
    return folds


def read_leaderboard_split(path: Path) -> dict[str, str]:
    """Read a split of the JARVIS leaderboard.

    Parameters
    ----------
    path
        A JSON file, which may be in a zip archive: ``{"train": {id: value}, "val": ..., "test":
        ...}``.

    Returns
    -------
    dict
        "train", "val" or "test" by the id.

    Raises
    ------
    DatasetError
        If the file is missing or damaged, or a crystal is in two parts.
    """
    try:
        content = json.loads(read_text(path, DatasetError))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: no readable JSON ({error}); fetch it again") from None
    if not isinstance(content, Mapping) or not content:
        raise DatasetError(f"{path}: no split of the JARVIS leaderboard; give dft_3d_*.json.zip")
    parts: dict[str, str] = {}
    for name, members in content.items():
        part = split_part(name, str(path))
        for member in members:
            if parts.setdefault(str(member), part) != part:
                raise DatasetError(f"{path}: {member} is in two parts; fetch the file again")
    return parts
