"""The formats of data sets, one entry for each, and which of them a file or folder has.

To add a format, write its reader, and put it into :data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from madelung.common.compression import without_compression
from madelung.common.errors import DatasetError
from madelung.common.registry import Registry
from madelung.common.text import open_text
from madelung.data.index import is_store

__all__ = ["FORMATS", "DatasetFormat", "detect_dataset_format"]

_START = 65536


@dataclass(frozen=True)
class DatasetFormat:
    """How a format of data sets is told from others, and read.

    Parameters
    ----------
    reader
        ``"module:function"``; called with the path and the targets to take (None for all), it
        yields a :class:`~madelung.data.records.Record` or, where one cannot be read, a
        :class:`~madelung.DatasetError` that names file and record.
    what
        What it is in a few words, to list in messages; empty if it is not to be listed.
    suffixes
        Suffixes of its files in small letters, apart from those of compressions.
    file
        A file name that only this format has; empty if there is none.
    is_folder
        Whether a folder is in this format.
    is_json
        Whether the text that a file named ``.json``, or without a suffix, starts with is in it.
    """

    reader: str
    what: str = ""
    suffixes: tuple[str, ...] = ()
    file: str = ""
    is_folder: Callable[[Path], bool] = lambda folder: False
    is_json: Callable[[str], bool] = lambda start: False


def _is_lines(start: str) -> bool:
    # One object in each line, or one over many lines.
    return start.startswith("{") and '"lattice"' in start.partition('"data"')[0]


FORMATS: Registry[DatasetFormat] = Registry(
    "format of data sets",
    {
        "store": DatasetFormat("madelung.data.store:read_store", is_folder=is_store),
        "id_prop": DatasetFormat(
            "madelung.data.formats.folder:read_folder",
            file="id_prop.csv",
            is_folder=lambda folder: (folder / "id_prop.csv").is_file(),
        ),
        "jsonl": DatasetFormat(
            "madelung.data.formats.json_lines:read_json_lines",
            what="JSON lines (.jsonl)",
            suffixes=(".jsonl", ".ndjson"),
            is_json=_is_lines,
        ),
        "folder": DatasetFormat(
            "madelung.data.formats.folder:read_folder",
            what="a folder of structures with a CSV of targets",
            suffixes=(".csv",),
            is_folder=lambda folder: True,
        ),
        "jarvis": DatasetFormat(
            "madelung.data.formats.json_tables:read_jarvis",
            what="the .json of JARVIS",
            is_json=lambda start: start.startswith("["),
        ),
        "matbench": DatasetFormat(
            "madelung.data.formats.json_tables:read_matbench",
            what="the .json of Matbench",
            is_json=lambda start: start.startswith("{") and not _is_lines(start),
        ),
        "extxyz": DatasetFormat(
            "madelung.data.formats.extxyz:read_extxyz", what="extxyz", suffixes=(".extxyz", ".xyz")
        ),
    },
    DatasetError,
)
"""All of them by name; the first that a file or folder fits is taken."""


def detect_dataset_format(path: Path) -> str:
    """Tell the format of a file or folder from its name, and of ``.json`` from its content.

    Returns
    -------
    str
        A name of :data:`FORMATS`.

    Raises
    ------
    DatasetError
        If there is no such file, or it has none of these.
    """
    formats = {name: FORMATS.find(name) for name in FORMATS}
    if path.is_dir():
        return next(name for name, one in formats.items() if one.is_folder(path))
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder; check the path")
    suffix = Path(without_compression(path.name)).suffix.lower()
    start = _start(path) if suffix in (".json", "") else ""
    for name, one in formats.items():
        if one.file == path.name or suffix in one.suffixes or one.is_json(start):
            return name
    listed = ", ".join(one.what for one in formats.values() if one.what)
    raise DatasetError(f"{path}: no format of data sets that is known; there are {listed}")


def _start(path: Path) -> str:
    with open_text(path) as text:
        return text.read(_START).lstrip()
