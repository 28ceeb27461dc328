"""Choice of the weights and penalties of a UF3 fit by cross-validation, without the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["CrossValidation", "cross_validation", "tune_weights"]

# One after another, in the order of what they matter; penalties from large to small.
_KAPPAS = (0.5, 0.2, 0.1, 0.05, 0.02)
_CANDIDATES = {
    "curvature_three_body": (1e-7, 1e-8, 1e-9, 1e-10),
    "ridge_three_body": (1e-8, 1e-9, 1e-10),
    "curvature_two_body": (1e-7, 1e-8, 1e-9),
}
# Configurations of one simulation are alike, so that leaving some out flatters weak penalties. A
# smaller one has to bring this much.
_WORTH_WHILE = 0.98


@dataclass(frozen=True)
class CrossValidation:
    """Errors on configurations that took no part in the fit that predicts them.

    Parameters
    ----------
    configurations
        Number of energies that were predicted.
    energy_rmse, force_rmse
        Root mean square errors in meV/atom and eV/Å; NaN without such data.
    score
        Geometric mean of these errors over the standard deviations of the data.
    """

    configurations: int
    energy_rmse: float
    force_rmse: float
    score: float


def cross_validation(
    equations: NormalEquations, settings: UF3Settings | None = None
) -> CrossValidation | None:
    """Leave out each group in turn, exactly; None if there is one group alone.

    Parameters
    ----------
    equations
        Normal equations by group.
    settings
        Weights and penalties; by default those of the equations.
    """
    if len(equations.groups) < 2:
        return None
    squares, counts = dict.fromkeys(("energy", "forces"), 0.0), {"energy": 0.0, "forces": 0.0}
    for name, errors in equations.leave_groups_out(settings).items():
        for quantity in squares:
            count = equations.groups[name][quantity].count
            squares[quantity] += count * errors.get(quantity, 0.0) ** 2
            counts[quantity] += count
    rms = {
        quantity: math.sqrt(squares[quantity] / counts[quantity]) if counts[quantity] else math.nan
        for quantity in squares
    }
    ratios = [rms[name] / equations.deviation(name) for name in rms if counts[name]]
    return CrossValidation(
        configurations=round(counts["energy"]),
        energy_rmse=MILLIELECTRONVOLTS * rms["energy"],
        force_rmse=rms["forces"],
        score=float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-12))))),
    )


def tune_weights(equations: NormalEquations, settings: UF3Settings) -> UF3Settings:
    """Return settings with the largest penalties that cross-validation finds no fault with.

    The weight of the energies and then each penalty is varied alone, the others as found so far;
    penalties go from large to small, and a smaller one is taken if it lowers the score by two per
    cent.

    Parameters
    ----------
    equations
        Normal equations by group, of which there must be two.
    settings
        Where to begin.
    """
    found = cross_validation(equations, settings)
    if found is None:
        return settings
    best = _first_worthwhile(
        equations, [settings.model_copy(update={"kappa": kappa}) for kappa in _KAPPAS]
    )
    for name, candidates in _CANDIDATES.items():
        if settings.three_body is None and name.endswith("three_body"):
            continue
        penalties = [best.regularisation.model_copy(update={name: value}) for value in candidates]
        best = _first_worthwhile(
            equations, [best.model_copy(update={"regularisation": item}) for item in penalties]
        )
    return best


def _first_worthwhile(equations: NormalEquations, trials: list[UF3Settings]) -> UF3Settings:
    """Return the first of the trials, or a later one that is better by enough."""
    best, lowest = trials[0], math.inf
    for trial in trials:
        found = cross_validation(equations, trial)
        if found is not None and found.score < _WORTH_WHILE * lowest:
            best, lowest = trial, found.score
    return best
