"""Results of jobs as JSON, CSV, structures and pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.crystal import Crystal
from madelung.outputs import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "plain", "write_figure", "write_json", "write_rows", "write_structure"]

BLUE, ORANGE, GREY = "#1f5fa8", "#d9772b", "#8a8a8a"


def plain(value: Any) -> Any:
    """Return what JSON can hold: lists for arrays, None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that appears when it is whole."""
    with whole_file(path) as temporary:
        text = json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with the keys of the first row as its head."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_structure(path: Path, crystal: Crystal) -> None:
    """Write an extxyz file of one structure."""
    import ase.io

    with whole_file(path) as temporary:
        ase.io.write(temporary, crystal.to_ase(), format="extxyz")


def new_figure(width: float = 4.6, height: float = 3.4) -> Figure:
    """Return an empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(path: Path, figure: Figure) -> None:
    """Write a picture, its format that of the suffix."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
