"""Whether a job that goes on is the one that was begun: one protocol, for every kind of job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from pydantic import BaseModel

import madelung as md
from madelung.common.errors import MadelungError, TrainingError
from madelung.common.resuming import default_settings, differences, require_same_job
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import examples_of, set_scales
from madelung.forcefields.neural.fit_settings import TrainingCourse, require_same_course
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.training import NeuralTraining
from madelung.forcefields.reference.configurations import (
    Configuration,
    SkippedConfigurations,
    read_configurations,
)
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.splines.fit import fit_spline_meam
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.forcefields.uf3.assembly import assemble_files
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.learning.checkpoints import read_checkpoint
from madelung.teaching.journal import LabelJournal
from madelung.teaching.teachers import Teacher
from madelung.training.settings import TrainingSettings, is_same_training


class Inner(BaseModel):
    width: float = 1.0
    knots: tuple[int, ...] = (1, 2)


class Outer(BaseModel):
    name: str
    inner: Inner = Inner(width=2.0)
    other: Inner | None = Inner()
    ranges: dict[str, float] = {}


def settings_of(**changes: Any) -> dict[str, Any]:
    return {"settings": Outer(name="a", **changes).model_dump()}


def test_what_differs_is_named_with_both_values(tmp_path: Path) -> None:
    begun = json.loads(json.dumps(settings_of()))
    require_same_job(begun, settings_of(), tmp_path, TrainingError)
    changed = settings_of(inner=Inner(width=3.0, knots=(1, 5)))
    with pytest.raises(TrainingError) as caught:
        require_same_job(begun, changed, tmp_path, TrainingError)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}: ")
    assert "inner.width was 2.0 and is 3.0; inner.knots was [1, 2] and is [1, 5]" in text
    assert "other." not in text


def test_a_group_that_is_there_differs_from_one_that_is_not() -> None:
    with_group, without = settings_of(), settings_of(other=None)
    defaults = default_settings(Outer(name="a"))
    assert differences(with_group, without, defaults=defaults) == [
        "other settings: other was {'width': 1.0, 'knots': [1, 2]} and is None"
    ]
    assert differences(without, with_group, defaults=defaults)


def test_names_that_only_one_of_them_has_are_differences() -> None:
    ranges = settings_of(ranges={"W-W": 2.0})
    one = differences(ranges, settings_of())
    assert one == ["other settings: ranges.W-W was 2.0 and is not there"]
    assert differences(settings_of(), ranges) == [
        "other settings: ranges.W-W was not there and is 2.0"
    ]


def test_unknown_settings_had_their_defaults() -> None:
    begun = {"settings": {"name": "a", "inner": {"width": 2.0}}}
    defaults = default_settings(Outer(name="b", ranges={"W-W": 1.0}))
    assert "name" not in defaults and defaults["ranges"] == {}
    assert defaults["inner"] == {"width": 2.0, "knots": [1, 2]}
    assert differences(begun, settings_of(), defaults=defaults) == []
    assert differences(begun, settings_of(other=Inner(width=7.0)), defaults=defaults)


def test_free_settings_may_change() -> None:
    changed = settings_of(inner=Inner(width=3.0))
    assert differences(settings_of(), changed, free=("inner.width",)) == []


def test_data_are_named_too() -> None:
    begun = {"settings": {}, "data": {"seed": 1}, "fingerprint": "a", "initial_weights": ""}
    asked = {**begun, "data": {"seed": 2}, "fingerprint": "b", "initial_weights": "c"}
    assert differences(begun, asked) == [
        "other data: seed was 1 and is 2",
        "another data set and initial model",
    ]


def test_an_old_course_of_a_neural_force_field_had_that_courses_defaults(tmp_path: Path) -> None:
    """Not those of property models, which differ: average_decay .998, learning_rate 1e-3."""
    network = NeuralSettings(elements=("Cu",)).model_dump(mode="json")
    course = TrainingCourse().model_dump(mode="json")
    asked = {
        "settings": {**course, "network": network},
        "fingerprint": "1",
        "initial_weights": "",
    }
    for name in ("average_decay", "learning_rate", "pseudo_label_weight"):
        begun = json.loads(json.dumps(asked))
        del begun["settings"][name], begun["settings"]["network"]["cubic_channels"]
        require_same_course(begun, asked, tmp_path)
        other = {**asked, "settings": {**asked["settings"], name: 0.5}}
        with pytest.raises(TrainingError, match=rf"{name} was {course[name]} and is 0\.5"):
            require_same_course(begun, other, tmp_path)
    former = json.loads(json.dumps(asked))
    former["settings"]["guess_weight"] = former["settings"].pop("pseudo_label_weight")
    require_same_course(former, asked, tmp_path)


def test_a_tested_fold_is_recognised_by_the_same_protocol() -> None:
    identity = {
        "settings": TrainingSettings().model_dump(mode="json"),
        "fingerprint": "1",
        "initial_weights": "",
        "members": 2,
    }
    old = json.loads(json.dumps(identity))
    del old["settings"]["denoising"]
    assert is_same_training(old, identity)
    assert not is_same_training(old, {**identity, "members": 3})
    assert not is_same_training({}, identity)


# Every kind of job: it accepts the same one, and refuses other settings and other data.


@dataclass(frozen=True)
class Job:
    """How to begin a tiny job, or to go on with it."""

    run: Callable[[Path, str, bool], Any]
    """Of the folder, of what is changed ("", "settings" or "data"), and whether to go on."""
    settings: str
    data: str


def configurations(changed: bool = False) -> list[Configuration]:
    random = np.random.default_rng(1)
    found = []
    for number in range(8):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6 + 0.03 * number)
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        crystal = md.Crystal.from_ase(atoms)
        found.append(Configuration(f"c{number}", crystal, energy + 0.1 * changed, forces))
    return found


def files(folder: Path, name: str) -> str:
    path = folder.parent / f"{name}.extxyz"
    frames = []
    for item in configurations():
        atoms = item.crystal.to_ase()
        atoms.info["REF_energy"] = item.energy
        atoms.arrays["REF_forces"] = item.forces
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
    return str(path)


def uf3(folder: Path, changed: str, resume: bool) -> None:
    kappa = 0.2 if changed == "settings" else 0.1
    settings = UF3Settings(elements=("Cu",), three_body=None, kappa=kappa)
    data = DataFiles((files(folder, "other" if changed == "data" else "copper"),))
    assemble_files(data, settings, folder, resume=resume)


def splines(folder: Path, changed: str, resume: bool) -> None:
    settings = SplineMEAMSettings(
        elements=("Cu",), cutoff=4.0, starts=1, candidates=1, searched=2, search_iterations=1,
        iterations=2 if changed == "settings" else 1, pair_knots=4, density_knots=4,
        embedding_knots=4, bond_knots=4, angle_knots=4,
    )  # fmt: skip
    fit_spline_meam(configurations(changed == "data"), settings, folder, resume=resume)


def neural(folder: Path, changed: str, resume: bool) -> None:
    network = NeuralSettings(
        elements=("Cu",), cutoff=3.0, features=4, channels=2, cubic_channels=1, senders=1,
        radial=2, long_range=False,
    )  # fmt: skip
    read = read_configurations(files(folder, "copper"))
    examples = examples_of(read, network, SkippedConfigurations())
    torch.manual_seed(0)
    model = EnergyModel(network)
    spread = set_scales(model, examples)
    course = TrainingCourse(epochs=1, force_weight=0.5 if changed == "settings" else 1.0)
    learnt = examples[:5] if changed == "data" else examples[:6]
    NeuralTraining(model, learnt, examples[6:], spread, course, folder).run(resume=resume)


def journal(folder: Path, changed: str, resume: bool) -> None:
    teacher = Teacher("emt", "ase:lj" if changed == "settings" else "ase:emt")
    structures = configurations()[: 3 if changed == "data" else 4]
    LabelJournal(folder / "labels.journal", structures, [teacher], True).__exit__(None, None, None)


JOBS = {
    "uf3": Job(uf3, r"kappa was 0\.1 and is 0\.2", "other data: training was"),
    "splines": Job(splines, "iterations was 1 and is 2", "another data set"),
    "neural": Job(neural, r"force_weight was 1\.0 and is 0\.5", "another data set"),
    "labels": Job(journal, "another potential", "another set of configurations"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", JOBS)
def test_a_job_goes_on_only_as_it_was_begun(kind: str, tmp_path: Path) -> None:
    job, folder = JOBS[kind], tmp_path / "job"
    job.run(folder, "", False)
    job.run(folder, "", True)
    for changed, message in (("settings", job.settings), ("data", job.data)):
        with pytest.raises(MadelungError, match=message):
            job.run(folder, changed, True)
    job.run(folder, "", True)


@pytest.mark.slow
def test_a_checkpoint_says_what_makes_its_job(tmp_path: Path) -> None:
    neural(tmp_path / "job", "", False)
    _, _, identity = read_checkpoint(tmp_path / "job")
    assert set(identity) == {"settings", "fingerprint", "initial_weights"}


def test_spline_fits_of_an_earlier_version_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    splines(folder, "", False)
    (folder / "job.json").unlink()
    path = folder / "settings.json"
    content = json.loads(path.read_text())
    del content["generations"]
    path.write_text(json.dumps({**content, "threads": 7}))
    splines(folder, "", True)
