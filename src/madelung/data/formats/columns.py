"""Which columns of a table hold files, ids, targets and splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from madelung.common.errors import DatasetError
from madelung.data.formats.values import target_value

__all__ = ["ID_COLUMNS", "Columns", "choose_columns"]

ID_COLUMNS = ("id", "material_id", "jid", "name")
"""Columns that name a crystal; the first that is there counts."""

# What pandas calls the column of its row numbers when it writes them.
_ROW_NUMBERS = frozenset({"", "index", "unnamed: 0"})


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Parameters
    ----------
    structure
        Column of the crystals, or of the names of their files.
    id
        Column of the ids, or None if there is none.
    targets
        Columns of the targets.
    splits
        Names of splits by their columns.
    """

    structure: str
    id: str | None
    targets: tuple[str, ...]
    splits: Mapping[str, str]

    def targets_of(self, row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Return the targets of a row, not yet looked at."""
        return [(name, row[name]) for name in self.targets]

    def splits_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts that a row names, by split; empty cells are left out."""
        parts = {name: row[column] for column, name in self.splits.items()}
        return {
            name: part
            for name, part in parts.items()
            if part is not None and part == part and str(part).strip()
        }


def choose_columns(
    names: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    structure_columns: Sequence[str],
    target_columns: Sequence[str] | None,
    source: str,
) -> Columns:
    """Find out what the columns of a table hold.

    Parameters
    ----------
    names
        Names of the columns.
    rows
        All rows, for columns of numbers: those in which more than half of what is given are
        numbers. A cell there that is none is then an error of its row.
    structure_columns
        What the column of crystals or files may be called; the first that is there counts, and if
        none is, the first column.
    target_columns
        Targets to take; None takes all columns of numbers.
    source
        Name of the table, for messages.

    Raises
    ------
    DatasetError
        If a target that is asked for has no column, or two columns have the same name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DatasetError(f"{source}: two columns are called {twice!r}; rename one")
    structure = next((name for name in structure_columns if name in names), names[0])
    own_id = next((name for name in ID_COLUMNS if name in names), None)
    splits = {
        name: name.removeprefix("split:").strip()
        for name in names
        if name == "split" or name.startswith("split:")
    }
    taken = {structure, own_id, *splits}
    free = [name for name in names if name not in taken and name.lower() not in _ROW_NUMBERS]
    if target_columns is None:
        targets = _numeric(free, rows)
    else:
        absent = [name for name in target_columns if name not in names]
        if absent:
            listed = ", ".join(free) or "none"
            raise DatasetError(f"{source}: no column {absent[0]!r}; there are: {listed}")
        targets = list(target_columns)
    return Columns(structure, own_id, tuple(targets), splits)


def _numeric(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    numbers, others = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            try:
                numbers[name] += target_value(row.get(name), name, "") is not None
            except DatasetError:
                others[name] += 1
    return [name for name in names if numbers[name] > others[name]]
