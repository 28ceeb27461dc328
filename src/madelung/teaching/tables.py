"""Tables of energies that potentials have for configurations, one column for each potential."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.tables import cell_text
from madelung.common.text import bounded_lines, open_text
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.labels import LARGEST_DEVIATION, TeacherLabels, compositions_of

__all__ = ["read_energy_table"]

_HEAD = ("set", "i", "natoms", "E_DFT")
ENERGY_TOLERANCE = 1e-4
"""Difference in eV, by rounding in the table, that reference energies may have."""


def read_energy_table(
    path: str | os.PathLike[str],
    configurations: Sequence[Configuration],
    *,
    largest_deviation: float = LARGEST_DEVIATION,
) -> TeacherLabels:
    """Read energies of potentials, and align them to configurations.

    Parameters
    ----------
    path
        CSV, compressed or not, with the columns ``set`` (name of the file of configurations
        without its suffixes), ``i`` (number of the frame in it, from zero), ``natoms``, ``E_DFT``
        (eV), and one column for each potential (eV).
    configurations
        As :func:`~madelung.read_configurations` gives them: their ids
        are the name of the file with the number of the frame. Rows of others are left alone.
    largest_deviation
        Energies that are farther off, in eV/atom, are none; see
        :meth:`TeacherLabels.without_outliers`.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, a configuration has no row or two, or numbers of atoms or
        energies show that the rows are of other configurations.
    """
    teachers, rows = _read(Path(path))
    for item in configurations:
        _require_match(item, rows.get(item.id), path)
    elements, compositions = compositions_of(configurations)
    energies = [[_energy(rows[item.id][name]) for name in teachers] for item in configurations]
    labels = TeacherLabels(
        teachers=teachers,
        ids=tuple(item.id for item in configurations),
        elements=elements,
        compositions=compositions,
        energies=np.array(energies, dtype=np.float64).reshape(len(configurations), len(teachers)),
    )
    reference = np.array(
        [np.nan if item.energy is None else item.energy for item in configurations]
    )
    return labels.without_outliers(reference, largest_deviation)


def _read(path: Path) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """Return the names of the potentials, and rows by the ids of configurations."""
    rows: dict[str, dict[str, str]] = {}
    try:
        with open_text(path, ForceFieldError) as stream:
            reader = csv.DictReader(bounded_lines(stream, path))
            names = tuple(reader.fieldnames or ())
            missing = [name for name in _HEAD if name not in names]
            if missing:
                raise ForceFieldError(
                    f"{path}: no table of energies; the columns {', '.join(missing)} are missing"
                )
            for row in reader:
                name = _id(row, path, reader.line_num)
                if name in rows:
                    raise ForceFieldError(
                        f"{path}, line {reader.line_num}: a second row of {name}; take one out"
                    )
                rows[name] = row
    except csv.Error as problem:
        raise ForceFieldError(f"{path}: {problem}") from None
    return tuple(name for name in names if name not in _HEAD), rows


def _id(row: dict[str, Any], path: Path, line: int) -> str:
    if None in row or None in row.values():
        raise ForceFieldError(f"{path}, line {line}: more or fewer values than columns")
    try:
        return f"{cell_text(row['set'])}-{int(row['i']):06d}"
    except ValueError:
        raise ForceFieldError(f"{path}, line {line}: {row['i']!r} is no frame's number") from None


def _energy(text: str) -> float:
    """Return a number; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _require_match(
    item: Configuration, row: dict[str, str] | None, path: str | os.PathLike[str]
) -> None:
    source = item.crystal.source or item.id
    if row is None:
        raise ForceFieldError(
            f"{path}: no row has set and i of {source} ({item.id}); give the files of the sets "
            "that the table names"
        )
    atoms = len(item.crystal)
    if _energy(row["natoms"]) != atoms:
        raise ForceFieldError(
            f"{path}: the row of {item.id} is of {row['natoms']} atoms, and {source} has {atoms}; "
            "the table belongs to other configurations, or another order of them"
        )
    difference = 0.0 if item.energy is None else abs(_energy(row["E_DFT"]) - item.energy)
    if not difference <= ENERGY_TOLERANCE:
        raise ForceFieldError(
            f"{path}: the row of {item.id} has the reference energy {row['E_DFT']} eV, and "
            f"{source} has {item.energy:.6f} eV; the table belongs to other configurations, or "
            "another order of them"
        )
