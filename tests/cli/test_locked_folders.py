"""A folder that another process writes to is left alone by every command that writes to folders."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import ase.build
import pytest
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import OutputError
from madelung.common.locks import LOCK_FILE
from madelung.forcefields.pairs.complete_pairs import CompletePairs

FIELD = ("--force-field", "argon.json")
COMMANDS = {
    "relax": ("run", "relax", "POSCAR", *FIELD),
    "elastic": ("run", "elastic", "POSCAR", *FIELD),
    "eos": ("run", "eos", "POSCAR", *FIELD),
    "vacancy": ("run", "vacancy", "POSCAR", *FIELD),
    "md": ("run", "md", "POSCAR", "--steps", "2", *FIELD),
    "md, going on": ("run", "md", "POSCAR", "--steps", "2", "--resume", *FIELD),
    "benchmark": ("benchmark", "matbench_jdft2d", "--data", "copper.extxyz"),
    "label": ("teach", "label", "copper.extxyz", "--teacher", "ase:emt"),
    "report": ("teach", "report", "energies.csv", "copper.extxyz"),
    "teach": ("teach", "train", "energies.csv", "copper.extxyz"),
    "next": ("teach", "next", "-", "copper.extxyz", "--count", "1"),
    "evaluate": ("evaluate", "mp-formation-energy", "copper.extxyz", "--target", "energy"),
    "phonons compare": ("phonons", "compare", "POSCAR"),
    "phonons fit": ("phonons", "fit", "POSCAR"),
    "phonons evaluate": ("phonons", "evaluate", "POSCAR"),
    "phonons expansion": ("phonons", "expansion", "POSCAR", *FIELD),
    "rank": ("rank", "POSCAR"),
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands need, and a folder that another process writes to."""
    monkeypatch.chdir(tmp_path)
    ase.build.bulk("Ar", "fcc", a=5.3).write("POSCAR")
    CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"}).save("argon.json")
    copper = ase.build.bulk("Cu")
    copper.calc = EMT()
    copper.get_forces()
    copper.write("copper.extxyz")
    Path("energies.csv").write_text("set,i,natoms,E_DFT,emt\ncopper,0,1,-0.005682,0.0\n")
    (tmp_path / "taken").mkdir()
    return tmp_path


@pytest.fixture
def taken(workplace: Path) -> Iterator[Path]:
    """Hold the lock as another process would: by a handle of its own."""
    handle = os.open(workplace / "taken" / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield workplace / "taken"
    os.close(handle)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_folder_in_use_is_refused(command: tuple[str, ...], taken: Path) -> None:
    result = CliRunner().invoke(app, [*command, "--out", str(taken)])
    assert isinstance(result.exception, OutputError), result.output
    assert str(result.exception).startswith(f"{taken}: another process is writing there")
    assert [path.name for path in taken.iterdir()] == [LOCK_FILE]


@pytest.mark.slow
def test_the_lock_goes_with_the_job(workplace: Path) -> None:
    for folder in ("new", "taken"):
        for _ in range(2):
            words = ["run", "relax", "POSCAR", *FIELD, "--out", folder]
            assert CliRunner().invoke(app, words).exit_code == 0
        assert not (workplace / folder / LOCK_FILE).exists()
    # A job that fails before it writes anything leaves no folder.
    assert CliRunner().invoke(app, ["run", "relax", "none", *FIELD, "--out", "other"]).exit_code
    assert not (workplace / "other").exists()
