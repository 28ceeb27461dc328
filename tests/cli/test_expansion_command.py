"""``madelung phonons expansion``: argon against published numbers, and what goes wrong."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from commands import run_command
from places import ROOT

from madelung.forcefields.pairs.complete_pairs import CompletePairs


@pytest.fixture(scope="module")
def argon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("argon")
    CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.40"}).save(folder / "argon.json")
    ase.io.write(folder / "argon.cif", ase.build.bulk("Ar", a=5.28))
    return folder


@pytest.mark.pictures
def test_argon_expands_as_measured(argon: Path) -> None:
    """Measured: lattice constant 5.300 Å at 0 K and 5.34 at 40 K; bulk modulus 2.7 GPa at 4 K.

    O. G. Peterson et al., Phys. Rev. 150, 703 (1966); the classical parameters are those of Kittel.
    """
    done = run_command(
        "phonons", "expansion", argon / "argon.cif", "--force-field", argon / "argon.json",
        "--supercell", 3, 3, 3, "--temperatures", "0:40:4", "--out", argon / "found", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row == json.loads((argon / "found" / "expansion.json").read_text())
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    section = page.split("## `madelung phonons expansion --json`\n")[1].split("\n## ")[0]
    documented = "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))
    assert list(row) == re.findall(r"`(\w+)`", documented)
    assert row["formula"] == "Ar" and row["temperature"] == 40.0
    with (argon / "found" / "expansion.csv").open() as stream:
        table = list(csv.DictReader(stream))
    lattice = [(4.0 * float(one["volume"])) ** (1 / 3) for one in table]
    assert lattice[0] == pytest.approx(5.30, abs=0.03)
    assert lattice[-1] - lattice[0] == pytest.approx(0.04, abs=0.015)
    assert float(table[0]["bulk_modulus"]) == pytest.approx(2.7, rel=0.15)
    assert table[0]["grueneisen"] == "" and 2.0 < float(table[-1]["grueneisen"]) < 3.5
    with (argon / "found" / "grueneisen.csv").open() as stream:
        modes = [float(one["grueneisen"]) for one in csv.DictReader(stream) if one["grueneisen"]]
    # A crystal of a Lennard-Jones potential has Grüneisen parameters near three.
    assert 2.5 < np.mean(modes) < 3.6
    for name in ("volumes.csv", "expansion.png"):
        assert (argon / "found" / name).stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strains", "a,b"], "--strains"),
        (["--strains", "0,0.01,0.02"], "at least 5 strains"),
        (["--temperatures", "5:1:1"], "--temperatures"),
        (["--strains", "0.10,0.11,0.12,0.13,0.14"], "smaller strains"),
        # The free energy has its minimum between the volumes, the static energy at their end.
        (["--strains", "0.003,0.01,0.017,0.024,0.031,0.038"], "on both sides"),
    ],
)
def test_what_goes_wrong_is_a_line_and_nothing_is_written(
    argon: Path, words: list[str], message: str, tmp_path: Path
) -> None:
    done = run_command(
        "phonons", "expansion", argon / "argon.cif", "--force-field", argon / "argon.json",
        "--supercell", 2, 2, 2, "--out", tmp_path / "found", *words,
    )  # fmt: skip
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "found" / "expansion.csv").exists()
