"""Physical constants and units: eV, Å, u, K, and what is shown in others."""

from __future__ import annotations

import math

from scipy import constants

__all__ = ["COULOMB_CONSTANT", "FREQUENCY_UNITS", "GIGAPASCAL"]


GIGAPASCAL = 1.0 / 160.2176634
"""One GPa in eV/Å³ (exact, from the elementary charge)."""


COULOMB_CONSTANT = 14.399645468667815
"""e²/(4 pi epsilon_0) in eV Å; CODATA 2022 (e exact, epsilon_0 = 8.8541878188e-12 F/m)."""


FREQUENCY_UNITS = {"THz": 15.633304, "1/cm": 521.47090, "meV": 64.654151}
"""What a network's unit of frequency, the square root of eV/(Å² u) over 2π, is in others."""


# From sqrt(eV/Å²/amu), an angular frequency, to THz.
_TERAHERTZ = math.sqrt(constants.e / constants.atomic_mass) * 1e10 / (2e12 * math.pi)


_BOLTZMANN = constants.k / constants.e  # eV/K
