"""Force fields from files, whose format is told from their content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.common.finite_numbers import require_finite_numbers
from madelung.common.registry import Registry, imported
from madelung.common.text import read_text
from madelung.forcefields.interface import ForceField

__all__ = ["JSON_FORMATS", "load_force_field"]

# Describes a force field that is a folder.
_CARD = "card.json"

JSON_FORMATS: Registry[Callable[..., ForceField]] = Registry(
    "format of a force field",
    {
        "madelung-complete-pairs": (
            "madelung.forcefields.pairs.complete_pairs:CompletePairs.from_object"
        ),
        "madelung-neural": "madelung.forcefields.neural.potential:NeuralForceField.from_object",
        "madelung-spline-eam": "madelung.forcefields.splines.eam:SplineEAM.from_object",
        "madelung-spline-meam": "madelung.forcefields.splines.meam:SplineMEAM.from_object",
        "madelung-uf3": "madelung.forcefields.uf3.potential:UF3Potential.from_object",
    },
    ForceFieldError,
)
"""JSON files by what they say under "format"; called with the object and the file's name."""

# Other text files: what tells the format from the text, and the reader, called with the path.
_TEXT_READERS: list[tuple[Callable[[str], bool], str]] = [
    (lambda text: "#UF3 POT" in text, "madelung.forcefields.uf3.lammps:read_lammps"),
    (
        lambda text: _words(text, 1)[:1] == ["meam/spline"],
        "madelung.forcefields.splines.lammps_files:read_meam_spline",
    ),
    # The former form of meam/spline: a number of knots, and a slope at either end.
    (
        lambda text: (_numbers(text, 1), _numbers(text, 2)) == (1, 2),
        "madelung.forcefields.splines.lammps_files:read_meam_spline",
    ),
    (
        lambda text: _numbers(text, 4) == 5,
        "madelung.forcefields.splines.lammps_files:read_eam",
    ),
]


def _words(text: str, line: int) -> list[str]:
    """Words of a line, counted from zero; none where the text is shorter."""
    lines = text.split("\n", line + 1)
    return lines[line].split() if len(lines) > line else []


def _numbers(text: str, line: int) -> int:
    """How many numbers a line holds; zero if it holds anything else."""
    words = _words(text, line)
    try:
        return len([float(word) for word in words])
    except ValueError:
        return 0


def load_force_field(source: Any) -> ForceField:
    """Return a force field from a file.

    Parameters
    ----------
    source
        A path; the file may be compressed. A folder stands for the card of a neural force field in
        it. What a file's JSON holds, or a force field, are taken too.

    Returns
    -------
    ForceField

    Raises
    ------
    ForceFieldError
        If the file is missing or damaged, or its format is not known.
    """
    if isinstance(source, ForceField):
        return source
    if isinstance(source, Mapping):
        return _from_json(source, "the object")
    if not isinstance(source, str | os.PathLike):
        raise ForceFieldError(
            f"an object of type {type(source).__name__!r} is no force field; give a path"
        )
    path = Path(source)
    if path.is_dir():
        path = path / _CARD
    text = read_text(path, ForceFieldError)
    if text.lstrip().startswith("{"):
        return _from_json(_parsed(text, path), str(path))
    for recognises, reader in _TEXT_READERS:
        if recognises(text):
            result: ForceField = imported(reader)(path)
            return result
    raise ForceFieldError(
        f"{path}: the format is not known; it is none of {JSON_FORMATS.listed} (JSON with "
        "the key 'format'), nor a file of LAMMPS's uf3, meam/spline, eam/alloy or eam/fs"
    )


def _parsed(text: str, path: Path) -> Mapping[str, Any]:
    try:
        data: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ForceFieldError(f"{path}: damaged JSON ({error}); write the file again") from None
    return data


def _from_json(data: Mapping[str, Any], source: str) -> ForceField:
    # What a fit has noted of itself may hold anything; nothing is calculated from it.
    require_finite_numbers(data, source, ForceFieldError, notes=("metadata", "training"))
    # Files of UF3's authors do not state a format.
    published = {"solution", "knots"} <= set(data) or {"coefficients", "knots"} <= set(data)
    name = "madelung-uf3" if published and "format" not in data else data.get("format")
    return JSON_FORMATS.find(name, source)(data, source)
