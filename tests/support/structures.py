"""Structures and potentials that are meant to break lattice sums, from seeds.

Everything is a plain function of names and one seed, so that a failure is reproduced by calling
``make_structure`` with what the report prints. ``strategies.py`` draws the names and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import NDArray
from oracle_parts import Potential, ball, precision
from oracles import ExactLattice, Exponential, Gaussian, InversePower, LatticeSums, Yukawa

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Structure:
    """A cell (rows) and Cartesian positions in Å, with the names and seed they came from."""

    cell: Floats
    positions: Floats
    cell_kind: str
    site_kind: str
    seed: int

    def __repr__(self) -> str:
        return (
            f"make_structure({self.cell_kind!r}, {self.site_kind!r}, "
            f"{len(self.positions)}, {self.seed})"
        )


def cell_from_angles(lengths: Floats, angles: Floats) -> Floats:
    """Rows of a cell with given lengths and angles (degrees)."""
    alpha, beta, gamma = np.cos(np.radians(angles))
    sine = math.sin(math.radians(angles[2]))
    second = (alpha - beta * gamma) / sine
    height = math.sqrt(1 - beta**2 - second**2)
    rows = [[1, 0, 0], [gamma, sine, 0], [beta, second, height]]
    return np.array(rows) * lengths[:, None]


def rotation(rng: np.random.Generator) -> Floats:
    """Draw a proper rotation."""
    matrix, triangle = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(triangle))
    return matrix * np.sign(np.linalg.det(matrix))


def unimodular(rng: np.random.Generator, largest: int) -> NDArray[np.int64]:
    """Draw an integer matrix of determinant 1 from shears by up to the given number."""
    change = np.eye(3, dtype=np.int64)
    for _ in range(int(rng.integers(2, 5))):
        i, j = rng.choice(3, 2, replace=False)
        shear = np.eye(3, dtype=np.int64)
        shear[i, j] = rng.integers(-largest, largest + 1)
        if np.abs(shear @ change).max() <= 20 * largest:
            change = shear @ change
    return change


def _plain(rng: np.random.Generator) -> Floats:
    while True:
        cell = rng.normal(scale=4.0, size=(3, 3))
        lengths = np.linalg.norm(cell, axis=1)
        if abs(np.linalg.det(cell)) > 0.05 * np.prod(lengths) and lengths.min() > 1:
            return cell


def _skewed(rng: np.random.Generator) -> Floats:
    while True:
        angles = rng.uniform(20, 160, size=3)
        # The three angles close a corner only if their sines leave it a volume.
        cosines = np.cos(np.radians(angles))
        if 1 - np.sum(cosines**2) + 2 * np.prod(cosines) > 1e-3:
            return cell_from_angles(rng.uniform(2, 9, size=3), angles) @ rotation(rng)


def _symmetric(rng: np.random.Generator) -> Floats:
    shapes = [
        np.eye(3),
        np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
        np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
        np.array([[1, 0, 0], [-0.5, math.sqrt(0.75), 0], [0, 0, math.sqrt(8 / 3)]]),
        np.diag([1.0, 1.0, 1.5]),
    ]
    return shapes[rng.integers(len(shapes))] * rng.choice([1.0, 3.5, 4.0, 5.64, 8.25])


def _elongated(rng: np.random.Generator) -> Floats:
    lengths = rng.uniform(1.5, 4, size=3) * rng.permutation([1, 1, rng.uniform(20, 100)])
    return cell_from_angles(lengths, rng.uniform(60, 115, size=3)) @ rotation(rng)


def _plate(rng: np.random.Generator) -> Floats:
    lengths = rng.uniform(2, 4, size=3) * rng.permutation([1, 20, rng.uniform(10, 30)])
    return cell_from_angles(lengths, rng.uniform(70, 105, size=3)) @ rotation(rng)


def _needle(rng: np.random.Generator) -> Floats:
    """Three long edges nearly along one line."""
    axis = rng.normal(size=3)
    return 12 * axis / np.linalg.norm(axis) + rng.normal(scale=0.8, size=(3, 3))


def _tiny(rng: np.random.Generator) -> Floats:
    return _skewed(rng) * 0.1 / 5


def _huge(rng: np.random.Generator) -> Floats:
    return _plain(rng) * 1e3 / 5


def _scrambled(rng: np.random.Generator) -> Floats:
    return unimodular(rng, int(10 ** rng.uniform(0.5, 3))) @ _plain(rng)


def _wild(rng: np.random.Generator) -> Floats:
    """A scramble by tens of thousands: what is left of the cell sits in the last digits."""
    shear = np.eye(3)
    i, j, k = rng.permutation(3)
    shear[i, j], shear[i, k] = rng.integers(-50_000, 50_000, size=2)
    return shear @ _skewed(rng)


def _left(rng: np.random.Generator) -> Floats:
    cell = _skewed(rng)
    return cell[[1, 0, 2]] if np.linalg.det(cell) > 0 else cell


CELLS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "symmetric": _symmetric,
    "plain": _plain,
    "skewed": _skewed,
    "left-handed": _left,
    "elongated": _elongated,
    "plate": _plate,
    "needle": _needle,
    "tiny": _tiny,
    "huge": _huge,
    "scrambled": _scrambled,
    "wildly scrambled": _wild,
}


def _random_sites(rng: np.random.Generator, cell: Floats, count: int) -> Floats:
    return rng.random((count, 3)) @ cell


def _outside_sites(rng: np.random.Generator, cell: Floats, count: int) -> Floats:
    reach = 10 ** rng.uniform(0, 4)
    return rng.uniform(-reach, reach, size=(count, 3)) @ cell


def _coincident_sites(rng: np.random.Generator, cell: Floats, count: int) -> Floats:
    """All sites on one or two places, some of them moved by lattice vectors."""
    places = rng.random((2, 3)) @ cell
    chosen = places[rng.integers(2, size=count)]
    return chosen + rng.integers(-1, 2, size=(count, 3)) @ cell * rng.integers(2)


def _near_sites(rng: np.random.Generator, cell: Floats, count: int) -> Floats:
    """Pairs as near as 1e-7 of the size of the cell."""
    places = rng.random((count, 3)) @ cell
    size = abs(np.linalg.det(cell)) ** (1 / 3)
    for site in range(1, count, 2):
        step = rng.normal(size=3)
        step *= size * 10 ** rng.uniform(-7, -1) / np.linalg.norm(step)
        places[site] = places[site - 1] + step
    return places


def _special_sites(rng: np.random.Generator, cell: Floats, count: int) -> Floats:
    steps = rng.choice([2, 3, 4, 6, 8])
    return rng.integers(0, steps, size=(count, 3)) / steps @ cell


SITES: dict[str, Callable[[np.random.Generator, Floats, int], Floats]] = {
    "special": _special_sites,
    "random": _random_sites,
    "outside": _outside_sites,
    "coincident": _coincident_sites,
    "near": _near_sites,
}


def make_structure(cell_kind: str, site_kind: str, count: int, seed: int) -> Structure:
    """Make a structure; the same names and seed give the same bits."""
    rng = np.random.default_rng([seed, count, *map(ord, cell_kind + site_kind)])
    cell = CELLS[cell_kind](rng)
    return Structure(cell, SITES[site_kind](rng, cell, count), cell_kind, site_kind, seed)


@dataclass(frozen=True)
class Choice:
    """A potential by name and parameters, for the package and for the oracle."""

    name: str
    parameters: tuple[float, ...] = ()

    def package(self) -> object:
        """Return the package's potential."""
        import madelung

        return getattr(madelung, self.name)(*self.parameters)

    def primitive(self) -> Potential:
        """Return the oracle's potential."""
        match self.name, self.parameters:
            case "Coulomb", ():
                return InversePower(1)
            case "London", ():
                return InversePower(6)
            case "InversePower", (exponent,):
                return InversePower(exponent)
            case "Pauli", (alpha,):
                return Exponential(alpha)
            case "Yukawa", (alpha,):
                return Yukawa(alpha)
            case "Gaussian", (rate,):
                return Gaussian(rate)
        raise AssertionError(f"no oracle for {self}")

    def terms(self) -> list[tuple[arb, Potential]]:
        """Return coefficients and primitives as the formulas of the literature have them."""
        numbers = [Fraction(parameter) for parameter in self.parameters]
        with precision(300):
            match self.name, numbers:
                case "LennardJones", (epsilon, sigma):
                    return [
                        (ball(4 * epsilon * sigma**12), InversePower(12)),
                        (ball(-4 * epsilon * sigma**6), InversePower(6)),
                    ]
                case "Morse", (depth, alpha, distance):
                    growth = ball(alpha * distance).exp()
                    return [
                        (ball(depth) * growth**2, Exponential(2 * alpha)),
                        (ball(-2 * depth) * growth, Exponential(alpha)),
                    ]
                case "Buckingham", (height, length, dispersion):
                    return [
                        (ball(height), Exponential(1 / length)),
                        (ball(-dispersion), InversePower(6)),
                    ]
            return [(ball(1), self.primitive())]


