"""Networks taught by empirical potentials: who may see what, ways, learning curves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neural.fit_settings import TrainingCourse
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.reference import configurations as reading
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.teaching.classifier import train_classifier
from madelung.teaching.labelling import label_configurations
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.pseudo_labels import chosen_pseudo_labels, mixed_pseudo_labels
from madelung.teaching.run_teaching import TeachingShares, teach_networks
from madelung.teaching.strategies import METHODS, Lesson, TeachingSettings, read_teaching_settings
from madelung.teaching.task import PUBLISHED_SHARES, divide_task
from madelung.teaching.teachers import parse_teachers

NETWORK = {
    "elements": ("Cu",), "cutoff": 4.0, "features": 12, "channels": 6, "cubic_channels": 3,
    "senders": 2, "radial": 5, "long_range": False,
}  # fmt: skip
SETTINGS = TeachingSettings(
    network=NeuralSettings.model_validate(NETWORK),
    course=TrainingCourse(validations=2),
    steps=30,
    least_epochs=1,
    pretraining=TrainingCourse(epochs=4, batch_size=4, force_weight=0.0),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by effective medium theory as the reference, some structures without it."""
    random = np.random.default_rng(2)
    frames = []
    for number in range(70):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6 * (1.0 + 0.04 * random.normal()))
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        if number < 60:
            atoms.calc = EMT()
            atoms.get_potential_energy(), atoms.get_forces()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture(scope="module")
def configurations(data: Path) -> list[Configuration]:
    return list(read_configurations(data, bare=True))


@pytest.fixture(scope="module")
def labels(
    configurations: list[Configuration], tmp_path_factory: pytest.TempPathFactory
) -> TeacherLabels:
    teachers = parse_teachers(
        [
            'good=ase:lj:{"sigma": 2.3, "epsilon": 0.45, "rc": 6.0, "smooth": true}',
            'bad=ase:lj:{"sigma": 2.5, "epsilon": 0.2, "rc": 6.0, "smooth": true}',
        ]
    )
    return label_configurations(configurations, teachers, tmp_path_factory.mktemp("labels"))


def test_bare_structures_are_taken_only_if_wanted(data: Path) -> None:
    with pytest.warns(UserWarning, match="left out: 10"):
        assert len(list(read_configurations(data))) == 60
    assert len(list(read_configurations(data, bare=True))) == 70


@pytest.mark.slow
def test_no_configuration_is_in_two_parts(
    configurations: list[Configuration], labels: TeacherLabels
) -> None:
    labelled, validation, test = PUBLISHED_SHARES
    tasks = [
        divide_task(
            configurations,
            labels,
            labelled_share=3 * labelled,
            validation_share=validation,
            test_share=test,
            fraction=fraction,
            seed=4,
        )
        for fraction in (0.3, 1.0)
    ]
    for task in tasks:
        parts = (task.labelled, task.unlabelled, task.validation, task.test)
        assert sorted(np.concatenate(parts).tolist()) == list(range(70))
        known = np.flatnonzero(np.isfinite(task.reference_energies))
        assert sorted(task.labelled.tolist()) == known.tolist()
    few, all_of_them = tasks
    assert set(few.labelled.tolist()) < set(all_of_them.labelled.tolist())
    assert few.test.tolist() == all_of_them.test.tolist()
    assert len(all_of_them.labelled) == round(0.36 * 60)
    with pytest.raises(ForceFieldError, match="too few"):
        divide_task(configurations, labels, validation_share=0.5, test_share=0.49)


@pytest.mark.slow
def test_no_reference_of_the_unlabelled_is_looked_at(
    configurations: list[Configuration], labels: TeacherLabels
) -> None:
    """Guesses are the same whatever energies stand with the unlabelled and the test part."""
    from dataclasses import replace

    task = divide_task(configurations, labels, labelled_share=0.4, seed=1)
    hidden = set(range(70)) - set(task.labelled.tolist())
    forged = [
        replace(item, energy=1e3, forces=None) if index in hidden else item
        for index, item in enumerate(configurations)
    ]
    pseudo_labelled = []
    for known in (task, replace(task, configurations=forged)):
        lesson = Lesson(known, SETTINGS)
        arguments = (known, lesson.surroundings, lesson.network)
        pseudo_labelled.append(
            [*chosen_pseudo_labels(*arguments, 0.1, 0), *mixed_pseudo_labels(*arguments, 0)]
        )
    assert len(pseudo_labelled[0]) >= len(task.unlabelled)
    for one, other in zip(*pseudo_labelled, strict=True):
        np.testing.assert_array_equal(one.energies, other.energies)
        assert one.energy_weight == other.energy_weight
        assert one.force_weight == other.force_weight


def test_changes_of_a_course_leave_the_rest_of_it_as_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("network: {elements: [Cu]}\ncourse: {batch_size: 1, validations: 7}\n")
    changed = read_teaching_settings(path, {"course": {"stress_weight": 0.0}}, ())
    course = changed.course
    assert (course.batch_size, course.validations, course.stress_weight) == (1, 7, 0.0)
    unchanged = read_teaching_settings(None, {"network": {"elements": ["Cu"]}}, ())
    assert unchanged == TeachingSettings(network=NeuralSettings(elements=("Cu",)))
    path.write_text("network: {elements: [Cu]}\ncourse: 3\n")
    with pytest.raises(ForceFieldError, match="'course' has to hold names and values"):
        read_teaching_settings(path, {}, ())


