"""The oracle itself against published constants, brute force, quadrature and other libraries."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb
from oracle_parts import Potential, Vector, ball, precision
from oracles import (
    ExactLattice,
    Exponential,
    Gaussian,
    InversePower,
    LatticeSums,
    Yukawa,
    exceeds,
    lattice_sum,
)

SIMPLE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
FACES = [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
BODY = [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]
HEXAGONAL = [[1.0, 0.0, 0.0], [-0.5, math.sqrt(0.75), 0.0], [0.0, 0.0, math.sqrt(8 / 3)]]
SKEWED = [[1.3, 0.1, -0.2], [0.9, 1.1, 0.3], [-0.4, 0.7, 1.6]]
SOMEWHERE = [0.41, -0.73, 2.17]
POTENTIALS: list[Potential] = [
    InversePower(1),
    InversePower(2.7),
    InversePower(5),
    InversePower(6),
    InversePower(12),
    Exponential(3.0),
    Exponential(0.2),
    Yukawa(3.0),
    Yukawa(0.2),
    Gaussian(0.3),
    Gaussian(4.0),
]


def middle(value: arb) -> float:
    return float(value.mid())


def brute_distances(cell: list[list[float]], difference: list[float], radius: float) -> np.ndarray:
    """Distances below a radius in plain numpy, without zero."""
    rows = np.array(cell)
    reach = math.ceil(radius * np.linalg.norm(np.linalg.inv(rows), axis=0).max()) + 4
    steps = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(grid @ rows + np.array(difference), axis=1)
    return distances[(distances <= radius) & (distances > 1e-9)]


@pytest.mark.parametrize(
    ("cell", "ions", "squared_distance", "constant"),
    [
        (FACES, [(1, [0.0] * 3), (-1, [0.5, 0.5, 0.5])], 0.25, 1.747564594633182),
        (SIMPLE, [(1, [0.0] * 3), (-1, [0.5, 0.5, 0.5])], 0.75, 1.762674773070988),
        (FACES, [(1, [0.0] * 3), (-1, [0.25, 0.25, 0.25])], 0.1875, 1.638055053388790),
    ],
    ids=["NaCl", "CsCl", "ZnS"],
)
def test_madelung_constants(
    cell: list[list[float]],
    ions: list[tuple[int, list[float]]],
    squared_distance: float,
    constant: float,
) -> None:
    sums = LatticeSums(cell)
    potential = sum(charge * middle(sums.sum(place, InversePower(1))) for charge, place in ions)
    assert -potential * math.sqrt(squared_distance) == pytest.approx(constant, abs=2e-15)


def test_fluorite() -> None:
    sums = LatticeSums(FACES)
    ions = [(2, [0.0] * 3), (-1, [0.25] * 3), (-1, [0.75] * 3)]
    energy = 0.0
    for charge, place in ions:
        for other, elsewhere in ions:
            difference = [b - a for a, b in zip(place, elsewhere, strict=True)]
            energy += charge * other * middle(sums.sum(difference, InversePower(1))) / 2
    assert -energy * math.sqrt(3) / 4 == pytest.approx(5.03878488, abs=5e-9)


@pytest.mark.parametrize(
    ("cell", "sites", "squared_distance", "six", "twelve"),
    [
        (FACES, [[0.0] * 3], 0.5, 14.4539210437444719, 12.1318801965445797),
        (BODY, [[0.0] * 3], 0.75, 12.2536678672923228, 9.11418326807535887),
        (SIMPLE, [[0.0] * 3], 1.0, 8.401923974828, 6.202149045048),
        (
            HEXAGONAL,
            [[0.0] * 3, [0.5, math.sqrt(1 / 12), math.sqrt(2 / 3)]],
            1.0,
            14.454897277842,
            12.132293769099,
        ),
    ],
    ids=["fcc", "bcc", "sc", "hcp"],
)
def test_lennard_jones_sums(
    cell: list[list[float]],
    sites: list[list[float]],
    squared_distance: float,
    six: float,
    twelve: float,
) -> None:
    sums = LatticeSums(cell)
    for power, constant in ((6, six), (12, twelve)):
        total = sum(middle(sums.sum(site, InversePower(power))) for site in sites)
        assert total * squared_distance ** (power / 2) == pytest.approx(constant, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("difference", [[0.0, 0.0, 0.0], SOMEWHERE])
@pytest.mark.parametrize("exponent", [6, 9.5, 12])
def test_inverse_powers_by_brute_force(exponent: float, difference: list[float]) -> None:
    radius, lattice = 30.0, ExactLattice(SKEWED)
    found = math.fsum(brute_distances(SKEWED, difference, radius) ** -exponent)
    volume, covering = float(lattice.volume), lattice.covering_radius
    tails = [
        4 * math.pi / (volume * (exponent - 3)) * (radius + shift) ** (3 - exponent)
        for shift in (2 * covering, -2 * covering)
    ]
    exact = middle(lattice_sum(SKEWED, difference, InversePower(exponent)))
    rounding = 1e-14 * found + 1e-13
    assert found + tails[0] - rounding < exact < found + tails[1] + rounding


@pytest.mark.slow
@pytest.mark.parametrize("difference", [[0.0, 0.0, 0.0], SOMEWHERE])
@pytest.mark.parametrize("alpha", [1.5, 3.0, 7.0])
def test_screened_potentials_by_brute_force(alpha: float, difference: list[float]) -> None:
    distances = brute_distances(SKEWED, difference, 36.0)
    falls = np.exp(-alpha * distances)
    assert middle(lattice_sum(SKEWED, difference, Exponential(alpha))) == pytest.approx(
        math.fsum(falls), rel=1e-13
    )
    assert middle(lattice_sum(SKEWED, difference, Yukawa(alpha))) == pytest.approx(
        math.fsum(falls / distances), rel=1e-13
    )


@pytest.mark.parametrize("difference", [[0.0, 0.0, 0.0], SOMEWHERE])
@pytest.mark.parametrize("rate", [0.2, 1.0, 9.0])
def test_gaussians_by_brute_force(rate: float, difference: list[float]) -> None:
    terms = np.exp(-rate * brute_distances(SKEWED, difference, 20.0) ** 2)
    assert middle(lattice_sum(SKEWED, difference, Gaussian(rate))) == pytest.approx(
        math.fsum(terms), rel=1e-13
    )


@pytest.mark.slow
@pytest.mark.parametrize("difference", [[0.0, 0.0, 0.0], [1e-5, 0.0, 2e-5], SOMEWHERE])
@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_independent_of_the_splitting(potential: Potential, difference: list[float]) -> None:
    sums, accuracy = LatticeSums(SKEWED), 1e-28
    balls = [sums.sum(difference, potential, accuracy, t) for t in (None, 1.2, 3.0)]
    for one in balls:
        assert bool(one.rad() <= ball(accuracy))
        for other in balls:
            assert one.overlaps(other)


@pytest.mark.parametrize("r2", [0.37, 3.1])
@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_real_part_and_its_complement_are_the_potential(potential: Potential, r2: float) -> None:
    with precision(200):
        for t in (0.2, 1.0, 5.0):
            parts = potential.real(ball(r2), ball(t)) + potential.excluded(ball(r2), ball(t))
            assert parts.overlaps(potential.value(ball(r2)))


@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_complement_at_zero_is_the_limit(potential: Potential) -> None:
    with precision(400):
        at_zero = potential.excluded(ball(0), ball(2.0))
        nearby = potential.excluded(ball(1e-60), ball(2.0))
        assert abs(float(at_zero - nearby)) < 1e-29


def mixture(potential: Potential, u: mpmath.mpf) -> mpmath.mpf:
    """Density of the Gaussians of rate u of which a potential is made."""
    match potential:
        case InversePower(exponent):
            p = mpmath.mpf(exponent) / 2
            return u ** (p - 1) / mpmath.gamma(p)
        case Yukawa(alpha):
            return mpmath.exp(-(alpha**2) / (4 * u)) / mpmath.sqrt(mpmath.pi * u)
        case Exponential(alpha):
            scale = mpmath.mpf(alpha) / (2 * mpmath.sqrt(mpmath.pi))
            return scale * u ** mpmath.mpf(-1.5) * mpmath.exp(-(alpha**2) / (4 * u))
    raise AssertionError(potential)


@pytest.mark.parametrize("potential", POTENTIALS[:-2], ids=str)
def test_both_parts_by_quadrature(potential: Potential) -> None:
    t, r2, k2 = 1.7, 0.8, 1.3
    with mpmath.workdps(30):
        real = mpmath.quad(
            lambda u: mixture(potential, u) * mpmath.exp(-u * r2), [t, 4, 10, 40, mpmath.inf]
        )
        dual = mpmath.quad(
            lambda u: (
                mixture(potential, u)
                * (mpmath.pi / u) ** mpmath.mpf(1.5)
                * mpmath.exp(-(mpmath.pi**2) * k2 / u)
            ),
            [0, 0.2, 0.7, t],
        )
    assert middle(potential.real(ball(r2), ball(t))) == pytest.approx(float(real), rel=1e-14)
    assert middle(potential.reciprocal(ball(k2), ball(t))) == pytest.approx(float(dual), rel=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_scrambled_cell_is_the_same_lattice(potential: Potential) -> None:
    change = np.array([[1, 0, 0], [4096, 1, 0], [-8192, 1024, 1]])
    dyadic = np.round(np.array(SKEWED) * 1024) / 1024
    here = lattice_sum(dyadic, SOMEWHERE, potential)
    there = lattice_sum(change @ dyadic, SOMEWHERE, potential)
    assert here.overlaps(there)


@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_supercells_add_up(potential: Potential) -> None:
    double = [[2 * x for x in SIMPLE[0]], SIMPLE[1], SIMPLE[2]]
    whole = lattice_sum(SIMPLE, SOMEWHERE, potential)
    shifted = [Fraction(SOMEWHERE[0]) + 1, *map(Fraction, SOMEWHERE[1:])]
    places: list[Vector] = [SOMEWHERE, shifted]
    parts = [lattice_sum(double, place, potential) for place in places]
    assert (parts[0] + parts[1]).overlaps(whole)


@pytest.mark.slow
@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_coinciding_sites_leave_their_term_out(potential: Potential) -> None:
    same = lattice_sum(SKEWED, [0.0, 0.0, 0.0], potential)
    image = [SKEWED[0][k] + SKEWED[1][k] - SKEWED[2][k] for k in range(3)]
    assert abs(middle(lattice_sum(SKEWED, image, potential)) - middle(same)) < 1e-12
    assert abs(middle(lattice_sum(SKEWED, [1e-10, 0.0, 0.0], potential)) - middle(same)) < 1e-9


def test_nearest_distance() -> None:
    lattice = ExactLattice([[1.0, 0.0, 0.0], [1000.0, 1.0, 0.0], [-77.0, 31.0, 1.0]])
    assert lattice.nearest_distance([123.25, -4.5, 9.0]) == pytest.approx(math.hypot(0.25, 0.5))


def test_flat_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="no volume"):
        ExactLattice([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])


def test_exceeds() -> None:
    assert exceeds(1.0, ball(1.5), 0.4)
    assert not exceeds(1.0, ball(1.5), 0.6)
    assert exceeds(math.nan, ball(1.5), 1.0)
    assert exceeds(1.0, ball(1.0), math.nan)
    assert not exceeds(1.0, arb(1.5, 0.3), 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1.0, 2.7, 5.0, 6.0, 12.0])
def test_against_epsteinlib(exponent: float) -> None:
    epsteinlib = pytest.importorskip(
        "epsteinlib", reason="epsteinlib (AGPL, a test-time oracle only) is not installed"
    )
    rng = np.random.default_rng(5)
    for _ in range(2):
        cell = np.eye(3) * 2 + rng.normal(scale=0.3, size=(3, 3))
        for difference in (np.zeros(3), rng.normal(size=3)):
            # Columns are lattice vectors there.
            value = epsteinlib.epstein_zeta(exponent, cell.T.copy(), difference, np.zeros(3)).real
            exact = middle(lattice_sum(cell, difference, InversePower(exponent)))
            assert value == pytest.approx(exact, rel=1e-12, abs=1e-12)
