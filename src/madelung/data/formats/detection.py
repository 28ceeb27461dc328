"""What format a data set has."""

from __future__ import annotations

from pathlib import Path

from madelung.common.errors import DatasetError
from madelung.common.text import open_text
from madelung.data.index import is_store

__all__ = ["detect_dataset_format"]

_KINDS = (
    "JSON lines (.jsonl), a folder of structures with a CSV of targets, the .json of JARVIS or "
    "Matbench, or extxyz"
)
_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "folder",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
}
_COMPRESSIONS = {".gz", ".bz2", ".xz", ".zip"}


def detect_dataset_format(path: Path) -> str:
    """Tell the format of a file or folder from its name, and of ``.json`` from its content.

    Returns
    -------
    str
        ``"store"``, ``"folder"``, ``"id_prop"``, ``"jsonl"``, ``"jarvis"``, ``"matbench"`` or
        ``"extxyz"``.

    Raises
    ------
    DatasetError
        If there is no such file, or it has none of these.
    """
    if path.is_dir():
        if is_store(path):
            return "store"
        return "id_prop" if (path / "id_prop.csv").is_file() else "folder"
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder; check the path")
    if path.name == "id_prop.csv":
        return "id_prop"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    kind = _kind_of_json(path) if suffix in (".json", "") else _SUFFIXES.get(suffix)
    if kind is None:
        raise DatasetError(f"{path}: no format of data sets that is known; give {_KINDS}")
    return kind


def _kind_of_json(path: Path) -> str | None:
    with open_text(path) as text:
        start = text.read(65536).lstrip()
    if start.startswith("["):
        return "jarvis"
    if start.startswith("{"):
        # One object over many lines, or one in each line.
        return "matbench" if '"lattice"' not in start.partition('"data"')[0] else "jsonl"
    return None
