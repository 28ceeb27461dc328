"""Tables as CSV, whose cells are neither orders to a terminal nor formulas of a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from madelung.common.outputs import whole_file
from madelung.common.text import shown

__all__ = ["TableWriter", "cell_text", "write_rows"]

# What spreadsheets take for the beginning of a formula, in the width of East Asian scripts too.
_FORMULA_STARTS = tuple("=+-@\t＝＋－＠")
_MARK = "'"


class TableWriter:
    """Writes rows of CSV.

    Text comes from files of others: names, ids, units. Control characters in it are written as
    ``\\x1b``, so that a row is a line and no terminal is given orders. Text that a spreadsheet
    would calculate (it starts with ``=``, ``+``, ``-`` or ``@`` and is no number) gets an
    apostrophe in front, by which spreadsheets tell text; :func:`cell_text` takes that away again.

    Parameters
    ----------
    stream
        Where to write, opened with ``newline=""``.
    """

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")

    def writerow(self, cells: Iterable[Any]) -> None:
        """Write one row; None is an empty cell."""
        self._writer.writerow([_safe(cell) if isinstance(cell, str) else cell for cell in cells])

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write several rows."""
        for row in rows:
            self.writerow(row)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with the keys of all rows as its head; what a row lacks is empty."""
    fields = dict.fromkeys(name for row in rows for name in row)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = TableWriter(stream)
        writer.writerow(fields)
        writer.writerows([row.get(name) for name in fields] for row in rows)


def cell_text(cell: str) -> str:
    """Return the text that :class:`TableWriter` was given, control characters aside."""
    marked = cell.startswith(_MARK) and cell[1:].startswith(_FORMULA_STARTS)
    return cell[1:] if marked and not _is_number(cell[1:]) else cell


def _safe(text: str) -> str:
    safe = shown(text).replace("\n", "\\n")
    return _MARK + safe if safe.startswith(_FORMULA_STARTS) and not _is_number(safe) else safe


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
