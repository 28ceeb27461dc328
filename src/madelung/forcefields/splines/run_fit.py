"""A fit of a spline MEAM or EAM from files to a potential, its errors and its pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.figures import save_figure
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.forcefields.reference.comparison import Comparison, compare
from madelung.forcefields.reference.configurations import SkippedConfigurations
from madelung.forcefields.reference.plots import plot_parity
from madelung.forcefields.reference.reference_data import TEST, DataFiles
from madelung.forcefields.splines.fit import SplineMEAMFit, fit_spline_meam
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.plots import plot_meam
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.forcefields.uf3.stress_check import require_stresses_of_energies

__all__ = ["SplineMEAMFitResult", "run_meam_fit"]


@dataclass(frozen=True, eq=False)
class SplineMEAMFitResult:
    """What a fit has led to.

    Parameters
    ----------
    fit
        The potential, and how it was found.
    comparison
        Its predictions for training and test configurations, with the energies of the elements
        that the training data call for, since a spline MEAM is fitted up to these.
    results
        What stands in ``results.json``.
    folder
        Where the files are.
    """

    fit: SplineMEAMFit
    comparison: Comparison
    results: dict[str, Any]
    folder: Path


@alone_in_folder
def run_meam_fit(
    data: DataFiles,
    folder: str | os.PathLike[str],
    settings: SplineMEAMSettings,
    *,
    initial: SplineMEAM | None = None,
    resume: bool = False,
    progress: Callable[[str], None] | None = None,
) -> SplineMEAMFitResult:
    """Fit a spline MEAM, or EAM, to files, test it, and draw it.

    The folder then holds ``potential.meam.spline`` (``potential.eam.alloy`` for an EAM) for LAMMPS,
    ``potential.json``, ``report.json``, ``results.json``, ``predictions.csv``, and pictures:
    ``functions.png`` and ``parity.png``.

    Parameters
    ----------
    data
        Files, and how they are divided.
    folder
        Where to write.
    settings
        What the fit does.
    initial
        A potential to begin from.
    resume
        Whether to go on with a fit that was stopped.
    progress
        Called with lines that say how far it is.

    Raises
    ------
    ForceFieldError
        If no configuration can be used, stresses contradict energies and forces, or the folder
        holds a fit already.
    """
    out, skipped = Path(folder), SkippedConfigurations()
    # Repeated passes over the data: they are held in memory.
    read = [(part, item) for part, item in data.read(skipped)]
    training = [item for part, item in read if part != TEST]
    require_stresses_of_energies(training)
    fit = fit_spline_meam(
        training, settings, out, initial=initial, resume=resume, progress=progress
    )
    comparison = compare(fit.potential, data.divided(), shifts=fit.shifts)
    results = {
        "settings": settings.model_dump(mode="json"),
        "data": data.as_object(),
        "parameters": fit.parameters,
        "skipped": skipped.count + fit.skipped,
        "problems": skipped.problems[:20],
        "errors": {part: comparison.part(part).errors() for part in comparison.parts},
        "errors_by_group": {
            part: comparison.part(part).errors_by_group() for part in comparison.parts
        },
    }
    comparison.write(out / "predictions.csv")
    with whole_file(out / "results.json") as temporary:
        temporary.write_text(json_text(results, indent=1), encoding="utf-8")
    for name, figure in {"functions": plot_meam(fit), "parity": plot_parity(comparison)}.items():
        save_figure(figure, out / f"{name}.png")
    return SplineMEAMFitResult(fit, comparison, results, out)
