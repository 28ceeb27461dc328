"""``madelung fit neural``: a neural force field."""

from __future__ import annotations

from typing import Annotated, Any

from madelung.cli import options
from madelung.forcefields.neural.fit_settings import (
    NeuralFitSettings,
    TrainingCourse,
    read_neural_settings,
)
from madelung.forcefields.neural.settings import NeuralSettings

__all__ = ["HELP", "neural"]

_NETWORK, _COURSE = NeuralSettings.model_fields, TrainingCourse.model_fields
_FIT = NeuralFitSettings.model_fields

HELP = """
Train a neural force field: message passing between near atoms, and, unless --local is given, \
Coulomb and dispersion energies that are complete sums over the crystal.

DATA are extxyz files, compressed or not, with energies, forces and perhaps stresses. The folder \
then holds potential/, which all commands take as a force field, results.json, predictions.csv, \
and pictures of errors and of the course. A fit that was stopped goes on with the same command and \
--resume, and ends with the same weights. Several members give an uncertainty.

[bold]Examples[/bold]

  madelung fit neural train.extxyz --test test.extxyz --out Ni --local

  madelung fit neural salt.extxyz --out NaCl --members 3 --epochs 200
"""


def neural(
    data: options.LearningFiles,
    out: options.Out,
    test: options.TestFiles = None,
    test_share: options.TestShare = 0.0,
    seed: options.Seed = 0,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    virial_key: options.VirialKey = None,
    group_weight: options.GroupWeights = None,
    config: options.Config = None,
    initial: options.Initial = None,
    local: options.Local = False,
    cutoff: Annotated[float | None, options.setting(_NETWORK["cutoff"])] = None,
    layers: Annotated[int | None, options.setting(_NETWORK["layers"])] = None,
    features: Annotated[int | None, options.setting(_NETWORK["features"])] = None,
    members: Annotated[int | None, options.setting(_FIT["members"])] = None,
    epochs: Annotated[int | None, options.setting(_COURSE["epochs"])] = None,
    batch_size: Annotated[int | None, options.setting(_COURSE["batch_size"])] = None,
    learning_rate: Annotated[float | None, options.setting(_COURSE["learning_rate"])] = None,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.cli.fit.data import data_files
    from madelung.cli.fit.results import print_results
    from madelung.forcefields.neural.run_fit import run_neural_fit
    from madelung.forcefields.reference.frame_values import Keys

    keys = Keys(energy_key, forces_key, stress_key, virial_key)
    files = data_files(data, test, test_share, seed, keys, group_weight)
    network = {"cutoff": cutoff, "layers": layers, "features": features}
    course = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    changes: dict[str, Any] = {
        "network": {**_given(network), **({"long_range": False} if local else {})},
        "course": {**_given(course), "seed": seed},
        **_given({"members": members, "initial": None if initial is None else str(initial)}),
    }
    settings = read_neural_settings(config, changes, files)
    job = run_neural_fit(files, out, settings, resume=resume, quiet=quiet)
    if job.results:
        title = f"neural force field, {job.results['parameters']:,} parameters"
        print_results(f"{title}, {job.results['seconds']:.0f} s", job.results, job.folder)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
