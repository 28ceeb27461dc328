"""Thermodynamics of harmonic modes: free energy, entropy and heat capacity of a crystal.

Equation 6 of docs/theory/harmonic-network.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import PhononError
from madelung.common.units import (
    BOLTZMANN_CONSTANT,
    FREQUENCY_UNITS,
    GAS_CONSTANT,
    MILLIELECTRONVOLTS,
    TERAHERTZ,
)

__all__ = ["SOFTEST_MODE", "Thermodynamics", "thermodynamics"]

SOFTEST_MODE = 0.05
"""Modes below this (THz) are left out: else the noise of acoustic modes at Γ decides."""
_MILLIELECTRONVOLTS_OF_TERAHERTZ = FREQUENCY_UNITS["meV"] / TERAHERTZ
# Beyond this the occupation of a mode is zero in double precision.
_COLD = 700.0


@dataclass(frozen=True, eq=False)
class Thermodynamics:
    """Harmonic thermodynamics at some temperatures.

    Parameters
    ----------
    temperatures
        (T,) in K.
    free_energy
        (T,) Helmholtz free energy of vibration in meV for each atom.
    entropy, heat_capacity
        (T,) in J/(K mol) for each mole of atoms; the heat capacity is that at constant volume.
    zero_point
        Energy at 0 K in meV for each atom.
    left_out
        Part of the modes that were left out, because they are unstable or softer than 0.05 THz.
    """

    temperatures: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    entropy: NDArray[np.float64]
    heat_capacity: NDArray[np.float64]
    zero_point: float
    left_out: float


def thermodynamics(
    frequencies: NDArray[np.float64], weights: NDArray[np.float64], temperatures: ArrayLike
) -> Thermodynamics:
    """Sum over modes.

    Parameters
    ----------
    frequencies
        (Q, 3n) in THz.
    weights
        (Q,) part of all wave vectors that each one stands for.
    temperatures
        (T,) in K, not negative.

    Raises
    ------
    PhononError
        If a temperature is negative or no number.
    """
    asked = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    if not (asked >= 0.0).all() or not np.isfinite(asked).all():
        raise PhononError("temperatures must be finite and not below 0 K")
    parts = np.broadcast_to(weights[:, None] / weights.sum(), frequencies.shape)
    kept = frequencies > SOFTEST_MODE
    energies = _MILLIELECTRONVOLTS_OF_TERAHERTZ * frequencies[kept]
    # Three modes belong to an atom.
    shares = 3.0 * parts[kept] / frequencies.shape[1]
    columns = np.array([_at(energies, shares, float(one)) for one in asked]).reshape(-1, 3)
    return Thermodynamics(
        temperatures=asked,
        free_energy=columns[:, 0],
        entropy=columns[:, 1],
        heat_capacity=columns[:, 2],
        zero_point=float(shares @ energies / 2.0),
        left_out=float(parts[~kept].sum() / frequencies.shape[1]),
    )


def _at(
    energies: NDArray[np.float64], shares: NDArray[np.float64], temperature: float
) -> tuple[float, float, float]:
    """Free energy, entropy and heat capacity at one temperature."""
    thermal = BOLTZMANN_CONSTANT * temperature * MILLIELECTRONVOLTS
    ratios = np.full_like(energies, np.inf) if thermal == 0.0 else energies / thermal
    warm = ratios < _COLD
    x, own = ratios[warm], shares[warm]
    logarithm = np.log(-np.expm1(-x))
    occupation = 1.0 / np.expm1(x)
    free_energy = shares @ energies / 2.0 + thermal * (own @ logarithm)
    entropy = GAS_CONSTANT * (own @ (x * occupation - logarithm))
    heat_capacity = GAS_CONSTANT * (own @ (x**2 * occupation * (occupation + 1.0)))
    return float(free_energy), float(entropy), float(heat_capacity)
