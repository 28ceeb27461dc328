"""The equations of docs/theory/lattice-sums.md on potentials, against quadrature."""

import mpmath as mp
import numpy as np
import pytest
from theory_formulas import (
    ALPHA,
    FORMULAS,
    SPLITTING,
    VOLUME,
    close,
    incomplete,
    plus_and_minus,
    power_density,
    screened_b,
)

PIECES = [mp.mpf(0), mp.mpf("0.01"), mp.mpf("0.1"), SPLITTING]
TAIL = [SPLITTING, 2 * SPLITTING, 5 * SPLITTING, 20 * SPLITTING, mp.inf]


@pytest.fixture(autouse=True)
def precision() -> None:
    mp.mp.dps = 30


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
def test_mixture_of_gaussians(name: str) -> None:
    """Equations (2.1) and (2.4): the density gives the potential, its upper part f."""
    formula = FORMULAS[name]
    for r in (mp.mpf("0.6"), mp.mpf("1.1"), mp.mpf("2.9")):

        def gaussian(u: mp.mpf, r: mp.mpf = r) -> mp.mpf:
            return formula["density"](u) * mp.exp(-u * r * r)

        upper = mp.quad(gaussian, TAIL)
        close(formula["real"](r), upper)
        close(formula["value"](r), upper + mp.quad(gaussian, PIECES))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
def test_reciprocal_part_and_constants(name: str) -> None:
    """Equations (2.7) and (2.8): w(k), w_0 and L_0 from the lower part of the mixture."""
    formula = FORMULAS[name]

    def transform(u: mp.mpf, k: mp.mpf) -> mp.mpf:
        front = (mp.pi / u) ** mp.mpf("1.5") / VOLUME
        return formula["density"](u) * front * mp.exp(-((mp.pi * k) ** 2) / u)

    for k in (mp.mpf("0.2"), mp.mpf("0.5"), mp.mpf("1.4")):
        close(formula["reciprocal"](k), mp.quad(lambda u, k=k: transform(u, k), PIECES))
    if "background" in formula:
        close(formula["background"], mp.quad(lambda u: transform(u, mp.mpf(0)), PIECES), 13)
    # u = y² removes the singularity of the densities at u = 0
    origin = mp.quad(
        lambda y: 2 * y * formula["density"](y * y), [mp.sqrt(piece) for piece in PIECES]
    )
    close(formula["origin"], origin)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1, 2.5, 3.7, 6, 9, 12])
def test_power_laws_of_any_exponent(exponent: float) -> None:
    """Equations (2.12) to (2.14), against quadrature, and (2.16), by recurrence."""
    p = mp.mpf(exponent) / 2
    density, t = power_density(2 * p), SPLITTING
    r, k = mp.mpf("1.2"), mp.mpf("0.45")
    real = mp.quad(lambda u: density(u) * mp.exp(-u * r * r), TAIL)
    close(t**p / mp.gamma(p) * incomplete(p, t * r * r), real)
    z = (mp.pi * k) ** 2 / t
    transform = mp.quad(
        lambda u: density(u) * (mp.pi / u) ** 1.5 * mp.exp(-((mp.pi * k) ** 2) / u) / VOLUME,
        PIECES,
    )
    front = mp.pi ** mp.mpf("1.5") * t ** (p - mp.mpf("1.5")) / (VOLUME * mp.gamma(p))
    close(front * incomplete(mp.mpf("1.5") - p, z), transform)
    order = mp.mpf("1.5") - p
    recurred = (z * incomplete(order + 1, z) - mp.exp(-z)) / order
    close(incomplete(order, z), recurred)
    origin = mp.quad(lambda y: 2 * y * density(y * y), [mp.sqrt(piece) for piece in PIECES])
    close(t**p / mp.gamma(p + 1), origin)
    if p > 1.5:
        constant = mp.quad(
            lambda y: 2 * y * density(y * y) * (mp.sqrt(mp.pi) / y) ** 3 / VOLUME,
            [mp.sqrt(piece) for piece in PIECES],
        )
        close(-front / order, constant)


@pytest.mark.parametrize(
    ("p", "x"), [("1.25", "0.3"), ("1.85", "4"), ("-0.35", "0.05"), ("-3", "7")]
)
def test_quadrature_for_general_exponents(p: str, x: str) -> None:
    """Equation (2.24): 64 Gauss-Legendre nodes between 0 and ln(1 + D/x)."""
    depth = 45
    nodes, weights = np.polynomial.legendre.leggauss(64)
    half = np.log1p(depth / float(x)) / 2
    places = half * (1 + nodes)
    value = half * weights @ np.exp(float(p) * places - float(x) * np.exp(places))
    close(mp.mpf(float(value)), incomplete(mp.mpf(p), mp.mpf(x)), 12)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1, 2.5, 6, 9])
