"""Atoms that a file or ASE fixes stay fixed in relaxations and in molecular dynamics."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLength, FixSymmetry
from typer.testing import CliRunner

from madelung.calculations.dynamics import DynamicsSettings, run_dynamics
from madelung.calculations.relax import relax
from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.files import load_force_field

CASES = Path(__file__).parents[1] / "forcefields" / "cases"
COPPER = CASES / "Cu.eam.alloy.gz"


def slab(folder: Path, kind: str) -> Path:
    """The slab, whose first eight atoms are fixed, as a file of a kind."""
    if kind == "POSCAR":
        return CASES / "slab.POSCAR"
    atoms = ase.io.read(CASES / "slab.POSCAR", format="vasp")
    ase.io.write(folder / "slab.extxyz", atoms, columns=["symbols", "positions", "move_mask"])
    return folder / "slab.extxyz"


def run(*arguments: str) -> None:
    result = CliRunner().invoke(app, ["run", *arguments, "--force-field", str(COPPER)])
    assert result.exit_code in (0, 1) and not result.stderr.startswith("madelung:"), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


def moved(path: Path) -> np.ndarray:
    start = ase.io.read(CASES / "slab.POSCAR", format="vasp")
    end = ase.io.read(path, index=-1)
    return np.abs(end.positions - start.positions).max(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["POSCAR", "extxyz"])
def test_a_relaxation_keeps_atoms_that_the_file_fixes(tmp_path: Path, kind: str) -> None:
    path, out = str(slab(tmp_path, kind)), tmp_path / "out"
    run("relax", path, "--out", str(out), "--max-steps", "5")
    shifts = moved(out / "relaxed.extxyz")
    assert (shifts[:8] < 1e-7).all() and (shifts[8:] > 1e-4).all()


def test_dynamics_keep_atoms_that_the_file_fixes_also_after_a_stop(tmp_path: Path) -> None:
    path, out = str(CASES / "slab.POSCAR"), tmp_path / "out"
    options = ("--ensemble", "nvt", "--temperature", "300", "--out", str(out))
    run("md", path, *options, "--steps", "5")
    run("md", path, *options, "--steps", "10", "--resume")
    shifts = moved(out / "final.extxyz")
    assert (shifts[:8] < 1e-7).all() and (shifts[8:] > 1e-4).all()
    whole = tmp_path / "whole"
    run("md", path, *options[:-1], str(whole), "--steps", "10")
    assert (whole / "log.csv").read_bytes() == (out / "log.csv").read_bytes()


def test_constraints_that_dynamics_cannot_keep_are_refused(tmp_path: Path) -> None:
    copper = load_force_field(COPPER)
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixSymmetry(atoms))
    crystal = relax(atoms, copper, max_steps=2).crystal
    assert len(crystal) == 4
    with pytest.raises(ForceFieldError, match="degrees of freedom that FixSymmetry takes"):
        run_dynamics(atoms, copper, tmp_path / "symmetric", steps=2)
    thermostat = DynamicsSettings(ensemble="nvt", thermostat="nose-hoover")
    atoms.set_constraint(FixBondLength(0, 1))
    with pytest.raises(ForceFieldError, match="does not keep FixBondLength"):
        run_dynamics(atoms, copper, tmp_path / "chain", steps=1, settings=thermostat)
    atoms.set_constraint(FixAtoms([0]))
    barostat = DynamicsSettings(ensemble="npt")
    with pytest.raises(ForceFieldError, match="moves every atom with the cell"):
        run_dynamics(atoms, copper, tmp_path / "cell", steps=1, settings=barostat)


def test_a_pressure_without_a_cell_is_refused(tmp_path: Path) -> None:
    options = ("--out", str(tmp_path), "--force-field", str(COPPER), "--pressure", "5")
    result = CliRunner().invoke(app, ["run", "relax", str(CASES / "slab.POSCAR"), *options])
    assert result.exit_code == 2 and "--cell" in result.output
    options = (*options, "--steps", "1", "--ensemble", "nvt")
    result = CliRunner().invoke(app, ["run", "md", str(CASES / "slab.POSCAR"), *options])
    assert result.exit_code == 2 and "npt" in result.output
    with pytest.raises(ForceFieldError, match="pressure"):
        DynamicsSettings(ensemble="nvt", pressure=1.0)


def test_a_compressed_file_of_lammps_is_read() -> None:
    found = load_force_field(COPPER).evaluate(bulk("Cu", a=3.615))
    assert found.energy == pytest.approx(-3.54, abs=0.001)
