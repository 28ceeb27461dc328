"""``madelung run``: the jobs from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from madelung.cli.run import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.pairs.complete_pairs import CompletePairs


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with argon and a force field."""
    monkeypatch.chdir(tmp_path)
    bulk("Ar", "fcc", a=5.3).write("POSCAR")
    CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"}).save("argon.json")
    return tmp_path


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--force-field", "argon.json"])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.slow
@pytest.mark.pictures
@pytest.mark.parametrize(
    ("words", "files", "key"),
    [
        (
            ["relax", "--cell"],
            ["relax.json", "relaxed.extxyz", "steps.csv", "relax.png"],
            "converged",
        ),
        (["elastic"], ["elastic.json", "elastic.csv", "elastic.png"], "cubic_GPa"),
        (["eos"], ["eos.json", "eos.csv", "eos.png"], "bulk_modulus_GPa"),
        (["vacancy", "--smallest", "8"], ["vacancy.json", "vacancy.extxyz"], "formation_energy_eV"),
        (
            ["md", "--steps", "20", "--repeat", "2"],
            ["md.json", "log.csv", "trajectory.extxyz", "checkpoint.npz", "final.extxyz"],
            "finished",
        ),
    ],
)
def test_jobs_write_and_print(
    words: list[str], files: list[str], key: str, workplace: Path
) -> None:
    job, *rest = words
    printed = json.loads(run(job, "POSCAR", "--out", "out", "--json", *rest))
    assert printed["job"] == job and printed[key]
    assert json.loads((workplace / "out" / f"{job}.json").read_text()) == printed
    for name in files:
        assert (workplace / "out" / name).stat().st_size > 0


def test_a_table_is_printed(workplace: Path) -> None:
    text = run("relax", "POSCAR", "--out", "out")
    assert "relax, Ar" in text and "largest force" in text and "written to out" in text


def test_what_has_not_converged_has_status_1(workplace: Path) -> None:
    run("relax", "POSCAR", "--cell", "--max-steps", "1", "--out", "out", code=1)
    assert json.loads((workplace / "out" / "relax.json").read_text())["converged"] is False


def test_dynamics_go_on(workplace: Path) -> None:
    run("md", "POSCAR", "--steps", "10", "--out", "out")
    result = CliRunner().invoke(
        app, ["md", "POSCAR", "--steps", "20", "--out", "out", "-f", "argon.json"]
    )
    assert isinstance(result.exception, ForceFieldError)
    printed = run("md", "POSCAR", "--steps", "20", "--out", "out", "--resume", "--json")
    assert json.loads(printed)["steps"] == 20


def test_a_wrong_element_is_named(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["relax", "example:NaCl", "--out", "out", "-f", "argon.json"])
    assert isinstance(result.exception, ForceFieldError)
    assert "does not know" in str(result.exception)
    assert not (workplace / "out").exists()
