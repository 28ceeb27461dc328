"""No record of a data set vanishes unsaid."""

import json
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from madelung.cli import app

CELLS = {"NaCl": 5.6, "KCl": 6.3, "LiF": 4.0, "NaF": 4.6, "KBr": 6.6, "MgO": 4.2, "CaO": 4.8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven crystals; one has no value, and the file of an eighth is not there."""
    place = tmp_path / "mine"
    place.mkdir()
    lines = ["file,energy"]
    for number, (name, length) in enumerate(CELLS.items()):
        bulk(name, "rocksalt", a=length).write(place / f"{name}.cif")
        lines.append(f"{name}.cif,{'n/a' if name == 'KBr' else -number}")
    lines.append("gone.cif,1.0")
    (place / "targets.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def test_info_lists_what_is_not_used(folder: Path) -> None:
    shown = CliRunner().invoke(app, ["data", "info", str(folder)]).output
    assert "not used: " in shown
    assert "gone.cif" in shown
    assert "1 crystals have no value of energy" in shown
    content = json.loads(CliRunner().invoke(app, ["data", "info", str(folder), "--json"]).stdout)
    assert content["problems"] == len(content["dropped"]) == 1
    assert content["targets"][0]["without_value"] == 1


def test_training_lists_what_is_not_used(folder: Path, tmp_path: Path) -> None:
    arguments = ["train", str(folder), "--target", "energy", "--out", str(tmp_path / "run")]
    small = ["--epochs", "1", "--features", "8", "--layers", "1", "--quiet"]
    result = CliRunner().invoke(app, [*arguments, *small])
    assert result.exit_code == 0, result.output
    assert "gone.cif" in result.stderr
    assert "not used: KBr: no value of energy" in result.stderr
    assert "2 records not used" in result.stderr
