"""What harmonic modes are worth at a temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.common.units import (
    BOLTZMANN_CONSTANT,
    FREQUENCY_UNITS,
    GAS_CONSTANT,
    MILLIELECTRONVOLTS,
    TERAHERTZ,
)

__all__ = ["thermal_sums"]

_MILLIELECTRONVOLTS_OF_TERAHERTZ = FREQUENCY_UNITS["meV"] / TERAHERTZ
_SOFTEST = 0.05


def thermal_sums(
    frequencies: NDArray[np.float64], weights: NDArray[np.float64], temperature: float
) -> tuple[float, float, float]:
    """Free energy, entropy and heat capacity of an atom, whose three modes are such a mixture.

    Parameters
    ----------
    frequencies
        (m,) in THz; those below 0.05 THz count as 0.05 THz.
    weights
        (m,) with the sum one.
    temperature
        In K, positive.

    Returns
    -------
    free_energy, entropy, heat_capacity : float
        In meV, and J/(K mol) for each mole of atoms.
    """
    thermal = BOLTZMANN_CONSTANT * temperature * MILLIELECTRONVOLTS
    energies = _MILLIELECTRONVOLTS_OF_TERAHERTZ * np.maximum(frequencies, _SOFTEST)
    x = energies / thermal
    logarithm = np.log(-np.expm1(-x))
    occupation = 1.0 / np.expm1(x)
    free_energy = 3.0 * weights @ (energies / 2.0 + thermal * logarithm)
    entropy = 3.0 * GAS_CONSTANT * weights @ (x * occupation - logarithm)
    heat_capacity = 3.0 * GAS_CONSTANT * weights @ (x**2 * occupation * (occupation + 1.0))
    return float(free_energy), float(entropy), float(heat_capacity)
