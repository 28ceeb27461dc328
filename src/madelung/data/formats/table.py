"""pandas tables with a crystal in each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from madelung.common.errors import CrystalError, DatasetError
from madelung.crystals.reading.arguments import as_crystals
from madelung.data.formats.columns import choose_columns
from madelung.data.formats.values import make_record
from madelung.data.records import Record

__all__ = ["read_table"]

_STRUCTURE_COLUMNS = ("structure", "crystal", "atoms", "file", "filename", "path")


def read_table(
    table: Any, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read the rows of a pandas table.

    Parameters
    ----------
    table
        A ``DataFrame`` with a column ``structure``, ``crystal``, ``atoms``, ``file``, ``filename``
        or ``path`` of crystals (pymatgen's, ASE's, Madelung's) or paths. Ids come from a column
        ``id``, ``material_id``, ``jid`` or ``name``, else from the index.
    target_columns
        Targets to take; None takes all columns of numbers.

    Raises
    ------
    DatasetError
        If it is no such table.
    """
    if not hasattr(table, "itertuples") or not hasattr(table, "columns"):
        raise DatasetError(
            f"cannot read a data set from an object of type {type(table).__name__!r}; give a path, "
            "a name, or a pandas table"
        )
    names = [str(name) for name in table.columns]
    if not set(names) & set(_STRUCTURE_COLUMNS):
        listed = ", ".join(_STRUCTURE_COLUMNS)
        raise DatasetError(f"the table has no column of crystals; call one of these: {listed}")
    rows = (dict(zip(names, row[1:], strict=True)) for row in table.itertuples(name=None))
    columns = choose_columns(names, rows, _STRUCTURE_COLUMNS, target_columns, "the table")
    for row in table.itertuples(name=None):
        cells = dict(zip(names, row[1:], strict=True))
        name = str(row[0] if columns.id is None else cells[columns.id])
        source = f"row {row[0]!r}" + ("" if columns.id is None else f" ({name})")
        try:
            crystal = _crystal(cells[columns.structure], source)
            record = make_record(name, crystal, columns.targets_of(cells), columns.splits_of(cells))
        except (DatasetError, CrystalError) as error:
            yield DatasetError(str(error))
        else:
            yield record


def _crystal(item: Any, source: str) -> Any:
    try:
        crystals, single = as_crystals(item)
    except CrystalError as error:
        raise DatasetError(f"{source}: {error}") from None
    if not single:
        raise DatasetError(f"{source}: {len(crystals)} crystals in one cell; give one")
    return crystals[0]
