"""Physical constants and units: eV, Å, u, K, and what is shown in others.

Values are those of CODATA 2022 (P. J. Mohr et al., Rev. Mod. Phys. 97, 025002, 2025), written out,
so that results do not depend on the version of a library of constants.
"""

from __future__ import annotations

import math

__all__ = [
    "BOHR",
    "BOLTZMANN_CONSTANT",
    "COULOMB_CONSTANT",
    "FREQUENCY_UNITS",
    "GAS_CONSTANT",
    "GIGAPASCAL",
    "HARTREE",
    "KILOJOULES_PER_MOLE",
    "MILLIELECTRONVOLTS",
    "TERAHERTZ",
]

# In SI units; all but the last two are exact.
_ELEMENTARY_CHARGE = 1.602176634e-19
_BOLTZMANN = 1.380649e-23
_PLANCK = 6.62607015e-34
_LIGHT = 299792458.0
_ATOMIC_MASS = 1.66053906892e-27
_ELECTRIC_CONSTANT = 8.8541878188e-12

MILLIELECTRONVOLTS = 1000.0
"""One eV in meV."""

GIGAPASCAL = 1.0 / (_ELEMENTARY_CHARGE * 1e21)
"""One GPa in eV/Å³ (exact, from the elementary charge)."""

COULOMB_CONSTANT = _ELEMENTARY_CHARGE * 1e10 / (4.0 * math.pi * _ELECTRIC_CONSTANT)
"""e²/(4 pi epsilon_0) in eV Å."""

BOLTZMANN_CONSTANT = _BOLTZMANN / _ELEMENTARY_CHARGE
"""k in eV/K (exact)."""

GAS_CONSTANT = _BOLTZMANN * 6.02214076e23
"""R in J/(K mol) (exact)."""

BOHR = 0.529177210544
"""Unit of length of atoms in Å (CODATA 2022)."""

HARTREE = COULOMB_CONSTANT / BOHR
"""Unit of energy of atoms in eV."""

KILOJOULES_PER_MOLE = _ELEMENTARY_CHARGE * 6.02214076e20
"""One eV for each molecule in kJ/mol (exact)."""

TERAHERTZ = math.sqrt(_ELEMENTARY_CHARGE / _ATOMIC_MASS) * 1e10 / (2e12 * math.pi)
"""The square root of eV/(Å² u), an angular frequency, over 2π, in THz."""

FREQUENCY_UNITS = {
    "THz": TERAHERTZ,
    "1/cm": TERAHERTZ * 1e10 / _LIGHT,
    "meV": TERAHERTZ * 1e12 * _PLANCK / _ELEMENTARY_CHARGE * MILLIELECTRONVOLTS,
}
"""What a network's unit of frequency, the square root of eV/(Å² u) over 2π, is in others."""
