"""JSON lines: one crystal in each line, with targets and splits.

An object has ``id``, ``lattice`` (rows, Å), ``species``, ``frac_coords`` (or ``cart_coords``, Å),
and may have ``targets``, ``split``, ``pbc`` and ``charges``. Other keys are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from madelung.common.arrays import to_numpy
from madelung.common.errors import CrystalError, DatasetError
from madelung.common.outputs import json_text
from madelung.common.text import bounded_lines, open_text
from madelung.data.formats.values import crystal_from_lists, make_record, split_values
from madelung.data.records import Record

__all__ = ["read_json_lines", "record_line"]


def read_json_lines(
    path: Path, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read JSON lines, which may be compressed, one line after another.

    Parameters
    ----------
    path
        The file.
    target_columns
        Targets to take; None takes all.

    Raises
    ------
    DatasetError
        If the file is missing, damaged or cut off.
    """
    with open_text(path) as lines:
        for number, line in enumerate(bounded_lines(lines, path), start=1):
            if not line.strip():
                continue
            try:
                record = _record(line, f"{path}, line {number}", target_columns)
            except (DatasetError, CrystalError) as error:
                yield DatasetError(str(error))
            else:
                yield record


def record_line(record: Record) -> str:
    """Return a record as a line of JSON, without the end of the line.

    Fractional coordinates are written where the cell has a volume, Cartesian ones elsewhere.
    """
    crystal = record.crystal
    content: dict[str, Any] = {
        "id": record.id,
        "lattice": to_numpy(crystal.cell).tolist(),
        "species": crystal.symbols,
    }
    try:
        content["frac_coords"] = to_numpy(crystal.scaled_positions).tolist()
    except CrystalError:
        content["cart_coords"] = to_numpy(crystal.positions).tolist()
    if not crystal.pbc.all():
        content["pbc"] = crystal.pbc.tolist()
    if crystal.charges is not None:
        content["charges"] = crystal.charges.tolist()
    content["targets"] = dict(record.targets)
    if record.splits:
        content["split"] = dict(record.splits)
    return json_text(content, ensure_ascii=False, separators=(",", ":"))


def _record(line: str, source: str, target_columns: Sequence[str] | None) -> Record:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{source}: no readable JSON ({error}); write the line again") from None
    if not isinstance(content, Mapping):
        raise DatasetError(f"{source}: no JSON object; write one object in each line")
    if "id" in content:
        source = f"{source} ({content['id']})"
    coordinates = "cart_coords" if "cart_coords" in content else "frac_coords"
    missing = [key for key in ("id", "lattice", "species", coordinates) if key not in content]
    if missing:
        raise DatasetError(f"{source}: it has no {', '.join(missing)}; give every crystal all")
    targets = content.get("targets") or {}
    if not isinstance(targets, Mapping):
        raise DatasetError(f"{source}: targets is no object; write numbers by their names")
    if target_columns is not None:
        targets = {name: targets.get(name) for name in target_columns}
    charges, pbc = content.get("charges"), content.get("pbc", True)
    crystal = crystal_from_lists(
        content["lattice"],
        content[coordinates],
        content["species"],
        source,
        cartesian=coordinates == "cart_coords",
        pbc=pbc,
        charges=charges,
    )
    splits = split_values(content.get("split"), source)
    return make_record(content["id"], crystal, targets.items(), splits)
