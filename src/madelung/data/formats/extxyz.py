"""Extended XYZ: a crystal in each frame, targets among the numbers of its comment line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from madelung.common.errors import CrystalError, DatasetError
from madelung.common.text import bounded_lines, open_text, plain_stem
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.ase_formats import read_with_ase
from madelung.data.formats.values import make_record, split_values
from madelung.data.records import Record

__all__ = ["iterate_frames", "read_extxyz"]

# Characters of a frame; a million atoms with forces take half of this.
_LARGEST_FRAME = 2**28
_ID_KEYS = ("id", "material_id", "jid", "name")


def read_extxyz(
    path: Path, target_columns: Sequence[str] | None = None
) -> Iterator[Record | DatasetError]:
    """Read all frames, one after another.

    Numbers in the comment line (``energy=-3.2``) are targets; ``id``, ``material_id``, ``jid`` or
    ``name`` is the id, else the name of the file with the number of the frame; ``split`` is the
    part.

    Parameters
    ----------
    path
        The file, which may be compressed.
    target_columns
        Targets to take; None takes all numbers.

    Yields
    ------
    Record or DatasetError
        After a frame whose number of atoms cannot be read the rest of the file is given up, with
        an error that says so.

    Raises
    ------
    DatasetError
        If the file is missing, damaged or cut off.
    """
    with open_text(path) as lines:
        for number, frame in enumerate(iterate_frames(lines, path)):
            if isinstance(frame, DatasetError):
                yield frame
                return
            source = f"{path}, frame {number} (counted from 0)"
            default = f"{plain_stem(path)}-{number:06d}"
            try:
                record = _record(frame, source, default, target_columns)
            except (DatasetError, CrystalError) as error:
                yield DatasetError(str(error))
            else:
                yield record


def iterate_frames(lines: TextIO, path: Path) -> Iterator[str | DatasetError]:
    """Yield the text of each frame; after one whose size cannot be read, an error ends it.

    Parameters
    ----------
    lines
        The opened file.
    path
        Its name, for messages.
    """
    rest = bounded_lines(lines, path)
    number, line = 0, next(rest, "")
    while line:
        if line.strip():
            place = f"{path}, frame {number} (counted from 0)"
            try:
                count = int(line)
            except ValueError:
                yield DatasetError(
                    f"{place}: {line.strip()[:40]!r} is no number of atoms, and the rest of the "
                    "file is left out; correct it"
                )
                return
            # The number may promise more than any memory holds: lines are taken as they come.
            frame = _frame(line, itertools.islice(rest, max(count + 1, 0)), place)
            if count < 0 or len(frame) < count + 2:
                yield DatasetError(
                    f"{place}: the file ends within the frame, which is left out; write it again"
                )
                return
            yield "".join(frame)
            number += 1
        line = next(rest, "")


def _frame(head: str, rest: Iterator[str], place: str) -> list[str]:
    lines, size = [head], 0
    for line in rest:
        lines.append(line)
        size += len(line)
        if size > _LARGEST_FRAME:
            raise DatasetError(f"{place}: more than {_LARGEST_FRAME >> 20} MiB; write fewer atoms")
    return lines


def _record(frame: str, source: str, default: str, target_columns: Sequence[str] | None) -> Record:
    atoms = read_with_ase(frame.encode("utf-8"), frame, "extxyz", 0, source)
    facts = _facts(atoms)
    name = next((facts[key] for key in _ID_KEYS if key in facts), default)
    crystal = Crystal.from_ase(atoms, f"{source}, {name}")
    if target_columns is None:
        targets = {key: value for key, value in facts.items() if _is_number(key, value)}
    else:
        targets = {key: facts.get(key) for key in target_columns}
    splits = split_values(facts.get("split"), source)
    return make_record(str(name), crystal, targets.items(), splits)


def _facts(atoms: Any) -> Mapping[str, Any]:
    """Return what the comment line says; ASE keeps energies in a calculator."""
    results = {} if atoms.calc is None else atoms.calc.results
    return {**atoms.info, **results}


def _is_number(key: str, value: Any) -> bool:
    return key not in _ID_KEYS and isinstance(value, int | float | np.number)
