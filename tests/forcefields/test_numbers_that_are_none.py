"""A force field's file with a number that is none, or infinite, is refused in one line."""

from __future__ import annotations

import copy
import gzip
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spline_potentials import random_meam, smooth_eam
from uf3_cases import binary_settings, random_potential

import madelung as md
from madelung.common.native import native_core
from madelung.forcefields.splines.lammps_files import write_eam_alloy, write_meam_spline

pytestmark = pytest.mark.skipif(native_core() is None, reason="the native core is not built")
CASES = Path(__file__).parent / "cases"
NOTES = {"metadata", "training"}


def own_objects() -> dict[str, dict[str, Any]]:
    """What the files of each format hold."""
    pairs = md.CompletePairs(
        {"Na-Cl": "buckingham:1256.3:0.32:7.0"}, charges={"Na": 1.0, "Cl": -1.0}
    )
    made = {
        "pairs": pairs,
        "eam": smooth_eam(1, True),
        "meam": random_meam(1),
        "uf3": random_potential(binary_settings().basis()),
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, one in made.items():
            path = Path(folder) / name
            one.save(path)  # type: ignore[attr-defined]
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    for name in ("examples_tungsten_extxyz_model_2and3.json", "uf3_0.4.0_binary.json"):
        found[name] = json.loads((CASES / name).read_text(encoding="utf-8"))
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where numbers stand, the notes aside; of long lists, at their ends and in the middle."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in NOTES:
                yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) // 2, len(value) - 1} & set(range(len(value)))):
            yield from places(value[index], (*path, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def changed(value: dict[str, Any], path: tuple[Any, ...], number: float) -> dict[str, Any]:
    result = copy.deepcopy(value)
    inner: Any = result
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = number
    return result


@pytest.mark.parametrize("name", own_objects())
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json(name: str, number: float, tmp_path: Path) -> None:
    content = json.loads(json.dumps(own_objects()[name]))
    path = tmp_path / "field.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    md.load_force_field(path)
    let_through = []
    for place in places(content):
        path.write_text(json.dumps(changed(content, place, number)), encoding="utf-8")
        try:
            md.load_force_field(path)
        except md.ForceFieldError as error:
            assert "\n" not in str(error) and str(error).startswith(str(path)), (place, error)
        else:
            let_through.append(place)
    assert not let_through


def lammps_files(folder: Path) -> dict[str, str]:
    write_meam_spline(random_meam(1), folder / "own.meam.spline")
    write_eam_alloy(smooth_eam(1, False), folder / "own.eam.alloy")
    md.write_lammps(random_potential(binary_settings().basis()), folder / "own.uf3")
    with gzip.open(CASES / "Cu.eam.alloy.gz", "rt", encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} | {
        "Cu.eam.alloy": "\n".join(lines) + "\n"
    }


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_files_of_lammps(word: str, tmp_path: Path) -> None:
    """Every number of a line that is not a comment, of the first lines and some of the others."""
    for name, text in lammps_files(tmp_path).items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        md.load_force_field(path)
        lines = text.splitlines()
        let_through = []
        for row in sorted({*range(min(12, len(lines))), *range(12, len(lines), 61)}):
            words = lines[row].split()
            for column in sorted({0, 1, len(words) - 1}):
                if (
                    column >= len(words)
                    or lines[row].startswith("#")
                    or not _is_number(words[column])
                ):
                    continue
                altered = [*words[:column], word, *words[column + 1 :]]
                path.write_text(
                    "\n".join([*lines[:row], " ".join(altered), *lines[row + 1 :]]) + "\n",
                    encoding="utf-8",
                )
                try:
                    md.load_force_field(path)
                except md.ForceFieldError as error:
                    assert "\n" not in str(error), (name, row, error)
                else:
                    let_through.append((row, column, lines[row][:60]))
        assert not let_through, name


def _is_number(words: list[str]) -> bool:
    try:
        return [float(word) for word in words] != []
    except ValueError:
        return False
