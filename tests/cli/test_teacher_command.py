"""``madelung teach``: labels, tables, the map, and messages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.teaching.labels import TeacherLabels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper and gold by ASE's effective medium theory, in two groups; two without energy."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(20):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6 + 0.02 * (number % 5))
        if number % 2:
            atoms.symbols[0] = "Au"
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        atoms.info["config_type"] = "alloy" if number % 2 else "pure"
        atoms.calc = EMT()
        atoms.get_forces()
        if number < 2:
            del atoms.calc.results["energy"], atoms.calc.results["energies"]
            del atoms.calc.results["free_energy"]
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "alloy.extxyz"
    ase.io.write(path, frames)
    return path


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["teach", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.pictures
def test_labels_and_report(data: Path, tmp_path: Path) -> None:
    labels, out = tmp_path / "labels", tmp_path / "report"
    teachers = ("emt=ase:emt", 'lj=ase:lj:{"sigma": 2.3, "epsilon": 0.3}')
    options = [word for teacher in teachers for word in ("--teacher", teacher)]
    text = run("label", data, *options, "--out", labels, "--processes", 2, "--quiet")
    assert "20 configurations" in text
    loaded = TeacherLabels.load(labels / "labels.safetensors")
    assert loaded.known.all()
    assert loaded.elements == (29, 79)
    text = run("report", labels, data, "--out", out, "--mixture", "--quiet")
    assert "18 configurations" in text
    assert "best of each" in text
    results = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert results["with_reference"] == 18
    first = results["errors"][0]
    # Shifts of two elements can bring the other one to zero for two configurations.
    assert (first["teacher"], first["group"]) == ("emt", "all")
    assert first["share"] >= 16 / 18
    assert first["rms"] == pytest.approx(0.0, abs=1e-3)
    assert {row["group"] for row in results["errors"]} == {"all", "pure", "alloy"}
    with (out / "map.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["best"] == "" for row in rows] == [True, True, *[False] * 18]
    with (out / "pseudo_labels.csv").open(encoding="utf-8") as stream:
        pseudo = list(csv.DictReader(stream))
    assert [row["labelled"] for row in pseudo] == ["0", "0", *["1"] * 18]
    assert float(pseudo[0]["energy"]) == pytest.approx(loaded.energies[0, 0], abs=0.01)
    assert (out / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_of_a_table(data: Path, tmp_path: Path) -> None:
    frames = ase.io.read(data, ":")
    table = tmp_path / "energies.csv"
    lines = ["set,i,natoms,E_DFT,one,two"]
    for number, atoms in enumerate(frames):
        known = "" if number < 2 else f"{atoms.get_potential_energy():.6f}"
        lines.append(f"alloy,{number},4,{known},{number % 3},nan")
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = run("report", table, data, "--out", tmp_path / "report", "--threshold", "1e-6")
    assert "no teacher is good enough for" in text
    results = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert results["labels_missing"] == {"one": 0, "two": 20}
    assert len(results["reasons"]) == 20


@pytest.mark.slow
def test_no_label_at_all_is_a_failure(data: Path, tmp_path: Path) -> None:
    words = ["teach", "label", str(data), "--out", str(tmp_path), "--quiet"]
    failing = ["--teacher", "python:teacher_doubles:failing_at_birth"]
    for _ in range(2):
        result = CliRunner().invoke(app, [*words, *failing], catch_exceptions=False)
        assert result.exit_code == 1
        assert "no licence" in result.stdout
        assert result.stderr == "no teacher has labelled anything; the reasons are above\n"


@pytest.mark.slow
def test_labels_of_other_configurations_are_refused(data: Path, tmp_path: Path) -> None:
    run("label", data, "--teacher", "ase:emt", "--no-forces", "--out", tmp_path, "--quiet")
    assert TeacherLabels.load(tmp_path / "labels.safetensors").forces is None
    other = tmp_path / "other.extxyz"
    ase.io.write(other, ase.io.read(data, ":5"))
    with pytest.raises(ForceFieldError, match="the labels are of 20 configurations"):
        run("report", tmp_path, other, "--out", tmp_path / "report")
    with pytest.raises(ForceFieldError, match="there is no such file"):
        run("report", tmp_path / "nothing", data, "--out", tmp_path / "report")
