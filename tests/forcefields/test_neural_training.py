"""Training of neural force fields: what it reaches, stopping and going on, several processes."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from commands import run_command, run_together
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError, TrainingError
from madelung.common.interruption import JobInterrupted
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, examples_of, set_scales
from madelung.forcefields.neural.fit_settings import NeuralFitSettings, TrainingCourse
from madelung.forcefields.neural.losses import training_loss
from madelung.forcefields.neural.potential import NeuralEvaluation, NeuralForceField
from madelung.forcefields.neural.run_fit import run_neural_fit
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.training import NeuralTraining
from madelung.forcefields.reference.configurations import SkippedConfigurations, read_configurations
from madelung.forcefields.reference.reference_data import DataFiles

SMALL = {
    "cutoff": 4.0,
    "features": 16,
    "channels": 8,
    "cubic_channels": 4,
    "senders": 3,
    "radial": 6,
    "long_range": False,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alloys of copper and gold by ASE's effective medium theory, moved and strained."""
    random = np.random.default_rng(1)
    frames = []
    for number in range(60):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.8)
        atoms.numbers[random.random(4) < 0.4] = 79
        strain = np.eye(3) + random.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        atoms.info["config_type"] = f"kind {number % 2}"
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "alloys.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


def _examples(data: Path, settings: NeuralSettings) -> list[Example]:
    return examples_of(read_configurations(data), settings, SkippedConfigurations())


def _training(
    data: Path, folder: Path | None = None, **course: object
) -> tuple[NeuralTraining, NeuralSettings]:
    settings = NeuralSettings(elements=("Cu", "Au"), **SMALL)
    examples = _examples(data, settings)[:16]
    torch.manual_seed(0)
    model = EnergyModel(settings)
    spread = set_scales(model, examples[:12])
    chosen = TrainingCourse.model_validate(
        {"epochs": 3, "batch_size": 4, "validations": 3, "checkpoint_minutes": 0.0, **course}
    )
    return NeuralTraining(model, examples[:12], examples[12:], spread, chosen, folder), settings


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = _training(data)[0].run().state_dict()

    class Killed(Exception):
        pass

    def kill(progress: object, steps: int) -> None:
        if progress.step == 5:  # type: ignore[attr-defined]
            raise Killed

    first, _ = _training(data, tmp_path)
    first.report = kill
    with pytest.raises(Killed):
        first.run()
    second, _ = _training(data, tmp_path)
    resumed = second.run(resume=True).state_dict()
    assert second.progress.step == 9
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_a_course_without_a_folder_can_be_interrupted(data: Path) -> None:
    training, _ = _training(data)

    def interrupt(progress: object, steps: int) -> None:
        signal.raise_signal(signal.SIGINT)

    training.report = interrupt
    # Whoever starts the tests in the background makes them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            training.run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert training.progress.step == 1


@pytest.mark.slow
def test_a_course_with_a_folder_keeps_what_it_has(data: Path, tmp_path: Path) -> None:
    training, _ = _training(data, tmp_path)

    def interrupt(progress: object, steps: int) -> None:
        signal.raise_signal(signal.SIGINT)

    training.report = interrupt
    with pytest.raises(JobInterrupted, match="--resume"):
        training.run()
    assert _training(data, tmp_path)[0].run(resume=True) is not None


@pytest.mark.slow
def test_another_course_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    _training(data, tmp_path)[0].run()
    with pytest.raises(TrainingError, match="energy_weight"):
        _training(data, tmp_path, energy_weight=0.7)[0].run(resume=True)
    with pytest.raises(TrainingError, match="no checkpoint"):
        _training(data, tmp_path / "none")[0].run(resume=True)


