"""Site potentials, energies and Madelung constants."""

import sys
from typing import Any

import numpy as np
import pytest

import madelung as md
from madelung.common.units import COULOMB_CONSTANT
from madelung.sums.electrostatics import resolve_charges

# Madelung constants to all printed digits; CaF2: energy per formula unit times distance.
CONSTANTS = {
    "NaCl": 1.747564594633182,
    "CsCl": 1.762674773070988,
    "ZnS": 1.638055053388790,
    "CaF2": 5.03878488,
}
# A simple cubic lattice of unit charges in a uniform background: S(0, 0) times the edge.
SIMPLE_CUBIC = -2.837297479480619


@pytest.mark.parametrize("name", CONSTANTS)
def test_known_madelung_constants(name: str) -> None:
    result = md.electrostatics(md.example(name), tolerance=1e-12)
    assert result.madelung_constant is not None and result.madelung_certificate is not None
    digits = 5e-9 if name == "CaF2" else 1e-14
    error = abs(result.madelung_constant - CONSTANTS[name])
    assert error <= result.madelung_certificate + digits
    assert result.madelung_certificate < 1e-10
    assert md.madelung_constant(md.example(name)) == pytest.approx(CONSTANTS[name], abs=1e-8)


def test_nothing_depends_on_the_size_of_the_charges() -> None:
    """Sphalerite with charges 2 and with charges 1 has one Madelung constant."""
    crystal = md.example("ZnS")
    doubled = md.electrostatics(crystal, {"Zn": 2, "S": -2})
    single = md.electrostatics(crystal, {"Zn": 1, "S": -1})
    assert doubled.unit_charge == 2.0 and single.unit_charge == 1.0
    assert doubled.madelung_constant == pytest.approx(single.madelung_constant, abs=1e-10)
    assert doubled.energy == pytest.approx(4 * single.energy, rel=1e-12)


def test_site_potentials_in_volts() -> None:
    crystal = md.example("NaCl")
    potentials = md.site_potentials(crystal)
    expected = CONSTANTS["NaCl"] * COULOMB_CONSTANT / (crystal.cell[0, 0] / 2)
    np.testing.assert_allclose(potentials, -expected * crystal.charges, rtol=1e-9)


def test_coulomb_constant_is_that_of_codata() -> None:
    constants = pytest.importorskip("scipy.constants")
    value = constants.e / (4 * np.pi * constants.epsilon_0) * 1e10
    assert pytest.approx(value, rel=1e-8) == COULOMB_CONSTANT


def test_certificates_hold() -> None:
    crystal = md.example("SiO2")
    exact = md.electrostatics(crystal, tolerance=1e-12)
    for tolerance in (1e-2, 1e-4, 1e-6):
        rough = md.electrostatics(crystal, tolerance=tolerance)
        slack = exact.site_certificate
        errors = np.abs(rough.site_potentials - exact.site_potentials)
        assert errors.max() <= rough.site_certificate + slack
        assert abs(rough.energy - exact.energy) <= rough.energy_certificate + 100 * slack
        assert rough.madelung_constant is not None and rough.madelung_certificate is not None
        assert exact.madelung_constant is not None
        error = abs(rough.madelung_constant - exact.madelung_constant)
        assert error <= rough.madelung_certificate + 100 * slack


def test_supercells_add_up() -> None:
    crystal = md.example("TiO2")
    one = md.electrostatics(crystal)
    four = md.electrostatics(crystal.repeat((2, 1, 2)))
    assert four.energy == pytest.approx(4 * one.energy, rel=1e-9)
    assert four.madelung_constant == pytest.approx(one.madelung_constant, abs=1e-8)
    np.testing.assert_allclose(four.site_potentials, np.tile(one.site_potentials, 4), rtol=1e-8)


def test_net_charge_is_neutralised_by_a_background() -> None:
    edge = 3.7
    crystal = md.Crystal(cell=edge * np.eye(3), positions=np.zeros((1, 3)), numbers=[11])
    result = md.electrostatics(crystal, [1.0])
    assert not result.is_neutral and result.net_charge == 1.0
    assert result.madelung_constant is None
    expected = COULOMB_CONSTANT * SIMPLE_CUBIC / edge
    assert result.site_potentials[0] == pytest.approx(expected, abs=1e-8)
    assert result.energy == pytest.approx(expected / 2, abs=1e-8)
    with pytest.raises(md.CrystalError, match="no two charges are of opposite sign"):
        md.madelung_constant(crystal, [1.0])
    salt = md.example("CsCl")
    with pytest.raises(md.CrystalError, match=r"CsCl.cif: .*net charge of 1 e"):
        md.madelung_constant(salt, {"Cs": 2, "Cl": -1})


def test_charges_by_element_site_and_rule() -> None:
    crystal = md.example("CaF2")
    by_element = resolve_charges(crystal, {"F": -1, "Ca": 2, "Na": 1})
    np.testing.assert_array_equal(by_element, resolve_charges(crystal))
    np.testing.assert_array_equal(by_element, resolve_charges(crystal, "oxidation"))
    np.testing.assert_array_equal(by_element, resolve_charges(crystal, list(by_element)))


@pytest.mark.parametrize(
    ("charges", "text"),
    [
        ({"Ca": 2}, "no charge is given for F"),
        ([1.0, 2.0], "one finite charge for each of the 12 sites"),
        ([float("nan")] * 12, "one finite charge"),
        ("formal", "unknown rule 'formal'"),
    ],
)
def test_charges_that_cannot_be_used(charges: Any, text: str) -> None:
    with pytest.raises(md.CrystalError, match=rf"CaF2.cif: .*{text}"):
        resolve_charges(md.example("CaF2"), charges)


def test_a_crystal_without_charges_says_so() -> None:
    crystal = md.Crystal(cell=np.eye(3) * 4, positions=np.zeros((1, 3)), numbers=[29])
    with pytest.raises(md.CrystalError, match="carries no charges"):
        md.electrostatics(crystal)


def test_guessing_needs_pymatgen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatgen.core", None)
    crystal = md.Crystal(cell=np.eye(3) * 4, positions=np.zeros((1, 3)), numbers=[29])
    with pytest.raises(md.CrystalError, match="needs pymatgen-core"):
        resolve_charges(crystal, "oxidation")


def test_guessed_oxidation_states() -> None:
    pytest.importorskip("pymatgen.core")
    known = md.example("SrTiO3")
    crystal = md.Crystal(cell=known.cell, positions=known.positions, numbers=known.numbers)
    np.testing.assert_allclose(resolve_charges(crystal, "oxidation"), known.charges)


def test_neutral_atoms() -> None:
    result = md.electrostatics(md.example("NaCl"), {"Na": 0, "Cl": 0})
    assert result.energy == 0.0 and result.madelung_constant is None
    np.testing.assert_array_equal(result.site_potentials, 0.0)


def test_one_crystal_at_a_time() -> None:
    with pytest.raises(TypeError, match="one crystal"):
        md.electrostatics([md.example("NaCl")])
