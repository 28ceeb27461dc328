"""The terms of every potential against multiple precision, and the arithmetic of combinations."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from lattice_oracle import SplitSum

import madelung as md
from madelung.sums.special import exponential_integral, has_closed_form

EPSILON = float(np.finfo(np.float64).eps)
CELL = np.array([[3.0, 0.25, 0.0], [0.0, 2.5, 0.5], [-0.5, 0.0, 3.5]])

POTENTIALS = [
    ("power", 1.0, md.Coulomb()),
    ("power", 6.0, md.London()),
    ("power", 12.0, md.InversePower(12)),
    ("power", 2.0, md.InversePower(2)),
    ("power", 5.0, md.InversePower(5)),
    ("power", 7.7, md.InversePower(7.7)),
    ("pauli", 3.0, md.Pauli()),
    ("pauli", 0.125, md.Pauli(0.125)),
    ("yukawa", 1.5, md.Yukawa(1.5)),
    ("yukawa", 0.125, md.Yukawa(0.125)),
    ("gaussian", 0.25, md.Gaussian(0.25)),
]
IDS = [repr(potential) for _, _, potential in POTENTIALS]


def error(value: torch.Tensor, exact: mpmath.mpf) -> float:
    return abs(float(mpmath.mpf(float(value)) / exact - 1))


@pytest.mark.parametrize(("kind", "parameter", "potential"), POTENTIALS, ids=IDS)
def test_terms_are_exact_to_their_stated_errors(
    kind: str, parameter: float, potential: md.Potential
) -> None:
    oracle = SplitSum(kind, parameter, CELL)
    splitting = torch.tensor(float(oracle.t), dtype=torch.float64)
    volume = torch.tensor(float(oracle.volume), dtype=torch.float64)
    oracle.t = mpmath.mpf(float(splitting))
    with mpmath.workdps(40):
        for length in (0.01, 0.3, 1.0, 2.0, 2.7):
            r = torch.tensor(length, dtype=torch.float64)
            if kind != "gaussian":
                stated = EPSILON * float(potential.relative_error(r, splitting, False))
                exact = oracle.real(mpmath.sqrt(mpmath.mpf(float(r**2))))
                assert error(potential.real(r**2, splitting), exact) <= stated
            wave = potential.reciprocal(r**2, splitting, volume)
            stated = EPSILON * float(potential.reciprocal_error(r**2, splitting))
            assert error(wave, oracle.wave(mpmath.mpf(float(r**2)))) <= stated
        background, own = oracle.constants()
        assert error(potential.background(splitting, volume), background) <= 20.0 * EPSILON
        assert error(potential.self_term(splitting), own) <= 12.0 * EPSILON


@pytest.mark.slow
@pytest.mark.parametrize("potential", [potential for _, _, potential in POTENTIALS], ids=IDS)
def test_they_are_sound(potential: md.Potential) -> None:
    """Of whatever parameter; the contract of potentials asks it for the typical one only."""
    md.validate_potential(potential)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [-10.3, -4.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.3, 3.0, 6.0, 7.5])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_exponential_integral(exponent: float, order: int) -> None:
    places = [1e-17, 1e-11, 1e-6, 1e-2, 0.5, 1.0, 3.9, 4.1, 20.0, 150.0]
    c = torch.tensor(exponent, dtype=torch.float64, requires_grad=True)
    for place in places:
        x = torch.tensor([place], dtype=torch.float64)
        value = exponential_integral(c, x).sum()
        for _ in range(order):
            (value,) = torch.autograd.grad(value, c, create_graph=True)
        with mpmath.workdps(40):
            exact = mpmath.diff(lambda q, at=place: mpmath.expint(1 - q, at), exponent, order)
        assert error(value.detach(), exact) <= 4e-15 + 2e-16 * place


@pytest.mark.parametrize("exponent", [-10.3, -1.5, 0.0, 0.8, 1.5, 2.2])
def test_exponential_integral_of_large_arrays(exponent: float) -> None:
    """Small and large arrays take different ways to the same values."""
    x = torch.logspace(-17, 2.5, 5000, dtype=torch.float64)
    whole = exponential_integral(exponent, x)
    parts = torch.cat([exponential_integral(exponent, part) for part in x.split(500)])
    torch.testing.assert_close(whole, parts, rtol=4e-15, atol=0.0)


def test_exponential_integral_derivatives() -> None:
    x = torch.tensor([0.1, 0.9, 4.5], dtype=torch.float64, requires_grad=True)
    for exponent in (-1.5, -0.8, 1.7):
        c = torch.tensor(exponent, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(exponential_integral, (c, x))
        assert torch.autograd.gradgradcheck(exponential_integral, (c, x))


def test_closed_forms() -> None:
    exponents = (-1.5, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 2.5)
    assert [c for c in exponents if has_closed_form(c)] == [0.5, 1.0, 2.0, 2.5]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: md.InversePower(3), "pole"),
        (lambda: md.InversePower(0), "positive"),
        (lambda: md.InversePower(-2.0), "positive"),
        (lambda: md.InversePower(65), "64"),
        (lambda: md.InversePower(float("nan")), "positive and finite"),
        (lambda: md.InversePower(torch.tensor(3.0)), "pole"),
        (lambda: md.Pauli(0.0), "positive"),
        (lambda: md.Yukawa(float("inf")), "finite"),
        (lambda: md.Yukawa("near"), "number"),
        (lambda: md.Gaussian(-1.0), "rate"),
        (lambda: md.Pauli(torch.ones(2)), "one number"),
        (lambda: float("nan") * md.Coulomb(), "finite"),
        (lambda: md.Coulomb() + 2.0, "not a potential"),
        (lambda: "much" * md.Coulomb(), "number"),
        (lambda: md.LennardJones(1.0, -1.0), "sigma"),
        (lambda: md.Morse(1.0, 0.0, 1.0), "alpha"),
        (lambda: md.Buckingham(1.0, 0.0, 1.0), "rho"),
    ],
)
def test_refusals(make: Callable[[], object], words: str) -> None:
    with pytest.raises(md.PotentialError, match=words):
        make()


def test_energies() -> None:
    r = np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(md.Coulomb()(r), 1.0 / r, rtol=1e-15)
    np.testing.assert_allclose(md.InversePower(2.5)(r), r**-2.5, rtol=1e-15)
    np.testing.assert_allclose(md.Pauli(2.0)(r), np.exp(-2.0 * r), rtol=1e-15)
    np.testing.assert_allclose(md.Yukawa(2.0)(r), np.exp(-2.0 * r) / r, rtol=1e-15)
    np.testing.assert_allclose(md.Gaussian(2.0)(r), np.exp(-2.0 * r**2), rtol=1e-15)
    lennard_jones = md.LennardJones(0.5, 1.5)
    assert lennard_jones(1.5) == pytest.approx(0.0, abs=1e-14)
    assert lennard_jones(1.5 * 2.0 ** (1.0 / 6.0)) == pytest.approx(-0.5, rel=1e-14)
    assert md.Morse(0.5, 1.2, 2.0)(2.0) == pytest.approx(-0.5, rel=1e-14)
    expected = 3.0 * math.exp(-2.0 / 0.4) - 5.0 / 64.0
    assert md.Buckingham(3.0, 0.4, 5.0)(2.0) == pytest.approx(expected, rel=1e-14)


def test_arithmetic_and_names() -> None:
    combination = 2.0 * md.Coulomb() - md.London() * 3.0 + -md.Pauli(1.5)
    assert repr(combination) == "Combination(2.0*Coulomb() - 3.0*London() - 1.0*Pauli(1.5))"
    assert repr(-md.InversePower(2.5)) == "Combination(-1.0*InversePower(2.5))"
    r = 1.7
    assert combination(r) == pytest.approx(2.0 / r - 3.0 / r**6 - math.exp(-1.5 * r), rel=1e-14)
    assert (combination - combination)(r) == pytest.approx(0.0, abs=1e-15)


def test_parameters_keep_their_graph() -> None:
    alpha = torch.tensor(1.5, dtype=torch.float32, requires_grad=True)
    value = md.Morse(0.5, alpha, 2.0)(1.7)
    (gradient,) = torch.autograd.grad(value, alpha)
    step = 1e-6
    numeric = (md.Morse(0.5, 1.5 + step, 2.0)(1.7) - md.Morse(0.5, 1.5 - step, 2.0)(1.7)) / step / 2
    assert float(gradient) == pytest.approx(numeric, rel=1e-6)


def test_kernels_of_the_core() -> None:
    potentials = [
        md.Coulomb(),
        md.London(),
        md.Pauli(),
        md.Yukawa(1.0),
        md.Gaussian(1.0),
        md.InversePower(12),
        md.InversePower(5),
    ]
    assert [potential.kernel for potential in potentials] == list(range(7))
    assert md.InversePower(torch.tensor(12.0)).kernel == 6


def test_importing_the_package_is_cheap() -> None:
    check = (
        "import sys, madelung; madelung.Coulomb() + madelung.London(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'ase', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
