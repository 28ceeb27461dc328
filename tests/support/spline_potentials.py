"""Spline potentials and structures for tests, made from seeds."""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.eam import ElementHeader, SplineEAM
from madelung.forcefields.splines.meam import SplineMEAM

REACH = 4.5


def radial(generator: np.random.Generator, knots: int, reach: float, size: float) -> CubicSpline:
    """A function that ends smoothly at its reach."""
    x = np.linspace(1.6, reach, knots)
    values = size * generator.normal(size=knots) * (1 - (x - 1.6) / (reach - 1.6))
    values[-1] = 0.0
    return CubicSpline(x, values, (size * generator.normal(), 0.0))


def anywhere(
    generator: np.random.Generator, first: float, last: float, knots: int, size: float
) -> CubicSpline:
    """A function with free ends."""
    values = size * generator.normal(size=knots)
    return CubicSpline(np.linspace(first, last, knots), values, tuple(generator.normal(size=2)))


def random_meam(seed: int, numbers: tuple[int, ...] = (22, 8)) -> SplineMEAM:
    """A potential with functions of various numbers of knots and reaches."""
    generator = np.random.default_rng(seed)
    types = len(numbers)
    pairs = types * (types + 1) // 2
    reaches = REACH - generator.uniform(0, 1, 8)
    return SplineMEAM(
        numbers,
        tuple(radial(generator, 9 + n, REACH, 0.5) for n in range(pairs)),
        tuple(radial(generator, 6 + n, reaches[n], 0.3) for n in range(types)),
        tuple(anywhere(generator, -2, 2, 7 + 10 * n, 0.6) for n in range(types)),
        tuple(radial(generator, 7 + n, reaches[4 + n], 0.4) for n in range(types)),
        tuple(anywhere(generator, -1, 1, 5 + 4 * n, 0.3) for n in range(pairs)),
    )


def smooth(x: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """One within, and zero with two derivatives at the reach."""
    return np.where(x < reach, (1 - (x / reach) ** 2) ** 3, 0.0)


def smooth_eam(seed: int, finnis_sinclair: bool, points: int = 1500) -> SplineEAM:
    """A potential of copper and nickel with smooth tables."""
    generator = np.random.default_rng(seed)
    step, density_step = REACH / (points - 1), 40.0 / (points - 1)
    r, n = step * np.arange(points), density_step * np.arange(points)
    count = 4 if finnis_sinclair else 2
    densities = [
        generator.uniform(1, 2) * np.exp(-r / generator.uniform(1, 2)) * smooth(r, REACH)
        for _ in range(count)
    ]
    pairs = [
        r * generator.uniform(3, 5) * (np.exp(-2 * (r - 2)) - np.exp(-(r - 2))) * smooth(r, REACH)
        for _ in range(3)
    ]
    return SplineEAM(
        (29, 28),
        step,
        density_step,
        REACH,
        np.stack([-generator.uniform(1, 2) * np.sqrt(n + 0.1) for _ in range(2)]),
        np.stack(densities).reshape((2, 2, points) if finnis_sinclair else (2, points)),
        np.stack(pairs),
        (ElementHeader(63.546, 3.615, "fcc"), ElementHeader(58.69, 3.52, "fcc")),
        ("made by a test", "for tests", "only"),
    )


def random_structure(
    seed: int, symbols: tuple[str, ...], pbc: tuple[bool, bool, bool] = (True, True, True)
) -> Atoms:
    """A small skewed cell, smaller than the potentials reach; atoms are not nearer than 1.8 Å."""
    generator = np.random.default_rng(seed)
    cell = np.diag(generator.uniform(3.2, 5.5, 3))
    cell[1, 0] = generator.uniform(-1, 1)
    if pbc[2]:
        cell[2, :2] = generator.uniform(-1, 1, 2)
    elif not all(pbc):
        cell[2, 2] = 12.0
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ cell
    positions = np.empty((0, 3))
    for place in generator.uniform(0.02, 0.98, (200, 3)) @ cell:
        between = positions[:, None, :] - place + images
        if (np.linalg.norm(between, axis=-1) > 1.8).all():
            positions = np.vstack([positions, place])
    positions = positions[:9]
    return Atoms(generator.choice(symbols, len(positions)), positions, cell=cell, pbc=pbc)
