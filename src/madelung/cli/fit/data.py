"""The data of ``madelung fit`` as its options describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from madelung.forcefields.reference.frame_values import Keys
    from madelung.forcefields.reference.reference_data import DataFiles

__all__ = ["data_files"]


def data_files(
    training: Sequence[str],
    test: Sequence[str] | None,
    share: float,
    seed: int,
    keys: Keys,
    group_weights: Sequence[str] | None,
) -> DataFiles:
    """Return files of reference data, and how they are divided and weighed.

    Parameters
    ----------
    training, test
        Names of files.
    share, seed
        Part of the training files that is tested on, and the seed of that division.
    keys
        Names in the files.
    group_weights
        Texts of the form ``GROUP=NUMBER``.

    Raises
    ------
    typer.BadParameter
        If one of these has another form, or a negative number.
    """
    from madelung.forcefields.reference.reference_data import DataFiles

    weights = {}
    for text in group_weights or ():
        group, _, number = text.rpartition("=")
        try:
            weights[group] = float(number)
        except ValueError:
            weights[group] = -1.0
        if not group or not 0.0 <= weights[group] < math.inf:
            raise typer.BadParameter(
                f"{text!r} is not of the form GROUP=NUMBER with a number of zero or more",
                param_hint="--group-weight",
            )
    return DataFiles(tuple(training), tuple(test or ()), share, seed, keys, weights)
