"""The equations of docs/theory/lattice-sums.md on bounds, whole sums and their derivatives."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from scipy.special import erfc
from theory_formulas import ALPHA, FORMULAS, SPLITTING, VOLUME, close


def gram_schmidt_lengths(cell: np.ndarray) -> np.ndarray:
    return np.abs(np.diag(np.linalg.qr(cell.T)[1]))


def counting_coefficients(lengths: np.ndarray) -> tuple[float, float, float]:
    """c_1, c_2, c_3 of equation (3.2)."""
    inverse = 1 / lengths
    pairs = inverse[0] * inverse[1] + inverse[0] * inverse[2] + inverse[1] * inverse[2]
    return 2 * inverse.sum(), np.pi * pairs, 4 * np.pi / 3 * inverse.prod()


def counted(radius: float, lengths: np.ndarray) -> float:
    c1, c2, c3 = counting_coefficients(lengths)
    return 1 + c1 * radius + c2 * radius**2 + c3 * radius**3


def points(cell: np.ndarray, centre: np.ndarray, reach: int) -> np.ndarray:
    steps = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    return np.linalg.norm(steps @ cell + centre, axis=1)


def random_cells(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [
        generator.normal(size=(3, 3)) @ np.diag(generator.uniform(0.5, 2.5, 3)) + 2 * np.eye(3)
        for _ in range(count)
    ]


def test_counting_bound() -> None:
    """Equation (3.2): no ball holds more lattice points than the bound says."""
    generator = np.random.default_rng(11)
    for cell in random_cells(40):
        lengths = gram_schmidt_lengths(cell)
        inner = np.linalg.svd(cell)[1].min() * 6
        distances = points(cell, generator.uniform(0, 1, 3) @ cell, 10)
        for radius in np.linspace(0.01, inner, 15):
            assert (distances <= radius).sum() <= counted(radius, lengths) + 1e-9


def test_one_dimensional_sum_of_a_unimodal_function() -> None:
    """Equation (3.1): a sum over equal steps is at most integral / step + maximum."""
    generator = np.random.default_rng(2)
    for _ in range(200):
        width, step, shift = generator.uniform(0.05, 5, 3)
        samples = np.exp(-np.abs(shift + step * np.arange(-4000, 4001)) / width)
        assert samples.sum() <= 2 * width / step + 1 + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
def test_tail_bounds_hold(name: str) -> None:
    """Equations (4.3) and (4.5): the sum beyond a cutoff is at most the bound."""
    mp.mp.dps = 15
    formula, t, ratios = FORMULAS[name], float(SPLITTING), []
    for cell in random_cells(3):
        scale = (float(VOLUME) / abs(np.linalg.det(cell))) ** (1 / 3)
        direct = cell * scale
        for part, lattice, rate, start in (
            ("real", direct, t, 1.5),
            ("reciprocal", np.linalg.inv(direct).T, np.pi**2 / t, 0.5),
        ):
            distances = np.sort(points(lattice, np.zeros(3), 7))
            limit = distances[-1]
            lengths = gram_schmidt_lengths(lattice)
            c1, c2, c3 = counting_coefficients(lengths)
            for cutoff in (start, 1.3 * start):
                beyond = distances[(distances > cutoff) & (distances < limit)]
                tail = sum(float(formula[part](mp.mpf(float(r)))) for r in beyond[:400])
                i0 = min(np.sqrt(np.pi / rate) / 2, 1 / (2 * rate * cutoff))
                i1, i2 = 1 / (2 * rate), cutoff / (2 * rate) + i0 / (2 * rate)
                inside = (distances <= cutoff).sum()
                bracket = counted(cutoff, lengths) - inside + c1 * i0 + 2 * c2 * i1 + 3 * c3 * i2
                bound = float(formula[part](mp.mpf(cutoff))) * bracket
                assert 0 < tail <= bound
                ratios.append(bound / tail)
    assert min(ratios) < 50


def test_integrals_of_the_tail() -> None:
    """The integrals I_m of (4.3), and the closed form (4.6) for exponentials."""
    t, cutoff, alpha = mp.mpf("0.8"), mp.mpf("1.9"), mp.mpf("1.7")

    def gaussian(r: mp.mpf) -> mp.mpf:
        return mp.exp(-t * (r * r - cutoff * cutoff))

    i0 = mp.quad(gaussian, [cutoff, 2 * cutoff, 6 * cutoff])
    assert i0 <= min(mp.sqrt(mp.pi / t) / 2, 1 / (2 * t * cutoff))
    close(mp.quad(lambda r: r * gaussian(r), [cutoff, 2 * cutoff, 6 * cutoff]), 1 / (2 * t))
    second = mp.quad(lambda r: r * r * gaussian(r), [cutoff, 2 * cutoff, 6 * cutoff])
    close(second, cutoff / (2 * t) + i0 / (2 * t))
    coefficients = (mp.mpf("0.3"), mp.mpf("0.5"), mp.mpf("0.2"))

    def integrand(r: mp.mpf) -> mp.mpf:
        slope = sum((j + 1) * c * r**j for j, c in enumerate(coefficients))
        return slope * mp.exp(-alpha * r)

    integral = mp.quad(integrand, [cutoff, 3 * cutoff, mp.inf])
    c1, c2, c3 = coefficients
    closed = c1 / alpha + 2 * c2 * (cutoff / alpha + alpha**-2)
    closed += 3 * c3 * (cutoff**2 / alpha + 2 * cutoff / alpha**2 + 2 / alpha**3)
    close(mp.exp(-alpha * cutoff) * closed, integral)


@pytest.mark.parametrize("name", FORMULAS)
def test_slope_bound(name: str) -> None:
    """Equation (5.3): |f'| is at most f ((n + 2)/r + 2tr + alpha)."""
    exponents = {"coulomb": 1, "london": 6, "twelfth power": 12, "yukawa": 1, "pauli": 1}
    alpha = ALPHA if name in ("yukawa", "pauli") else mp.mpf(0)
    real = FORMULAS[name]["real"]
    for r in (mp.mpf("0.01"), mp.mpf("0.5"), mp.mpf(2), mp.mpf(5)):
        slope = -mp.diff(real, r)
        assert slope >= 0
        assert slope <= real(r) * ((exponents[name] + 2) / r + 2 * SPLITTING * r + alpha)