@pytest.mark.slow
@pytest.mark.pictures
def test_it_learns_alloys(data: Path, tmp_path: Path) -> None:
    """Test errors well below the spread of the data, with stresses learnt beside forces."""
    settings = NeuralFitSettings(
        network=NeuralSettings(elements=("Cu", "Au"), **SMALL),
        course=TrainingCourse(epochs=30, batch_size=4, learning_rate=1e-2),
        members=3,
        validation_share=0.25,
    )
    files = DataFiles((str(data),), test_share=0.25, seed=3)
    job = run_neural_fit(files, tmp_path, settings)
    test = job.comparison.part("test")
    forces = np.concatenate([item.forces.ravel() for item in test.configurations])
    assert test.force_rmse < 0.25 * float(np.sqrt(np.mean(forces**2)))
    assert test.energy_rmse < 20.0
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"potential", "predictions.csv", "results.json", "parity.png", "member-1"}
    assert (tmp_path / "member-0" / "history.png").stat().st_size > 5000
    loaded = load_force_field(tmp_path / "potential")
    assert isinstance(loaded, NeuralForceField)
    assert len(loaded.models) == 3
    configuration = next(iter(read_configurations(data)))
    assert loaded.factors == job.potential.factors
    assert loaded.factors[0] > 0.0
    within = []
    for part, item in files.divided():
        if part == "test":
            found = loaded.evaluate(item.crystal)
            assert isinstance(found, NeuralEvaluation)
            within.append(np.abs(found.forces - item.forces) < found.force_uncertainty)
    # 68 % of the components, were the test part like the validation part.
    assert 0.5 < np.concatenate(within).mean() < 0.85
    found = loaded.evaluate(configuration.crystal)
    assert configuration.stress is not None
    largest = np.abs(configuration.stress).max()
    assert np.abs(found.stress - configuration.stress).max() < 0.5 * largest


@pytest.mark.slow
def test_a_fit_starts_from_what_another_has_learnt(data: Path, tmp_path: Path) -> None:
    network = NeuralSettings(elements=("Cu", "Au"), **SMALL)
    first = NeuralFitSettings(network=network, course=TrainingCourse(epochs=3, learning_rate=1e-2))
    files = DataFiles((str(data),))
    before = run_neural_fit(files, tmp_path / "first", first)
    # Steps so small that nothing changes: what comes out is what went in.
    second = NeuralFitSettings(
        network=network,
        course=TrainingCourse(epochs=1, learning_rate=1e-12, seed=5),
        initial=str(tmp_path / "first" / "potential"),
    )
    after = run_neural_fit(files, tmp_path / "second", second)
    assert after.comparison.energy_rmse == pytest.approx(before.comparison.energy_rmse, rel=1e-3)
    assert after.comparison.force_rmse == pytest.approx(before.comparison.force_rmse, rel=1e-3)
    other = second.model_copy(update={"network": network.model_copy(update={"layers": 3})})
    with pytest.raises(ForceFieldError, match="other settings"):
        run_neural_fit(files, tmp_path / "third", other)


def test_tukeys_loss_rejects_what_is_far_off(data: Path) -> None:
    """A guess that is absurdly wrong adds no gradient, and one that is right adds its square's."""
    training, settings = _training(data)
    model, spread, course = training.model, training.spread, training.course
    model.eval()
    examples = _examples(data, settings)[:8]

    def gradient(members: list[Example]) -> torch.Tensor:
        model.zero_grad()
        training_loss(model, members, spread, course).backward()
        weight = model.outputs[0].weight
        assert weight.grad is not None
        return weight.grad.clone()

    def pseudo_labelled(offset: float) -> list[Example]:
        pseudo_labelled = []
        for index, example in enumerate(examples):
            energies = example.energies + (offset if index == 0 else 0.0)
            pseudo_labelled.append(
                Example(str(index), example.surroundings, energies, pseudo_labelled=True)
            )
        return pseudo_labelled

    far, farther = gradient(pseudo_labelled(1e4)), gradient(pseudo_labelled(1e6))
    assert torch.allclose(far, farther, rtol=1e-4, atol=1e-7)
    squared = [Example("", item.surroundings, item.energies) for item in pseudo_labelled(1e4)]
    assert float(gradient(squared).abs().max()) > 100.0 * float(far.abs().max())