FIXED = ["Coulomb", "London", "InversePower 12"]
NAMES = [*FIXED, "Pauli 3", "InversePower", "Pauli", "Yukawa", "Gaussian"]


def make_choice(name: str, size: float, seed: int) -> Choice:
    """Draw a potential whose parameter suits (or strains) a cell of the given size in Å."""
    rng = np.random.default_rng([seed, *map(ord, name)])
    reach = 10 ** rng.uniform(-1, 1.5) / size
    match name:
        case "InversePower 12":
            return Choice("InversePower", (12.0,))
        case "InversePower":
            plain = rng.choice([2.0, 4.0, 5.0, 7.0, 8.0, 9.0, 10.0])
            odd = rng.choice([rng.uniform(0.3, 2.9), rng.uniform(3.1, 14.0), 2.99, 3.01, 24.5])
            return Choice("InversePower", (float(rng.choice([plain, odd])),))
        case "Pauli 3":
            return Choice("Pauli", (3.0,))
        case "Pauli" | "Yukawa":
            return Choice(name, (float(reach),))
        case "Gaussian":
            return Choice(name, (float(reach**2),))
    return Choice(name)


def size_of(cell: Floats) -> float:
    """Cube root of the volume, exactly reduced, in Å."""
    return float(ExactLattice(cell).volume) ** (1 / 3)


def selected_pairs(sums: LatticeSums, structure: Structure, seed: int) -> list[tuple[int, int]]:
    """Choose a diagonal entry, the closest pair and one at random."""
    count, rng = len(structure.positions), np.random.default_rng(seed)
    site = int(rng.integers(count))
    chosen = [(site, site)]
    if count > 1:
        pairs = [(i, j) for i in range(count) for j in range(i)]
        distances = [sums.lattice.nearest_distance(difference(structure, *p)) for p in pairs]
        chosen.append(pairs[int(np.argmin(distances))])
        i, j = rng.choice(count, 2, replace=False)
        chosen.append((int(i), int(j)))
    return list(dict.fromkeys(chosen))


def difference(structure: Structure, i: int, j: int) -> list[Fraction]:
    """Exact vector from site i to site j, as rationals."""
    rows = structure.positions
    return [Fraction(b) - Fraction(a) for a, b in zip(rows[i], rows[j], strict=True)]


def is_ambiguous(sums: LatticeSums, vector: list[Fraction]) -> bool:
    """Whether two sites are so near the limit of coincidence that rounding decides."""
    near = sums.lattice.nearest_distance(vector) / float(sums.lattice.volume) ** (1 / 3)
    return 1e-10 < near < 1e-8
