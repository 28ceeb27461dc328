"""Fits of spline MEAMs from files: errors, pictures and files for LAMMPS."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from pictures import drawn
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.files import load_force_field
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.splines.eam import ElementHeader, SplineEAM
from madelung.forcefields.splines.lammps_files import write_eam_alloy
from madelung.forcefields.splines.run_fit import run_meam_fit
from madelung.forcefields.splines.settings import SplineMEAMSettings

QUICK = {
    "cutoff": 4.0,
    "starts": 1,
    "candidates": 2,
    "searched": 20,
    "search_iterations": 10,
    "pair_knots": 8,
    "density_knots": 6,
    "bond_knots": 5,
    "angle_knots": 5,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by ASE's effective medium theory."""
    random = np.random.default_rng(1)
    frames = []
    for _ in range(30):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture(scope="module")
def job(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = SplineMEAMSettings(elements=("Cu",), iterations=40, **QUICK)
    folder = tmp_path_factory.mktemp("fit") / "Cu"
    with drawn():
        return run_meam_fit(DataFiles((str(data),), test_share=0.2, seed=2), folder, settings)


@pytest.mark.slow
def test_the_fit_predicts_what_it_has_not_seen(job: Any) -> None:
    tested = job.results["errors"]["test"]
    forces = np.concatenate([np.ravel(item.forces) for item in job.comparison.configurations])
    assert tested["force_rmse"] < 0.4 * forces.std()
    # Energies of the elements are those of the training data, in the test as well.
    assert abs(job.comparison.part("training").energy_errors.mean()) < 1e-3


@pytest.mark.slow
def test_the_folder_holds_what_was_promised(job: Any) -> None:
    for name in ("functions.png", "parity.png"):
        assert (job.folder / name).read_bytes().startswith(b"\x89PNG")
    results = json.loads((job.folder / "results.json").read_text())
    with (job.folder / "predictions.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["part"] == "test"]
    differences = [float(row["predicted_energy"]) - float(row["energy"]) for row in rows]
    rmse = 1000.0 * np.sqrt(np.mean(np.square(differences)))
    assert rmse == pytest.approx(results["errors"]["test"]["energy_rmse"], rel=1e-3)


@pytest.mark.slow
def test_both_files_of_the_potential_are_recognised(job: Any) -> None:
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.positions[0, 0] += 0.2
    wanted = job.fit.potential.evaluate(atoms)
    for name in ("potential.json", "potential.meam.spline"):
        found = load_force_field(job.folder / name).evaluate(atoms)
        np.testing.assert_allclose(found.forces, wanted.forces, atol=1e-8)


def test_eam_files_and_their_json_are_recognised(tmp_path: Path) -> None:
    spacing, points = 0.05, 100
    distances = spacing * np.arange(points)
    fall = np.clip(1.0 - distances / distances[-1], 0.0, None) ** 3
    embedding = -np.sqrt(0.1 * np.arange(points))
    header = ElementHeader(63.546, 3.615, "fcc")
    tables = (embedding[None], fall[None], (distances * fall)[None])
    potential = SplineEAM((29,), spacing, 0.1, 4.5, *tables, (header,))
    write_eam_alloy(potential, tmp_path / "Cu.eam.alloy")
    potential.save(tmp_path / "Cu.json")
    atoms = ase.build.bulk("Cu", cubic=True)
    energies = [load_force_field(tmp_path / name).evaluate(atoms).energy for name in
                ("Cu.eam.alloy", "Cu.json")]  # fmt: skip
    assert energies[0] == pytest.approx(energies[1], rel=1e-9)
    (tmp_path / "odd.txt").write_text("nothing\nthat\nis known\n")
    with pytest.raises(ForceFieldError, match="meam/spline"):
        load_force_field(tmp_path / "odd.txt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file"), [("meam", "potential.meam.spline"), ("eam", "potential.eam.alloy")]
)
def test_the_command_fits_and_goes_on(data: Path, tmp_path: Path, kind: str, file: str) -> None:
    (tmp_path / "quick.json").write_text(json.dumps({**QUICK, "iterations": 2}))
    command = ["fit", kind, str(data), "--out", str(tmp_path / "out"), "--quiet"]
    command += ["--config", str(tmp_path / "quick.json")]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "training" in first.output
    assert load_force_field(tmp_path / "out" / file).species == (29,)
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, ForceFieldError)
    resumed = CliRunner().invoke(app, [*command, "--resume"])
    assert resumed.exit_code == 0, resumed.output