@pytest.mark.slow
def test_charges_are_learnt_where_structures_carry_them(data: Path) -> None:
    settings = NeuralSettings(elements=("Cu", "Au"), **{**SMALL, "long_range": True})
    charged = []
    for item in list(read_configurations(data))[:8]:
        charges = np.where(np.array(item.crystal.numbers) == 79, -0.2, 0.1)
        charged.append(replace(item, crystal=replace(item.crystal, charges=charges)))
    examples = examples_of(charged, settings, SkippedConfigurations())
    torch.manual_seed(0)
    model = EnergyModel(settings)
    spread = set_scales(model, examples)
    course = TrainingCourse(epochs=100, batch_size=4, charge_weight=50.0, learning_rate=1e-2)
    NeuralTraining(model, examples, examples, spread, course).run()
    force_field = NeuralForceField([model])
    for item in charged:
        found = force_field.evaluate(item.crystal)
        assert isinstance(found, NeuralEvaluation)
        assert found.charges == pytest.approx(item.crystal.charges, abs=0.05)


@pytest.mark.slow
def test_the_command_trains_and_says_what_is_wrong(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({"network": {**SMALL, "elements": ["Cu", "Au"]}}))
    arguments = ["fit", "neural", str(data), "--config", str(config), "--epochs", "2", "--quiet"]
    arguments += ["--out", str(tmp_path / "fit")]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert "training" in run.output
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code != 0
    results = json.loads((tmp_path / "fit" / "results.json").read_text())
    assert results["errors"]["training"]["configurations"] == 60
    other = [*arguments[:-1], str(tmp_path / "other"), "--layers", "9"]
    assert CliRunner().invoke(app, other).exit_code != 0


@pytest.mark.slow
def test_madelung_train_learns_forces_too(data: Path, tmp_path: Path) -> None:
    arguments = ["train", str(data), "--target", "energy,forces", "--out", str(tmp_path)]
    refused = CliRunner().invoke(app, [*arguments, "--weight-decay", "0.1"])
    assert refused.exit_code != 0
    assert "weight-decay" in str(refused.exception) + refused.output
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({"network": {**SMALL, "elements": ["Cu", "Au"]}}))
    arguments += ["--config", str(config), "--epochs", "1", "--quiet"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert isinstance(load_force_field(tmp_path / "potential"), NeuralForceField)


@pytest.mark.slow
def test_configurations_that_do_not_fit_are_counted(data: Path, tmp_path: Path) -> None:
    settings = NeuralFitSettings(
        network=NeuralSettings(elements=("Cu",), **SMALL), course=TrainingCourse(epochs=1)
    )
    job = run_neural_fit(DataFiles((str(data),)), tmp_path, settings)
    pure = sum(item.crystal.symbols == ["Cu"] * 4 for item in read_configurations(data))
    assert job.results["skipped"] == 60 - pure
    assert "Au" in job.results["problems"][0]
    with pytest.raises(ForceFieldError, match="no configuration to learn from"):
        run_neural_fit(
            DataFiles((str(data),)),
            tmp_path / "none",
            settings.model_copy(update={"network": NeuralSettings(elements=("Fe",), **SMALL)}),
        )


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch has no processes")
def test_two_processes_take_the_steps_of_one(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({"network": {**SMALL, "elements": ["Cu", "Au"]}}))
    command = ["fit", "neural", str(data), "--config", str(config)]
    command += ["--epochs", "1", "--batch-size", "8", "--quiet", "--out"]
    alone = run_command(*command, tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    run_together(2, *command, tmp_path / "two", folder=tmp_path)
    configuration = next(iter(read_configurations(data)))
    one, two = (
        load_force_field(tmp_path / folder / "potential").evaluate(configuration.crystal)
        for folder in ("one", "two")
    )
    assert one.energy == pytest.approx(two.energy, abs=1e-3)
    assert two.forces == pytest.approx(one.forces, abs=1e-3)
