"""Everything that is written as JSON is strict JSON."""

import ast
import json
from pathlib import Path

import numpy as np

import madelung
from madelung.common.outputs import json_text, write_json
from madelung.learning.checkpoints import Progress, read_checkpoint, write_checkpoint

SOURCES = Path(madelung.__file__).parent


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    value = {"a": float("inf"), "b": [np.nan, 1.0], "c": np.array([1.0, -np.inf]), 3: np.int64(2)}
    wanted = {"a": None, "b": [None, 1.0], "c": [1.0, None], "3": 2}
    assert json.loads(json_text(value), parse_constant=refuse) == wanted
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse) == wanted


def test_json_is_made_in_one_place() -> None:
    found = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("dumps", "dump")
                and isinstance(node.value, ast.Name)
                and node.value.id == "json"
            ):
                found.append(str(path.relative_to(SOURCES)))
    assert found == [str(Path("common", "outputs.py"))]


def test_a_checkpoint_before_the_first_score_comes_back(tmp_path: Path) -> None:
    progress = Progress(history=[{"epoch": 1, "val energy": float("nan")}])
    write_checkpoint(tmp_path, {}, progress, {})
    _, found, _ = read_checkpoint(tmp_path)
    assert found.best_score == float("inf")
    assert np.isnan(found.history[0]["val energy"])
