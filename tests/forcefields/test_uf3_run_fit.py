"""UF3 fits from files: errors, pictures, files for LAMMPS, stopping and going on, sweeps."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
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
from madelung.common.interruption import Interruption, JobInterrupted
from madelung.forcefields.reference.comparison import compare
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.reference.reference_data import GROUPS, TEST, DataFiles
from madelung.forcefields.uf3 import assembly
from madelung.forcefields.uf3.assembly import assemble_files
from madelung.forcefields.uf3.fit import assemble, fit_uf3
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.run_fit import run_uf3_fit
from madelung.forcefields.uf3.settings import UF3Settings, read_uf3_settings
from madelung.forcefields.uf3.sweep import sweep_uf3
from madelung.forcefields.uf3.tuning import cross_validation, tune_weights

SETTINGS = UF3Settings(
    elements=("Cu",),
    two_body={"minimum": 1.8, "maximum": 5.0, "intervals": 12},
    three_body={"minimum": 1.8, "maximum": 3.6, "intervals": (5, 5, 8)},
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by ASE's effective medium theory: bulk cells, moved and strained at random."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(48):
        atoms = ase.build.bulk("Cu", cubic=True) * ((2, 1, 1) if number % 2 else (1, 1, 1))
        strain = np.eye(3) + random.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += random.normal(scale=0.12, size=atoms.positions.shape)
        atoms.info["config_type"] = "double" if number % 2 else "single"
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_forces()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture(scope="module")
def job(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("fit") / "Cu"
    with drawn():
        return run_uf3_fit(DataFiles((str(data),), test_share=0.25, seed=1), folder, SETTINGS)


@pytest.mark.slow
def test_a_fit_predicts_configurations_that_it_has_not_seen(job: Any) -> None:
    errors = job.results["errors"]
    spread = np.std([item.energy for item in job.comparison.configurations])
    assert errors["test"]["configurations"] + errors["training"]["configurations"] == 48
    assert errors["test"]["energy_rmse"] < 100.0 * spread  # a tenth of the spread, in meV
    assert errors["test"]["force_rmse"] < 0.1
    assert errors["training"]["energy_rmse"] < errors["cross-validation"]["energy_rmse"]
    assert set(job.results["errors_by_group"]["training"]) == {"single", "double"}


@pytest.mark.slow
def test_the_folder_holds_what_was_promised(job: Any) -> None:
    pictures = ("two_body.png", "three_body.png", "parity.png", "learning_curve.png")
    for name in pictures:
        assert (job.folder / name).read_bytes().startswith(b"\x89PNG")
    with (job.folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    tested = [row for row in rows if row["part"] == TEST]
    differences = [float(row["predicted_energy"]) - float(row["energy"]) for row in tested]
    rmse = 1000.0 * np.sqrt(np.mean(np.square(differences)))
    assert rmse == pytest.approx(job.results["errors"]["test"]["energy_rmse"], rel=1e-4)
    curve = job.results["learning_curve"]
    counts = [row["configurations"] for row in curve]
    assert counts == sorted(counts) and counts[-1] == len(rows) - len(tested)


@pytest.mark.slow
def test_files_of_the_potential_say_the_same(job: Any, data: Path) -> None:
    configuration = next(read_configurations(data))
    wanted = job.potential.evaluate(configuration.crystal)
    for name in ("potential.json", "potential.uf3"):
        found = UF3Potential.load(job.folder / name).evaluate(configuration.crystal)
        offset = found.energies - wanted.energies  # LAMMPS's form has no energies of species
        np.testing.assert_allclose(offset, offset[0], atol=1e-9)
        np.testing.assert_allclose(found.forces, wanted.forces, atol=1e-9)


@pytest.mark.slow
def test_errors_of_the_equations_are_those_of_the_predictions(job: Any) -> None:
    equations = NormalEquations.load(job.folder / "equations.npz")
    training = equations.without(TEST)
    errors = training.solve().errors
    own = job.results["errors"]["training"]
    assert 1000.0 * errors["energy"] == pytest.approx(own["energy_rmse"], rel=1e-3)
    assert errors["forces"] == pytest.approx(own["force_rmse"], rel=1e-3)


@pytest.mark.slow
def test_a_fit_that_is_stopped_goes_on_to_the_same_potential(
    job: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = DataFiles((str(data),), test_share=0.25, seed=1)
    monkeypatch.setattr(assembly, "_CHUNK", 10)

    def stopped(self: Interruption) -> Interruption:
        self.requested = True
        return self

    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "__enter__", stopped)
        with pytest.raises(JobInterrupted, match="--resume"):
            assemble_files(files, SETTINGS, tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["done"] == 10
    with pytest.raises(ForceFieldError, match="--resume"):
        run_uf3_fit(files, tmp_path, SETTINGS)
    with pytest.raises(ForceFieldError, match=r"other data: test_share was 0\.25"):
        run_uf3_fit(DataFiles((str(data),)), tmp_path, SETTINGS, resume=True)
    resumed = run_uf3_fit(files, tmp_path, SETTINGS, resume=True)
    for one, other in zip(resumed.potential.pairs, job.potential.pairs, strict=True):
        np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-5, atol=1e-7)


def test_bad_configurations_are_counted_and_left_out(data: Path, tmp_path: Path) -> None:
    frames = ase.io.read(data, ":")
    odd = frames[0].copy()
    odd.numbers[0] = 79
    odd.calc = EMT()
    odd.get_forces()
    ase.io.write(tmp_path / "odd.extxyz", [odd, *frames[1:]], format="extxyz")
    result = run_uf3_fit(DataFiles((str(tmp_path / "odd.extxyz"),)), tmp_path / "out", SETTINGS)
    assert result.results["skipped"] == 1
    assert "Au" in result.results["problems"][0]
    assert result.results["errors"]["training"]["configurations"] == 47


def test_cross_validation_is_what_separate_fits_give(data: Path) -> None:
    labelled = [(part, item) for part, item in DataFiles((str(data),)).read(lambda problem: None)]
    equations, _ = assemble([replace(item, group=part) for part, item in labelled], SETTINGS)
    found = cross_validation(equations)
    assert found is not None
    squares, count = 0.0, 0
    for left_out in equations.groups:
        others = [item for part, item in labelled if part != left_out]
        own = [(part, item) for part, item in labelled if part == left_out]
        potential = _fitted(others)
        errors = compare(potential, own).energy_errors
        squares, count = squares + float(errors @ errors), count + len(errors)
    assert found.configurations == count == 48
    assert found.energy_rmse == pytest.approx(1000.0 * np.sqrt(squares / count), rel=1e-3)


def _fitted(configurations: list[Configuration]) -> Any:
    return fit_uf3(configurations, SETTINGS).potential


@pytest.mark.slow
def test_tuning_does_not_worsen_cross_validation(job: Any) -> None:
    training = NormalEquations.load(job.folder / "equations.npz").without(TEST)
    tuned = cross_validation(training, tune_weights(training, SETTINGS))
    before = cross_validation(training, SETTINGS)
    assert tuned is not None and before is not None
    assert tuned.score < 1.05 * before.score


@pytest.mark.slow
@pytest.mark.pictures
def test_a_sweep_goes_on_and_finds_its_front(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    files, start = DataFiles((str(data),)), SETTINGS.model_copy(update={"three_body": None})
    first = sweep_uf3(files, tmp_path, start, trials=2, configurations=24)
    second = sweep_uf3(files, tmp_path, start, trials=5, configurations=24)
    assert [trial.score for trial in second[:2]] == [trial.score for trial in first]
    assert len(second) == 5
    best = min(second, key=lambda trial: trial.score)
    assert any(trial.efficient and trial.score == best.score for trial in second)
    settings = UF3Settings(**json.loads((tmp_path / "best.json").read_text()))
    assert settings == best.settings
    assert (tmp_path / "sweep.png").is_file()
    with pytest.raises(ForceFieldError, match="other settings: three_body"):
        sweep_uf3(files, tmp_path, SETTINGS, trials=6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"two_body": "1.5:5.5"}, "MIN:MAX:N"),
        ({"three_body": "1.5:4:a,b,c"}, "MIN:MAX:L,M,N"),
        ({"kappa": 2.0}, "kappa"),
        ({"elements": ("Xx",)}, "Xx"),
    ],
)
def test_wrong_settings_are_named(data: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ForceFieldError, match=message):
        read_uf3_settings(None, changes, (str(data),))


@pytest.fixture
def runner() -> Iterator[CliRunner]:
    yield CliRunner()


def test_the_command_fits_and_says_where(runner: CliRunner, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["fit", "uf3", str(data), "--out", str(out), "--two-body", "1.8:5:12"]
    result = runner.invoke(app, [*command, "--three-body", "none", "--test-share", "0.2"])
    assert result.exit_code == 0, result.output
    assert "cross-validation" in result.output and str(out) in result.output.replace("\n", "")
    assert not (out / "three_body.png").exists()
    assert UF3Potential.load(out / "potential.json").triplets == ()


def test_parts_are_dealt_the_same_each_time(data: Path) -> None:
    files = DataFiles((str(data),), test_share=0.3, seed=5)
    first = [(part, item.id) for part, item in files.read(lambda problem: None)]
    again = [(part, item.id) for part, item in files.read(lambda problem: None)]
    assert first == again
    assert {part for part, _ in first} <= {*GROUPS, TEST}
