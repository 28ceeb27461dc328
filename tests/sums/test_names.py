"""Potentials by name, and numbers with bounds as text."""

import numpy as np
import pytest

import madelung as md
from madelung.sums.formatting import bound_text, value_text
from madelung.sums.names import potential_from_name, potentials_from_names


@pytest.mark.parametrize(
    ("text", "potential", "name", "title"),
    [
        ("coulomb", md.Coulomb(), "coulomb", "Coulomb (1/Å)"),
        (" London ", md.London(), "london", "London (Å^-6)"),
        ("pauli", md.Pauli(3.0), "pauli:3", "exp(-3 r)"),
        ("born_mayer:2.5", md.Pauli(2.5), "born-mayer:2.5", "exp(-2.5 r)"),
        ("yukawa:0.5", md.Yukawa(0.5), "yukawa:0.5", "exp(-0.5 r)/r (1/Å)"),
        ("gaussian:1e-1", md.Gaussian(0.1), "gaussian:0.1", "exp(-0.1 r²)"),
        ("r12", md.InversePower(12), "inverse-power:12", "r^-12 (Å^-12)"),
        ("r2.5", md.InversePower(2.5), "inverse-power:2.5", "r^-2.5 (Å^-2.5)"),
        (
            "lennard-jones:0.01:3.4",
            md.LennardJones(0.01, 3.4),
            "lennard-jones:0.01:3.4",
            "Lennard-Jones (eV)",
        ),
        ("morse:1:1.5:2", md.Morse(1, 1.5, 2), "morse:1:1.5:2", "Morse (eV)"),
        (
            "buckingham:1000:0.3:30",
            md.Buckingham(1000, 0.3, 30),
            "buckingham:1000:0.3:30",
            "Buckingham (eV)",
        ),
    ],
)
def test_names(text: str, potential: md.Potential, name: str, title: str) -> None:
    named = potential_from_name(text)
    assert (named.name, named.title) == (name, title)
    assert repr(named.potential) == repr(potential)
    assert repr(potential_from_name(named.name).potential) == repr(potential)


def test_lists_of_names() -> None:
    assert [item.name for item in potentials_from_names("coulomb, r9,")] == [
        "coulomb",
        "inverse-power:9",
    ]


@pytest.mark.parametrize(
    "text", ["", "gravity", "yukawa", "coulomb:1", "pauli:-1", "pauli:x", "r3", "morse:1:2"]
)
def test_names_that_are_refused(text: str) -> None:
    with pytest.raises(md.PotentialError):
        potentials_from_names(text)


def test_printed_bounds_are_bounds() -> None:
    for bound in np.random.default_rng(1).uniform(1, 10, 500) * 1e-9:
        assert bound <= float(bound_text(bound)) <= 1.11 * bound
    assert bound_text(9.96e-9) == "1.0e-08"
    assert bound_text(1.5e-9) == "1.5e-09"


def test_printed_values_have_sure_decimals() -> None:
    assert value_text(1.23456789, 2e-4) == "1.235"
    assert value_text(-0.5, 0.7) == "-0"
    assert value_text(2.0, 0.0) == "2"
