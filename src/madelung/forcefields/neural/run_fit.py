"""A neural force field from files: training, test, pictures."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madelung.common.errors import ForceFieldError
from madelung.common.figures import save_figure
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import write_rows
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neural.calibration import uncertainty_factors
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import (
    Example,
    Spread,
    examples_of,
    set_scales,
    with_lone_atoms_weighed,
)
from madelung.forcefields.neural.first_charges import begin_with_charges
from madelung.forcefields.neural.fit_settings import NeuralFitSettings
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.training import NeuralTraining, reported
from madelung.forcefields.reference.comparison import Comparison, compare
from madelung.forcefields.reference.configurations import SkippedConfigurations
from madelung.forcefields.reference.plots import plot_parity
from madelung.forcefields.reference.reference_data import TEST, DataFiles
from madelung.forcefields.uf3.stress_check import require_stresses_of_energies
from madelung.learning.checkpoints import CHECKPOINT_FILE, Progress
from madelung.learning.plots import plot_history
from madelung.learning.processes import Processes

__all__ = ["NeuralFitResult", "divided", "run_neural_fit"]

POTENTIAL = "potential"
_UNITS = {"energy": "eV/atom", "force": "eV/Å"}


@dataclass(frozen=True, eq=False)
class NeuralFitResult:
    """What a fit has led to.

    Parameters
    ----------
    potential
        The force field.
    comparison
        Its predictions for training and test configurations; none in the further ones of several
        processes.
    results
        What stands in ``results.json``; empty in these.
    folder
        Where the files are.
    """

    potential: NeuralForceField
    comparison: Comparison
    results: dict[str, Any]
    folder: Path


@alone_in_folder
def run_neural_fit(
    data: DataFiles,
    folder: str | os.PathLike[str],
    settings: NeuralFitSettings,
    *,
    resume: bool = False,
    quiet: bool = True,
) -> NeuralFitResult:
    """Train a neural force field on files, test it, and draw how it went.

    The folder then holds ``potential/`` (card and weights, which ``load_force_field`` reads),
    ``results.json``, ``predictions.csv``, ``parity.png``, and for each member ``member-K/`` with
    its checkpoint, ``history.csv`` and ``history.png``.

    Parameters
    ----------
    data
        Files, and how they are divided.
    folder
        Where to write.
    settings
        The network, and how it is trained.
    resume
        Whether to go on with a fit that was stopped.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If no configuration can be used, stresses contradict energies and forces, the folder
        holds a fit and ``resume`` is not set, or the initial force field is another kind of
        network.
    TrainingError
        If the fit in the folder is another one, or the loss is no longer finite.
    JobInterrupted
        If it was interrupted; a checkpoint has been written.
    """
    out, begun, processes = Path(folder), time.monotonic(), Processes("cpu")
    first = out / "member-0" / CHECKPOINT_FILE
    if first.exists() and not resume:
        raise ForceFieldError(
            f"{out} holds a fit; go on with it (--resume), or choose another folder"
        )
    skipped = SkippedConfigurations()
    learning = [item for part, item in data.read(skipped) if part != TEST]
    require_stresses_of_energies(learning)
    examples = examples_of(learning, settings.network, skipped)
    initial = _initial(settings)
    training, validation = divided(examples, settings.validation_share, settings.course.seed)
    models = [
        _train_member(
            member, training, validation, settings, out, initial, processes, resume, quiet
        )
        for member in range(settings.members)
    ]
    processes.close()
    seconds = time.monotonic() - begun
    origin = {
        "configurations": len(examples),
        "seconds": round(seconds, 1),
        "course": settings.course.model_dump(mode="json"),
        "initial": settings.initial,
    }
    factors = uncertainty_factors(NeuralForceField(models), validation)
    potential = NeuralForceField(models, training=origin, factors=factors)
    if not processes.is_first:
        return NeuralFitResult(potential, Comparison([]), {}, out)
    comparison = compare(potential, data.divided(), progress=not quiet)
    results = {
        **_results(data, settings, potential, comparison),
        "seconds": round(seconds, 1),
        "skipped": skipped.count,
        "problems": skipped.problems[:20],
    }
    _write(out, potential, comparison, results)
    return NeuralFitResult(potential, comparison, results, out)


def _results(
    data: DataFiles,
    settings: NeuralFitSettings,
    potential: NeuralForceField,
    comparison: Comparison,
) -> dict[str, Any]:
    parts = {part: comparison.part(part) for part in comparison.parts}
    return {
        "settings": settings.model_dump(mode="json"),
        "data": data.as_object(),
        "parameters": sum(value.numel() for value in potential.models[0].parameters()),
        "uncertainty_factors": list(potential.factors),
        "errors": {name: part.errors() for name, part in parts.items()},
        "errors_by_group": {name: part.errors_by_group() for name, part in parts.items()},
    }


def _initial(settings: NeuralFitSettings) -> EnergyModel | None:
    """The network to start from."""
    if not settings.initial:
        return None
    force_field = load_force_field(settings.initial)
    if not isinstance(force_field, NeuralForceField):
        raise ForceFieldError(f"{settings.initial}: this is no neural force field")
    if force_field.settings != settings.network:
        raise ForceFieldError(
            f"{settings.initial}: its network has other settings than the one that is asked for"
        )
    return force_field.models[0]


def divided(
    examples: list[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Return examples to learn from, and at least one to choose weights by; one alone is both.

    Parameters
    ----------
    examples
        All of them.
    share
        Part that is held back.
    seed
        Of the division.

    Raises
    ------
    ForceFieldError
        If there is none.
    """
    if not examples:
        raise ForceFieldError("there is no configuration to learn from")
    if len(examples) == 1:
        return examples, examples
    order = np.random.default_rng([seed, 7]).permutation(len(examples))
    count = min(max(round(share * len(examples)), 1), len(examples) - 1)
    held = set(order[:count].tolist())
    return (
        [example for index, example in enumerate(examples) if index not in held],
        [examples[index] for index in sorted(held)],
    )