@pytest.mark.slow
def test_the_classifier_learns_who_is_right() -> None:
    """Structures of two densities, and the teacher that belongs to each."""
    from madelung.crystals.crystal import Crystal
    from madelung.forcefields.neural.surroundings import Surroundings

    settings = NeuralSettings.model_validate(NETWORK)
    random = np.random.default_rng(0)
    structures, classes = [], []
    for number in range(60):
        edge = 3.4 if number % 2 else 4.2
        atoms = ase.build.bulk("Cu", cubic=True, a=edge + 0.05 * random.normal())
        structures.append(Surroundings.of(Crystal.from_ase(atoms), (29,), 4.0))
        classes.append(2 * (number % 2))
    learnt = np.array(classes[:40])
    classifier = train_classifier(structures[:40], learnt, 3, settings, seed=0)
    assert classifier.classify(structures[40:]).tolist() == classes[40:]


@pytest.mark.slow
def test_a_pretrained_network_begins_as_the_best_teacher(
    configurations: list[Configuration], labels: TeacherLabels
) -> None:
    task = divide_task(configurations, labels, labelled_share=0.4)
    lesson = Lesson(task, SETTINGS)
    pretrained = lesson.pretrain()
    started = lesson._started_from(pretrained)
    example = lesson._references([0])[0]
    from madelung.forcefields.neural.surroundings import AtomBatch

    batch = AtomBatch.join([example.surroundings], lesson.network.cutoff)
    with torch.no_grad():
        energies = batch.sums(started(batch).energies)[0]
    good = lesson.network.heads.index("good")
    shift = started.reference[0, 0] - started.reference[0, good]
    assert float(energies[0]) == pytest.approx(float(energies[good] + 4 * shift), abs=1e-4)


@pytest.mark.slow
@pytest.mark.pictures
def test_all_ways_run_and_go_on(
    configurations: list[Configuration], labels: TeacherLabels, tmp_path: Path
) -> None:
    shares = TeachingShares(labelled=0.4, validation=0.1, test=0.2)
    first = teach_networks(
        configurations, labels, tmp_path, SETTINGS, methods=METHODS[:3], shares=shares
    )
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    taught = teach_networks(
        configurations, labels, tmp_path, SETTINGS, methods=METHODS, fractions=(1.0,), shares=shares
    )
    assert [row["method"] for row in taught.rows] == list(METHODS)
    assert taught.rows[:3] == first.rows
    for path, stamp in stamps.items():
        assert path.stat().st_mtime_ns == stamp
    assert all(np.isfinite(row["energy_rmse"]) for row in taught.rows)
    loaded = load_force_field(tmp_path / "ours-1" / "potential")
    assert np.isfinite(loaded.evaluate(configurations[0].crystal).energy)
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000
    with pytest.raises(ForceFieldError, match="steps was 30 and is 31"):
        teach_networks(
            configurations, labels, tmp_path, SETTINGS.model_copy(update={"steps": 31}),
            shares=shares,
        )  # fmt: skip


@pytest.mark.slow
def test_a_job_killed_before_it_wrote_a_result_goes_on(
    configurations: list[Configuration], labels: TeacherLabels, tmp_path: Path
) -> None:
    shares = TeachingShares(labelled=0.4, validation=0.1, test=0.2)
    for folder in ("whole", "killed"):
        if folder == "killed":
            # What is there between the first file of a job and its last one.
            shutil.copytree(tmp_path / "whole", tmp_path / folder)
            (tmp_path / folder / "pretrained" / "card.json").unlink()
            (tmp_path / folder / "transfer-1" / "result.json").unlink()
            (tmp_path / folder / "transfer-1" / "predictions.csv").write_text("id,se")
            (tmp_path / folder / "results.json").unlink()
        teach_networks(
            configurations, labels, tmp_path / folder, SETTINGS, methods=["transfer"], shares=shares
        )
    names = ("pretrained/weights.safetensors", "transfer-1/predictions.csv")
    for name in (*names, "transfer-1/potential/weights.safetensors"):
        whole, killed = (tmp_path / folder / name for folder in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes()


@pytest.mark.slow
def test_the_command_teaches(
    data: Path,
    configurations: list[Configuration],
    labels: TeacherLabels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path] = []
    original = reading.open_text
    monkeypatch.setattr(
        reading, "open_text", lambda path, *rest: (opened.append(path), original(path, *rest))[1]
    )
    stored = tmp_path / "labels.safetensors"
    labels.save(stored)
    config = tmp_path / "settings.yaml"
    content = SETTINGS.model_dump(mode="json", exclude={"seed"})
    del content["network"]["elements"]  # the data say what they are
    config.write_text(json.dumps(content))
    arguments = ["teach", "train", str(stored), str(data), "--config", str(config), "--quiet"]
    run = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--steps", "8"])
    assert run.exit_code == 0, run.output
    assert "ours" in run.output
    assert opened == [data]
    wrong = [*arguments, "--out", str(tmp_path / "wrong"), "--method", "magic"]
    assert CliRunner().invoke(app, wrong).exit_code != 0
