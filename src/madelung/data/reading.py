"""Records of a data set in any form, one after another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.errors import DatasetError
from madelung.data.formats.detection import detect_dataset_format
from madelung.data.records import Record
from madelung.data.store import CrystalStore

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
        CGCNN's layout), ``"jsonl"``, ``"jarvis"``, ``"matbench"``, ``"extxyz"`` or ``"table"``; by
        default it is told from the name and content.
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
    if kind == "store":
        yield from CrystalStore.open(path)
    elif kind == "jsonl":
        from madelung.data.formats.json_lines import read_json_lines

        yield from read_json_lines(path, target_columns)
    elif kind in ("folder", "id_prop"):
        from madelung.data.formats.folder import read_folder

        yield from read_folder(path, target_columns)
    elif kind in ("jarvis", "matbench"):
        from madelung.data.formats.json_tables import read_jarvis, read_matbench

        yield from (read_jarvis if kind == "jarvis" else read_matbench)(path, target_columns)
    elif kind == "extxyz":
        from madelung.data.formats.extxyz import read_extxyz

        yield from read_extxyz(path, target_columns)
    else:
        raise DatasetError(
            f"{path}: the format {kind!r} is not known; choose folder, id_prop, jsonl, jarvis, "
            "matbench or extxyz"
        )
