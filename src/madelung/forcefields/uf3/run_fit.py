"""A UF3 fit from files to a potential, its errors and its pictures."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.figures import save_pages
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.reference.comparison import Comparison, compare
from madelung.forcefields.reference.configurations import SkippedConfigurations
from madelung.forcefields.reference.plots import plot_parity
from madelung.forcefields.reference.reference_data import GROUPS, TEST, DataFiles
from madelung.forcefields.uf3.assembly import assemble_files
from madelung.forcefields.uf3.fit import solved_fit
from madelung.forcefields.uf3.lammps import write_lammps
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.plots import plot_learning_curve, plot_pairs, plot_triplets
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.forcefields.uf3.stress_check import require_stresses_of_energies
from madelung.forcefields.uf3.tuning import cross_validation, tune_weights

__all__ = ["UF3FitResult", "run_uf3_fit"]

POTENTIAL, LAMMPS_POTENTIAL, RESULTS = "potential.json", "potential.uf3", "results.json"
_CROSS_VALIDATION = "cross-validation"


@dataclass(frozen=True, eq=False)
class UF3FitResult:
    """What a fit has led to.

    Parameters
    ----------
    potential
        The potential.
    comparison
        Its predictions for training and test configurations.
    results
        What stands in ``results.json``.
    folder
        Where the files are.
    """

    potential: UF3Potential
    comparison: Comparison
    results: dict[str, Any]
    folder: Path


@alone_in_folder
def run_uf3_fit(
    data: DataFiles,
    folder: str | os.PathLike[str],
    settings: UF3Settings,
    *,
    tune: bool = False,
    threads: int = 1,
    resume: bool = False,
    quiet: bool = True,
) -> UF3FitResult:
    """Fit a UF3 potential to files, test it, and draw it.

    The folder then holds ``potential.json``, ``potential.uf3`` for LAMMPS where that format can
    hold it, ``results.json``, ``predictions.csv``, ``equations.npz`` from which other fits to the
    same data are had at once, and pictures: ``two_body.png``, ``three_body.png``, ``parity.png``,
    ``learning_curve.png``. Of many pairs or triplets there are more pages, ``two_body-2.png`` …

    Parameters
    ----------
    data
        Files, and how they are divided.
    folder
        Where to write.
    settings
        Elements, ranges, weights and regularisation.
    tune
        Whether to choose weights and penalties by cross-validation.
    threads
        Structures worked on at a time.
    resume
        Whether to go on with a fit that was stopped.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If no configuration can be used, stresses contradict energies and forces, or the folder
        holds another fit.
    JobInterrupted
        If it was interrupted; a checkpoint has been written.
    """
    out, begun = Path(folder), time.monotonic()
    require_stresses_of_energies(data.read_training(SkippedConfigurations()))
    equations, problems = assemble_files(
        data, settings, out, threads=threads, resume=resume, progress=not quiet
    )
    training = _training(equations, problems)
    if tune:
        settings = tune_weights(training, settings)
    fit = solved_fit(training, settings, problems)
    seconds = time.monotonic() - begun
    comparison = compare(
        fit.potential,
        data.divided(),
        progress=not quiet,
    )
    results = {
        "settings": settings.model_dump(mode="json"),
        "data": data.as_object(),
        "coefficients": training.basis.size,
        "seconds": round(seconds, 2),
        "skipped": len(problems),
        "problems": problems[:20],
        **({"warning": fit.warning} if fit.warning else {}),
        "errors": _errors(training, settings, comparison),
        "errors_by_group": {
            part: comparison.part(part).errors_by_group() for part in comparison.parts
        },
        "learning_curve": learning_curve(equations, settings),
    }
    _write(out, fit.potential, comparison, results)
    _draw(out, training, fit.solution.coefficients, comparison, results)
    return UF3FitResult(fit.potential, comparison, results, out)


def _training(equations: NormalEquations, problems: list[str]) -> NormalEquations:
    training = equations.without(TEST) if TEST in equations.groups else equations
    if not training.groups:
        first = f"; the first problem: {problems[0]}" if problems else ""
        raise ForceFieldError(f"there is no configuration to learn from{first}")
    return training


def _errors(
    training: NormalEquations, settings: UF3Settings, comparison: Comparison
) -> dict[str, dict[str, float | int]]:
    errors = {part: comparison.part(part).errors() for part in comparison.parts}
    left_out = cross_validation(training, settings)
    return errors if left_out is None else {**errors, _CROSS_VALIDATION: asdict(left_out)}


def learning_curve(equations: NormalEquations, settings: UF3Settings) -> list[dict[str, float]]:
    """Return errors of fits to a growing number of parts, on the test set or the last part.

    There are none of a single part, nor of data without energies, whose number is not known.
    """
    names = [name for name in GROUPS if name in equations.groups]
    tested = TEST if TEST in equations.groups else names.pop()
    judge = equations.only(tested)
    sizes = [size for size in (1, 2, 4, len(names)) if 0 < size <= len(names)]
    rows = []
    for size in dict.fromkeys(sizes):
        chosen = equations.only(*names[:size])
        count = round(sum(group["energy"].count for group in chosen.groups.values()))
        if not count or not chosen.have_data(settings):
            continue
        errors = judge.errors(chosen.solve(settings).coefficients)
        rows.append(
            {
                "configurations": count,
                "energy_rmse": MILLIELECTRONVOLTS * errors.get("energy", float("nan")),
                "force_rmse": errors.get("forces", float("nan")),
            }
        )
    return rows


def _write(
    out: Path, potential: UF3Potential, comparison: Comparison, results: dict[str, Any]
) -> None:
    potential.save(out / POTENTIAL)
    try:
        write_lammps(potential, out / LAMMPS_POTENTIAL)
    except ForceFieldError as problem:
        results["lammps"] = str(problem)
    comparison.write(out / "predictions.csv")
    with whole_file(out / RESULTS) as temporary:
        temporary.write_text(json_text(results, indent=1), encoding="utf-8")


def _draw(
    out: Path,
    training: NormalEquations,
    coefficients: np.ndarray,
    comparison: Comparison,
    results: dict[str, Any],
) -> None:
    tested = len(comparison.part(TEST).configurations)
    measured_on = f"{tested:,} test configurations" if tested else "the last part of the training"
    figures = {
        "two_body": plot_pairs(training, coefficients),
        "three_body": plot_triplets(training, coefficients),
        "parity": [plot_parity(comparison)],
    }
    if results["learning_curve"]:
        figures["learning_curve"] = [plot_learning_curve(results["learning_curve"], measured_on)]
    for name, pages in figures.items():
        save_pages(pages, out / f"{name}.png")
