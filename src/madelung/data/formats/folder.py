"""A folder of structure files with a CSV of targets.

With a header, one column (``file``, ``filename``, ``id``, ``material_id``, ``jid``, ``name``, else
the first) names the files, with or without their suffixes; columns of numbers are targets; the
columns ``split`` and ``split:NAME`` hold train, val or test. ``id_prop.csv``, as JARVIS-tools and
CGCNN write it, has no header: a file or its stem, then target values.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from madelung.common.errors import CrystalError, DatasetError
from madelung.common.text import bounded_lines, open_text, plain_stem
from madelung.crystals.reading import files as io
from madelung.data.formats.columns import ID_COLUMNS, Columns, choose_columns
from madelung.data.formats.values import make_record, target_value
from madelung.data.records import Record

__all__ = ["ID_PROP", "read_folder"]

ID_PROP = "id_prop.csv"
"""Name of the table without a header."""

_FILE_COLUMNS = ("file", "filename", "file_name", "path", *ID_COLUMNS)
_PREFERRED_TABLES = ("targets.csv", "properties.csv", "data.csv")
_STRUCTURE_SUFFIXES = frozenset(
    {".cif", ".mcif", ".vasp", ".poscar", ".contcar", ".xyz", ".extxyz", ".xsf", ".res"}
)
_SHOWN_FILES = 5


def read_folder(
    path: Path, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read the structures that a CSV names, one after another.

    Parameters
    ----------
    path
        The folder, or the CSV in it.
    target_columns
        Targets to take; None takes all columns of numbers. For a table without a header, names of
        its columns of values.

    Yields
    ------
    Record or DatasetError
        The last structure of each file named; at the end one error for the structure files, if
        any, that the table does not name.

    Raises
    ------
    DatasetError
        If there is no CSV, or it is damaged.
    """
    table = _Table(_find_table(path) if path.is_dir() else path, target_columns)
    files = _Files(table.path.parent)
    columns = table.columns()
    for line, row in table.rows():
        try:
            record = _record(row, columns, files, f"{table.path}, line {line}")
        except (DatasetError, CrystalError) as error:
            yield DatasetError(str(error))
        else:
            yield record
    unnamed = files.unnamed()
    if unnamed:
        listed = ", ".join(unnamed[:_SHOWN_FILES]) + (
            ", ..." if len(unnamed) > _SHOWN_FILES else ""
        )
        yield DatasetError(
            f"{table.path.parent}: {len(unnamed)} structure files have no line in "
            f"{table.path.name} and are left out: {listed}; add their lines or remove them"
        )


def _record(row: dict[str, str | None], columns: Columns, files: _Files, place: str) -> Record:
    named = (row[columns.structure] or "").strip()
    if not named or None in row.values():
        raise DatasetError(f"{place}: the line does not fill its columns; complete it")
    path = files.find(named, place)
    crystal = io.read(path)
    own_id = columns.id is not None and columns.id != columns.structure
    name = (row[columns.id or ""] or "").strip() if own_id else plain_stem(path)
    return make_record(name, crystal, columns.targets_of(row), columns.splits_of(row))


class _Table:
    """A CSV, read line by line as often as it is asked for."""

    def __init__(self, path: Path, target_columns: Sequence[str] | None) -> None:
        self.path = path
        with open_text(self.path) as text:
            first = next(bounded_lines(text, path), "")
        marks = {mark: first.count(mark) for mark in ",;\t"}
        self._mark = max(marks, key=lambda mark: marks[mark])
        names = next(csv.reader([first], delimiter=self._mark), [])
        self.header = [name.strip() for name in names]
        if not any(self.header):
            raise DatasetError(f"{path}: the table is empty; write a line for each structure")
        self.has_header = path.name != ID_PROP or not _is_values(self.header[1:])
        self._wanted = target_columns
        if not self.has_header:
            self.header = _unnamed_header(len(self.header) - 1, target_columns, path)

    def columns(self) -> Columns:
        """Find out what the columns hold, in one pass over the table."""
        rows = (row for _, row in self.rows())
        if not self.has_header:
            return Columns("file", None, tuple(self.header[1:]), {})
        return choose_columns(self.header, rows, _FILE_COLUMNS, self._wanted, str(self.path))

    def rows(self) -> Iterator[tuple[int, dict[str, str | None]]]:
        """Go through the lines with their numbers; cells that a line lacks are None."""
        with open_text(self.path) as text:
            yield from self._parsed(text)

    def _parsed(self, text: TextIO) -> Iterator[tuple[int, dict[str, str | None]]]:
        reader = csv.reader(bounded_lines(text, self.path), delimiter=self._mark)
        try:
            if self.has_header:
                next(reader, None)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    filled: list[str | None] = [*cells, *[None] * len(self.header)]
                    yield reader.line_num, dict(zip(self.header, filled, strict=False))
        except csv.Error as error:
            raise DatasetError(
                f"{self.path}, line {reader.line_num}: no readable CSV ({error}); correct it"
            ) from None


class _Files:
    """Files of a folder and the folders in it, found by their names and stems."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, list[Path]] = {}
        self._structures: dict[Path, None] = {}
        self._used: set[Path] = set()
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(place) / name
                for key in {name, plain_stem(path)}:
                    self._found.setdefault(key, []).append(path)
                if path.suffix.lower() in _STRUCTURE_SUFFIXES or name.startswith("POSCAR"):
                    self._structures[path] = None

    def find(self, named: str, place: str) -> Path:
        """Return the file that a table names by its path, name or stem.

        Raises
        ------
        DatasetError
            If there is none, or there are several.
        """
        exact = self._folder / named
        if Path(named).is_absolute() or ".." in Path(named).parts:
            raise DatasetError(
                f"{place}: {named!r} lies outside of {self._folder}; move the file into that folder"
            )
        if exact.is_file():
            paths = [exact]
        else:
            found = self._found.get(named, [])
            known = [path for path in found if path in self._structures]
            paths = known or [path for path in found if path.suffix != ".csv"]
        if len(paths) != 1:
            what = "there is no file" if not paths else f"there are {len(paths)} files"
            raise DatasetError(
                f"{place}: {what} {named!r} in {self._folder}; name one, relative to that folder"
            )
        self._used.add(paths[0])
        return paths[0]

    def unnamed(self) -> list[str]:
        """Return the structure files that were not asked for, relative to the folder."""
        rest = [path for path in self._structures if path not in self._used]
        return [str(path.relative_to(self._folder)) for path in rest]


def _find_table(folder: Path) -> Path:
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    names = [path.name for path in tables]
    for name in (ID_PROP, *_PREFERRED_TABLES):
        if name in names:
            return folder / name
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise DatasetError(
            f"{folder}: no CSV of targets in the folder; write targets.csv with a column of file "
            "names and one of numbers for each target"
        )
    raise DatasetError(
        f"{folder}: {len(tables)} tables ({', '.join(names)}); name the one with the targets"
    )


def _is_values(cells: Sequence[str]) -> bool:
    try:
        known = [target_value(cell, "", "") is not None for cell in cells]
    except DatasetError:
        return False
    return any(known) or not cells


def _unnamed_header(count: int, names: Sequence[str] | None, path: Path) -> list[str]:
    if names is None:
        return ["file", *("target" if k == 1 else f"target_{k}" for k in range(1, count + 1))]
    if len(names) != count:
        raise DatasetError(f"{path}: {count} columns of values, and {len(names)} names for them")
    return ["file", *names]
