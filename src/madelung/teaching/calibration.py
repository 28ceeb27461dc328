"""Standard errors that are as large as the errors made on configurations left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Calibration", "fit_calibration"]

Array = NDArray[np.float64]

_LEAST = 1e-16
_SCALES = (-6.0, 3.0)


@dataclass(frozen=True)
class Calibration:
    """The squared standard error, ``scale`` times a variance + ``spread`` times a spread squared.

    Parameters
    ----------
    scale
        Factor of the variance that the regression states.
    spread
        Factor of the squared spread among teachers.
    within_one, within_two
        Part of the configurations left out whose error is less than one and two standard errors.
    """

    scale: float
    spread: float
    within_one: float
    within_two: float

    def standard_errors(self, variances: Array, spreads: Array) -> Array:
        """Return standard errors (n,).

        Parameters
        ----------
        variances
            (n,) that the regression states.
        spreads
            (n,) among teachers.
        """
        errors: Array = np.sqrt(self.scale * variances + self.spread * spreads**2)
        return errors


def fit_calibration(errors: Array, variances: Array, spreads: Array) -> Calibration:
    """Find the factors under which errors of configurations left out are the most likely.

    Parameters
    ----------
    errors
        (m,) of configurations that were left out.
    variances
        (m,) that the regression stated for them.
    spreads
        (m,) among teachers.
    """

    def cost(logarithms: Array) -> float:
        scale, spread = 10.0**logarithms
        squares = np.maximum(scale * variances + spread * spreads**2, _LEAST)
        return float((np.log(squares) + errors**2 / squares).mean())

    start = np.log10(max(float(np.mean(errors**2 / np.maximum(variances, _LEAST))), 1e-3))
    best = minimize(
        cost,
        np.array([np.clip(start, *_SCALES), -4.0]),
        method="Nelder-Mead",
        bounds=[_SCALES, _SCALES],
    )
    scale, spread = (float(value) for value in 10.0**best.x)
    scaled = np.abs(errors) / np.sqrt(np.maximum(scale * variances + spread * spreads**2, _LEAST))
    return Calibration(scale, spread, float((scaled < 1.0).mean()), float((scaled < 2.0).mean()))