def coulomb_by_splitting(cell: np.ndarray, difference: np.ndarray, t: float) -> float:
    """The right-hand side of (2.9) for 1/r, over every vector that matters at double precision."""
    steps = np.array(list(itertools.product(range(-9, 10), repeat=3)))
    volume = abs(np.linalg.det(cell))
    distances = np.linalg.norm(steps @ cell + difference, axis=1)
    near = distances[distances > 1e-9]
    vectors = steps[np.any(steps != 0, axis=1)] @ np.linalg.inv(cell).T
    squares = (vectors**2).sum(axis=1)
    weights = np.exp(-(np.pi**2) * squares / t) / (np.pi * volume * squares)
    total = (erfc(near * np.sqrt(t)) / near).sum()
    total += (weights * np.cos(2 * np.pi * vectors @ difference)).sum() - np.pi / (volume * t)
    return float(total - (len(near) < len(distances)) * 2 * np.sqrt(t / np.pi))


def coulomb_position_gradient(cell: np.ndarray, difference: np.ndarray, t: float) -> np.ndarray:
    """Equation (7.1) for 1/r."""
    steps = np.array(list(itertools.product(range(-9, 10), repeat=3)))
    separations = steps @ cell + difference
    distances = np.linalg.norm(separations, axis=1)
    slope = -erfc(distances * np.sqrt(t)) / distances**2
    slope -= 2 * np.sqrt(t / np.pi) * np.exp(-t * distances**2) / distances
    vectors = steps[np.any(steps != 0, axis=1)] @ np.linalg.inv(cell).T
    squares = (vectors**2).sum(axis=1)
    weights = np.exp(-(np.pi**2) * squares / t) / (np.pi * abs(np.linalg.det(cell)) * squares)
    sines = 2 * np.pi * weights * np.sin(2 * np.pi * vectors @ difference)
    return (slope / distances) @ separations - sines @ vectors


def coulomb_cell_gradient(cell: np.ndarray, difference: np.ndarray, t: float) -> np.ndarray:
    """Equation (7.3) for 1/r: the derivative in the cell rows at fixed Cartesian positions."""
    steps = np.array(list(itertools.product(range(-9, 10), repeat=3)))
    volume, dual = abs(np.linalg.det(cell)), np.linalg.inv(cell).T
    separations = steps @ cell + difference
    distances = np.linalg.norm(separations, axis=1)
    slope = -erfc(distances * np.sqrt(t)) / distances**2
    slope -= 2 * np.sqrt(t / np.pi) * np.exp(-t * distances**2) / distances
    gradient = np.einsum("n,na,nb->ab", slope / distances, steps, separations)
    vectors = steps[np.any(steps != 0, axis=1)] @ dual
    squares = (vectors**2).sum(axis=1)
    weights = np.exp(-(np.pi**2) * squares / t) / (np.pi * volume * squares)
    phases = 2 * np.pi * vectors @ difference
    slopes = weights * (-2 * np.pi**2 / t - 2 / squares)  # w'(k) / k
    along = (slopes * np.cos(phases))[:, None] * vectors
    along -= (2 * np.pi * weights * np.sin(phases))[:, None] * difference
    gradient -= np.einsum("kb,kc,ac->ab", vectors, along, dual)
    constant = (weights * np.cos(phases)).sum() - np.pi / (volume * t)
    return gradient - constant * dual


def test_independence_of_the_splitting_and_derivatives() -> None:
    """Equation (2.9) for two splittings, and (7.1) and (7.3) against central differences."""
    generator = np.random.default_rng(9)
    cell = np.diag([3.1, 3.9, 4.4]) + generator.uniform(-0.5, 0.5, (3, 3))
    difference = np.array([0.7, 1.3, -0.4])
    first = coulomb_by_splitting(cell, difference, 0.25)
    assert abs(first - coulomb_by_splitting(cell, difference, 0.4)) < 1e-12
    own = [coulomb_by_splitting(cell, np.zeros(3), t) for t in (0.25, 0.4)]
    assert abs(own[0] - own[1]) < 1e-12
    gradient = coulomb_cell_gradient(cell, difference, 0.25)
    for a, b in itertools.product(range(3), repeat=2):
        step = np.zeros((3, 3))
        step[a, b] = 1e-4
        change = coulomb_by_splitting(cell + step, difference, 0.25)
        change -= coulomb_by_splitting(cell - step, difference, 0.25)
        assert abs(gradient[a, b] - change / 2e-4) < 1e-8
    gradient = coulomb_position_gradient(cell, difference, 0.25)
    for a in range(3):
        step = 1e-4 * np.eye(3)[a]
        change = coulomb_by_splitting(cell, difference + step, 0.25)
        change -= coulomb_by_splitting(cell, difference - step, 0.25)
        assert abs(gradient[a] - change / 2e-4) < 1e-8
