"""JSON files as JARVIS-tools and Matbench write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from madelung.common.errors import CrystalError, DatasetError
from madelung.common.outputs import json_text
from madelung.common.text import open_text, plain_stem
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.structure_json import json_builders
from madelung.data.formats.json_stream import JsonStream
from madelung.data.formats.values import crystal_from_lists, make_record
from madelung.data.records import Record

__all__ = ["read_jarvis", "read_matbench"]

_ID_KEYS = ("jid", "id", "material_id", "name")


def read_jarvis(
    path: Path, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read a list of objects with ``atoms``, an id and properties, as JARVIS-tools writes it.

    Properties that are numbers are targets, and "na" says that one is not known; texts, lists and
    objects are passed over.

    Parameters
    ----------
    path
        The file, which may be compressed.
    target_columns
        Targets to take; None takes all.

    Raises
    ------
    DatasetError
        If the file is missing, no JSON list, damaged or cut off.
    """
    with open_text(path) as text:
        for number, item in enumerate(JsonStream(text, str(path)).items()):
            source = f"{path}, record {number} (counted from 0)"
            try:
                record = _jarvis_record(item, source, target_columns)
            except (DatasetError, CrystalError) as error:
                yield DatasetError(str(error))
            else:
                yield record


def _jarvis_record(item: Any, source: str, target_columns: Sequence[str] | None) -> Record:
    if not isinstance(item, Mapping) or not isinstance(item.get("atoms"), Mapping):
        raise DatasetError(f"{source}: no object with 'atoms'; give one for each crystal")
    id_key = next((key for key in _ID_KEYS if key in item), None)
    if id_key is None:
        raise DatasetError(f"{source}: it has no id (jid, id); give every crystal one")
    atoms, source = item["atoms"], f"{source}, {item[id_key]}"
    missing = [key for key in ("lattice_mat", "coords", "elements") if key not in atoms]
    if missing:
        raise DatasetError(f"{source}: its atoms have no {', '.join(missing)}; give all")
    crystal = crystal_from_lists(
        atoms["lattice_mat"],
        atoms["coords"],
        atoms["elements"],
        source,
        cartesian=bool(atoms.get("cartesian", False)),
    )
    if target_columns is not None:
        targets = {name: item.get(name) for name in target_columns}
    else:
        targets = {
            key: value
            for key, value in item.items()
            if key not in _ID_KEYS and isinstance(value, int | float)
        }
    return make_record(item[id_key], crystal, targets.items(), {})


def read_matbench(
    path: Path, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read a table of pymatgen structures and targets, as Matbench distributes its tasks.

    Ids are those of Matbench (``mb-jdft2d-001`` is the first of ``matbench_jdft2d.json.gz``), or
    those of the file's index if that holds texts.

    Parameters
    ----------
    path
        The file, which may be compressed.
    target_columns
        Targets to take; None takes all columns but the structure.

    Raises
    ------
    DatasetError
        If the file is missing, no such table, damaged or cut off.
    """
    prefix = plain_stem(path).removeprefix("matbench_").replace("_", "-")
    with open_text(path) as text:
        stream = JsonStream(text, str(path))
        table: dict[str, Any] = {}
        for key in stream.members():
            if key == "data" and "columns" in table:
                yield from _rows(stream.items(), table, prefix, path, target_columns)
                table["data"] = []
            else:
                table[key] = stream.value()
    if "data" not in table or "columns" not in table:
        raise DatasetError(f"{path}: the JSON has no 'columns' and 'data'; give Matbench's file")
    yield from _rows(table["data"], table, prefix, path, target_columns)


def _rows(
    rows: Any,
    table: Mapping[str, Any],
    prefix: str,
    path: Path,
    target_columns: Sequence[str] | None,
) -> Iterator[Record | DatasetError]:
    columns, index = table["columns"], table.get("index") or []
    if not isinstance(columns, list) or "structure" not in columns:
        raise DatasetError(f"{path}: no column is called 'structure'; give Matbench's file")
    wanted = [name for name in columns if name != "structure"]
    if target_columns is not None:
        absent = [name for name in target_columns if name not in wanted]
        if absent:
            raise DatasetError(f"{path}: no column {absent[0]!r}; there are {', '.join(wanted)}")
        wanted = list(target_columns)
    for number, row in enumerate(rows):
        label = index[number] if number < len(index) else number
        name = (
            f"mb-{prefix}-{label + 1:0{len(str(len(index)))}d}" if isinstance(label, int) else label
        )
        source = f"{path}, record {number} (counted from 0), {name}"
        try:
            if not isinstance(row, list) or len(row) != len(columns):
                raise DatasetError(f"{source}: no list of {len(columns)} values; write it again")
            cells = dict(zip(columns, row, strict=True))
            crystal = _structure(cells["structure"], source)
            record = make_record(name, crystal, [(key, cells[key]) for key in wanted], {})
        except (DatasetError, CrystalError) as error:
            yield DatasetError(str(error))
        else:
            yield record


def _structure(content: Any, source: str) -> Crystal:
    """Build a crystal with the reader of pymatgen's JSON files."""
    text = content if isinstance(content, str) else json_text(content)
    return json_builders(text, source)[0]()