def _train_member(
    member: int,
    training: list[Example],
    validation: list[Example],
    settings: NeuralFitSettings,
    out: Path,
    initial: EnergyModel | None,
    processes: Processes,
    resume: bool,
    quiet: bool,
) -> EnergyModel:
    course = settings.course.model_copy(update={"seed": settings.course.seed + member})
    folder = out / f"member-{member}"
    model, spread = _fresh_model(settings, training, initial, course.seed)
    training = with_lone_atoms_weighed(training, model, spread)
    quiet = quiet or not processes.is_first
    with reported(f"member {member + 1} of {settings.members}", quiet) as report:
        run = NeuralTraining(model, training, validation, spread, course, folder, processes, report)
        run.run(resume=resume and (folder / CHECKPOINT_FILE).exists())
    if processes.is_first:
        _write_history(folder, run.progress, len(validation))
    return model


def _fresh_model(
    settings: NeuralFitSettings, training: list[Example], initial: EnergyModel | None, seed: int
) -> tuple[EnergyModel, Spread]:
    torch.manual_seed(seed)
    model = EnergyModel(settings.network)
    spread = set_scales(model, training)
    begin_with_charges(model, training)
    if initial is not None:
        # The scales are part of what the initial network knows.
        model.load_state_dict(initial.state_dict())
    return model, spread


def _write_history(folder: Path, progress: Progress, validated: int) -> None:
    rows = progress.history
    write_rows(folder / "history.csv", rows)
    measured_on = dict.fromkeys(_UNITS, f"{validated:,} configurations")
    save_figure(plot_history(rows, _UNITS, measured_on), folder / "history.png")


def _write(
    out: Path, potential: NeuralForceField, comparison: Comparison, results: dict[str, Any]
) -> None:
    potential.save(out / POTENTIAL)
    comparison.write(out / "predictions.csv")
    save_figure(plot_parity(comparison), out / "parity.png")
    with whole_file(out / "results.json") as temporary:
        temporary.write_text(json_text(results, indent=1) + "\n", encoding="utf-8")
