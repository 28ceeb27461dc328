"""The crystals of files and data sets, one after another, for what needs crystals alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from madelung.common.errors import CrystalError, DatasetError
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.files import find_files, iterate
from madelung.crystals.reading.places import settle_places
from madelung.data.formats.detection import detect_dataset_format
from madelung.data.index import is_store
from madelung.data.reading import read_records

__all__ = ["find_sources", "iterate_sources"]

_PLAIN = frozenset({".gz", ".bz2", ".xz", ".zip"})
_LINES = frozenset({".jsonl", ".ndjson"})


def find_sources(paths: Iterable[str | Path]) -> list[Path]:
    """Replace each folder, except the store of a data set, by the files in it.

    Parameters
    ----------
    paths
        Files, folders and stores; see :func:`madelung.crystals.reading.files.find_files`.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        found += [path] if path.is_dir() and is_store(path) else find_files([path])
    return found


def iterate_sources(
    paths: Iterable[str | os.PathLike[str]], *, format: str | None = None, every: bool = False
) -> Iterator[tuple[str | os.PathLike[str], Crystal | CrystalError]]:
    """Read crystal files, JSON lines and stores; a bad one does not stop the others.

    Parameters
    ----------
    paths
        Files, and folders that are stores.
    format, every
        As for :func:`madelung.iterate`. Of a data set, each crystal is given.

    Yields
    ------
    path
        The path as it was given.
    crystal
        The crystal, or why there is none.
    """
    for path in paths:
        if format is None and _is_dataset(Path(path)):
            for item in _records(Path(path)):
                yield path, item
        else:
            yield from iterate([path], format=format, every=every)


def _is_dataset(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _PLAIN:
        suffixes.pop()
    return (path.is_dir() and is_store(path)) or bool(suffixes and suffixes[-1] in _LINES)


def _records(path: Path) -> Iterator[Crystal | CrystalError]:
    try:
        for record in read_records(path, format=detect_dataset_format(path)):
            if isinstance(record, DatasetError):
                yield CrystalError(str(record))
                continue
            try:
                yield settle_places(_named(record.crystal, record.id, path))
            except CrystalError as problem:
                yield problem
    except DatasetError as problem:
        yield crystal_error(None, str(problem))


def _named(crystal: Crystal, name: str, path: Path) -> Crystal:
    return replace(crystal, source=f"{path} ({name})")
