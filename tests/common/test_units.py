"""Constants against those of scipy, and of ASE, which keeps CODATA 2014."""

from __future__ import annotations

import math
import re
from pathlib import Path

import ase.units
import pytest
from scipy import constants

import madelung as md
from madelung.common import units

# SciPy before 1.15 keeps CODATA 2018: u and epsilon_0 differ by some 1e-9 and less. Since 2019 e,
# k, h and c are exact; the values of 2014 that ASE keeps differ from these by up to 4e-7.
SAME, SCIPY, ASE = 1e-15, 2e-9, 4e-7


def test_constants_are_those_of_scipy() -> None:
    coulomb = constants.e / (4.0 * math.pi * constants.epsilon_0) * 1e10
    terahertz = math.sqrt(constants.e / constants.atomic_mass) * 1e10 / (2e12 * math.pi)
    assert pytest.approx(constants.k / constants.e, rel=SAME) == units.BOLTZMANN_CONSTANT
    assert pytest.approx(1e9 / constants.e * 1e-30, rel=SAME) == units.GIGAPASCAL
    assert pytest.approx(coulomb, rel=SCIPY) == units.COULOMB_CONSTANT
    assert pytest.approx(terahertz, rel=SCIPY) == units.TERAHERTZ
    wave_number = terahertz * 1e12 / constants.c / 100.0
    energy = terahertz * 1e12 * constants.h / constants.milli / constants.e
    expected = {"THz": terahertz, "1/cm": wave_number, "meV": energy}
    assert pytest.approx(expected, rel=SCIPY) == units.FREQUENCY_UNITS


def test_constants_are_those_of_ase() -> None:
    assert pytest.approx(ase.units.kB, rel=ASE) == units.BOLTZMANN_CONSTANT
    assert pytest.approx(ase.units.GPa, rel=ASE) == units.GIGAPASCAL
    assert pytest.approx(ase.units.Hartree * ase.units.Bohr, rel=ASE) == units.COULOMB_CONSTANT
    # ASE's unit of time is that of eV, Å and u.
    assert pytest.approx(1e3 * ase.units.fs / (2.0 * math.pi), rel=ASE) == units.TERAHERTZ


def test_no_other_module_writes_a_constant_out() -> None:
    written = re.compile(r"160\.21|1\.60217|8\.617|14\.399|96\.48|27\.211|0\.5291|15\.633")
    root = Path(md.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if written.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"common/units.py"}