def test_derivatives_in_the_exponent(exponent: float) -> None:
    """Equations (7.8) and (7.9), against numerical differentiation of (2.12) to (2.14)."""
    p, t, r, k = mp.mpf(exponent) / 2, SPLITTING, mp.mpf("1.2"), mp.mpf("0.45")
    x, z = t * r * r, (mp.pi * k) ** 2 / t

    def logarithmic(order: mp.mpf, y: mp.mpf) -> mp.mpf:
        return mp.quad(
            lambda u: u ** (order - 1) * mp.log(u) * mp.exp(-y * u), [1, 2, 5, 20, mp.inf]
        )

    def front(q: mp.mpf) -> mp.mpf:
        return mp.pi ** mp.mpf("1.5") * t ** (q - mp.mpf("1.5")) / (VOLUME * mp.gamma(q))

    def real(q: mp.mpf) -> mp.mpf:
        return t**q / mp.gamma(q) * incomplete(q, x)

    def reciprocal(q: mp.mpf) -> mp.mpf:
        return front(q) * incomplete(mp.mpf("1.5") - q, z)

    common = mp.log(t) - mp.digamma(p)
    slope = common * real(p) + t**p / mp.gamma(p) * logarithmic(p, x)
    close(slope, mp.diff(real, p), 10)
    slope = common * reciprocal(p) - front(p) * logarithmic(mp.mpf("1.5") - p, z)
    close(slope, mp.diff(reciprocal, p), 10)
    constant = mp.diff(lambda q: front(q) / (q - mp.mpf("1.5")), p)
    close(front(p) / (p - mp.mpf("1.5")) * (common - 1 / (p - mp.mpf("1.5"))), constant, 10)
    origin = mp.diff(lambda q: t**q / mp.gamma(q + 1), p)
    close(t**p / mp.gamma(p + 1) * (mp.log(t) - mp.digamma(p + 1)), origin, 10)


def test_coulomb_is_the_limit_of_screening() -> None:
    """Equation (2.22): Yukawa's w_0 less its average over space tends to Coulomb's."""
    for alpha in (mp.mpf("1e-3"), mp.mpf("1e-5")):
        b = alpha**2 / 4
        screened = mp.pi * mp.exp(-b / SPLITTING) / (VOLUME * b)
        limit = screened - 4 * mp.pi / (VOLUME * alpha**2)
        assert abs(limit + mp.pi / (VOLUME * SPLITTING)) < alpha**2


def test_the_coulomb_sum_averages_to_zero() -> None:
    """Equation (9.3): the integral of f over space is π/t, and w_0 V is its negative."""
    real = FORMULAS["coulomb"]["real"]
    integral = mp.quad(lambda r: 4 * mp.pi * r * r * real(r), [0, 1, 3, mp.inf])
    close(integral, mp.pi / SPLITTING)


def test_derivatives_in_the_screening() -> None:
    """Equations (7.5) to (7.7): derivatives in alpha of f, w and L_0 for exp(-alpha r)."""
    t, r, k = SPLITTING, mp.mpf("1.4"), mp.mpf("0.4")

    def real(alpha: mp.mpf) -> mp.mpf:
        plus, minus = plus_and_minus(r, alpha)
        return (minus - plus) / 2

    h = ALPHA / (2 * mp.sqrt(t))
    plus, minus = plus_and_minus(r)
    edge = mp.exp(-t * r * r - h * h) / mp.sqrt(mp.pi * t)
    close(edge - r * (minus + plus) / 2, mp.diff(real, ALPHA), 10)

    def reciprocal(alpha: mp.mpf) -> mp.mpf:
        b = (mp.pi * k) ** 2 + alpha**2 / 4
        return alpha * mp.pi * mp.exp(-b / t) * (1 / (t * b) + 1 / b**2) / (2 * VOLUME)

    b = screened_b(k)
    slope = -(1 / (t**2 * b) + 2 / (t * b**2) + 2 / b**3) * ALPHA / 2
    front = mp.pi * mp.exp(-b / t) / (2 * VOLUME)
    close(front * (1 / (t * b) + 1 / b**2 + ALPHA * slope), mp.diff(reciprocal, ALPHA), 10)
    origin = mp.diff(lambda alpha: mp.erfc(alpha / (2 * mp.sqrt(t))), ALPHA)
    close(-mp.exp(-h * h) / mp.sqrt(mp.pi * t), origin, 10)
