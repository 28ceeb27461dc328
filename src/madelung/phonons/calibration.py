"""From the spread of an ensemble to intervals that hold: section "Uncertainty" of the theory page.

See docs/theory/harmonic-network.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["QUANTITIES", "Calibration", "Widening", "fitted_threshold", "fitted_widening"]

QUANTITIES = ("frequency", "maximum", "minimum", "free_energy", "entropy", "heat_capacity")
"""What has an interval: frequencies (THz), the highest and lowest, F, S and C_V at 300 K."""
_SHARE = 0.9


class Widening(BaseModel):
    """Half-width of the 90 % interval: ``factor * (spread + floor)``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    factor: float = Field(gt=0.0, description="Widens the spread.")
    floor: float = Field(ge=0.0, description="Added to it, in the unit of the quantity.")


class Calibration(BaseModel):
    """Widenings of each quantity, fitted to validation crystals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frequency: Widening
    maximum: Widening
    minimum: Widening
    free_energy: Widening
    entropy: Widening
    heat_capacity: Widening
    stable_above: float = Field(
        -0.05, description="Lowest frequency (THz) above which a crystal is called stable."
    )

    def half_width(self, quantity: str, spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half-widths of 90 % intervals for standard deviations over the members."""
        own: Widening = getattr(self, quantity)
        return own.factor * (spread + own.floor)


def fitted_threshold(minima: NDArray[np.float64], was_stable: NDArray[np.bool_]) -> float:
    """Choose the lowest frequency above which crystals are called stable: most are then right.

    Of equally good ones that nearest to the -0.05 THz of the references is taken.
    """
    order = np.sort(minima)
    places = np.concatenate([[order[0] - 1.0], (order[1:] + order[:-1]) / 2.0, [order[-1] + 1.0]])
    # No threshold far from zero is meant, whatever few crystals say.
    places = places[(places >= -1.0) & (places <= 0.5)]
    places = np.unique(np.concatenate([places, [-0.05]]))
    right = np.array([((minima > place) == was_stable).mean() for place in places])
    best = places[right == right.max()]
    return float(best[np.abs(best + 0.05).argmin()])


def fitted_widening(errors: NDArray[np.float64], spreads: NDArray[np.float64]) -> Widening:
    """Choose a widening so that 90 % of absolute errors lie within.

    The floor is half of the median error: below it spreads say little.
    """
    floor = 0.5 * float(np.median(errors))
    ratios = errors / np.maximum(spreads + floor, 1e-12)
    return Widening(factor=max(float(np.quantile(ratios, _SHARE)), 1e-6), floor=floor)
