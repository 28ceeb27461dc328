"""Records of a data set in any form, one after another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.errors import DatasetError
from madelung.common.registry import imported
from madelung.data.formats.detection import FORMATS, detect_dataset_format
from madelung.data.records import Record

if TYPE_CHECKING:
    import pandas

__all__ = ["read_records"]


def read_records(
    source: str | Path | pandas.DataFrame,
    *,
    format: str | None = None,
    target_columns: Sequence[str] | None = None,
) -> Iterator[Record | DatasetError]:
    """Read a data set, one record after another.

    Parameters
    ----------
    source
        A file or folder in one of the formats below, or a pandas table.
    format
        ``"folder"`` (structure files and a CSV of targets), ``"id_prop"`` (the same in JARVIS's and
        CGCNN's layout), ``"jsonl"``, ``"jarvis"``, ``"matbench"``, ``"extxyz"`` or another name of
        :data:`madelung.data.formats.detection.FORMATS`; by default it is told from the name and
        content.
    target_columns
        Targets to take. By default all that are given; in a CSV or table, all columns of numbers.

    Yields
    ------
    Record or DatasetError
        A record, or what is wrong with it.

    Raises
    ------
    DatasetError
        If the source as a whole cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        from madelung.data.formats.table import read_table

        yield from read_table(source, target_columns)
        return
    path = Path(source)
    kind = format or detect_dataset_format(path)
    reader = FORMATS.find(kind, str(path)).reader
    yield from imported(reader)(path, target_columns)
