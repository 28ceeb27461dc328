"""What the disagreement of networks about modes says of quantities made of them.

The spread of a number over a few networks is a poor estimate of a standard deviation; those of all
modes together are a good one. Modes are taken to err in the same direction, which is the worst
case. Section "Uncertainty" of docs/theory/harmonic-network.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.phonons.thermodynamics import thermodynamics

__all__ = ["edge_spread", "mode_spreads", "thermal_spreads"]

THERMAL = ("free_energy", "entropy", "heat_capacity")
# Softer modes (THz) count as if they had this frequency.
_SOFTEST = 0.1
# Modes this far (THz) from an edge of the spectrum weigh less by e.
_EDGE = 1.0


def mode_spreads(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (Q, 3n) standard deviations of the modes of (M, Q, 3n) members."""
    spreads: NDArray[np.float64] = own.std(axis=0, ddof=1)
    return spreads


def edge_spread(mean: NDArray[np.float64], spreads: NDArray[np.float64], edge: float) -> float:
    """Return the spread of the modes that are near a frequency, the highest or the lowest."""
    weights = np.exp(-np.abs(mean - edge) / _EDGE)
    return float((weights * spreads).sum() / weights.sum())


def thermal_spreads(
    mean: NDArray[np.float64],
    spreads: NDArray[np.float64],
    weights: NDArray[np.float64],
    temperatures: ArrayLike,
) -> dict[str, NDArray[np.float64]]:
    """Return what free energy, entropy and heat capacity change by if all modes are higher.

    Parameters
    ----------
    mean, spreads
        (Q, 3n) frequencies and their spreads in THz.
    weights
        (Q,) of the wave vectors.
    temperatures
        (T,) in K.

    Returns
    -------
    dict of (T,) arrays
    """
    low = np.maximum(mean, _SOFTEST)
    before, after = (thermodynamics(one, weights, temperatures) for one in (low, low + spreads))
    return {name: np.abs(getattr(after, name) - getattr(before, name)) for name in THERMAL}
