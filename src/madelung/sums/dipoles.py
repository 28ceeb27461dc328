"""Complete sums of the interaction of dipoles in a crystal, with phases and a dielectric tensor.

X. Gonze and C. Lee, Phys. Rev. B 55, 10355 (1997), equations 71 to 75. Derivation and bounds are in
docs/theory/dipole-sums.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc

from madelung.common.errors import PotentialError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs
from madelung.sums.dipole_plan import DipolePlan, cheapest_plan

__all__ = ["DipoleSums", "dipole_tensors", "planned_tensors", "require_wave_vectors"]

Complex = NDArray[np.complex128]
Numbers = NDArray[np.float64]
_ZERO = 1e-12
# Calculated tensors are symmetric to about a thousandth.
_ASYMMETRY = 1e-2
# Numbers that one step of a product may take.
_CHUNK = 1 << 21
# Rounding errors of a term, in units of half a unit in the last place (u).
_UNIT, _ROUNDINGS = np.finfo(np.float64).eps / 2.0, 32.0
# Elements of a symmetric tensor that are summed, and where they stand among its nine.
_ROWS, _COLUMNS = np.triu_indices(3)
_PLACES = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])


@dataclass(frozen=True, eq=False)
class DipoleSums:
    """Interaction of unit dipoles with the periodic images of others.

    Parameters
    ----------
    values
        (Q, n, n, 3, 3) in eV/(e Å)²: the energy of dipoles p is ½ Σ p_i T_ij p_j. Phases are
        exp(2πi q·(r_j − r_i)).
    certificate
        Bound on the absolute error of any element, of what is left out and of rounding.
    """

    values: Complex
    certificate: float


def dipole_tensors(
    crystal: Crystal,
    dielectric: ArrayLike,
    wave_vectors: ArrayLike,
    *,
    direction: ArrayLike | None = None,
    tolerance: float = 1e-8,
) -> DipoleSums:
    """Sum the interaction of dipoles over all images of a crystal.

    Parameters
    ----------
    crystal
        Periodic in three directions, n atoms.
    dielectric
        (3, 3) positive, and symmetric to one in a hundred, of which the symmetric part is taken:
        what screens the dipoles.
    wave_vectors
        (Q, 3) in reciprocal lattice vectors.
    direction
        (3,) Cartesian direction from which Γ is approached. Without it the macroscopic field is
        left out at Γ (and at reciprocal lattice vectors), as in a finite supercell of tin foil.
    tolerance
        Absolute error that may be left out, in eV/(e Å)²; rounding comes on top of it.

    Raises
    ------
    PotentialError
        If the dielectric tensor is not symmetric and positive, wave vectors or the direction are
        not finite or of another shape, atoms coincide, or the tolerance cannot be met.
    CrystalError
        If the crystal is not periodic in three directions or has no volume.
    """
    crystal = crystal.require_periodic()
    metric = _checked(dielectric)
    points = require_wave_vectors(wave_vectors)
    ahead = None if direction is None else _unit_vector(direction)
    if not tolerance > 0.0:
        raise PotentialError("the tolerance of a sum must be positive")
    plan = cheapest_plan(crystal, metric, tolerance / COULOMB_CONSTANT)
    return planned_tensors(crystal, metric, points, plan, ahead)


def planned_tensors(
    crystal: Crystal,
    metric: Numbers,
    points: Numbers,
    plan: DipolePlan,
    ahead: Numbers | None = None,
) -> DipoleSums:
    """Sum as a plan says; parameters as for :func:`dipole_tensors`, a direction of length one."""
    case = _Case(crystal, metric, points, plan)
    near, near_error = _near(case)
    far, far_error = _far(case, ahead)
    own_size = 4.0 * plan.splitting**3 / (3.0 * math.sqrt(math.pi * np.linalg.det(metric)))
    own = own_size * np.linalg.inv(metric)
    sums = near + far
    sums[:, case.rows == case.columns] -= own[_ROWS, _COLUMNS]
    values = np.empty((len(points), len(crystal), len(crystal), 3, 3), dtype=complex)
    values[:, case.columns, case.rows] = sums.conj()[:, :, _PLACES]
    values[:, case.rows, case.columns] = sums[:, :, _PLACES]
    values *= COULOMB_CONSTANT
    own_error = _UNIT * _ROUNDINGS * case.condition * float(np.linalg.norm(own, 2))
    return DipoleSums(values, COULOMB_CONSTANT * (plan.bound + near_error + far_error + own_error))


def require_wave_vectors(wave_vectors: ArrayLike) -> Numbers:
    """Return (Q, 3) wave vectors.

    Raises
    ------
    PotentialError
        If they are not rows of three finite numbers.
    """
    points = _numbers(wave_vectors)
    points = None if points is None else np.atleast_2d(points)
    if points is None or points.ndim != 2 or points.shape[1] != 3:
        raise PotentialError("wave vectors must be rows of three finite numbers")
    return points


def _unit_vector(direction: ArrayLike) -> Numbers:
    ahead = _numbers(direction)
    if ahead is None or ahead.shape != (3,) or not ahead.any():
        raise PotentialError("a direction must be three finite numbers that are not all zero")
    ahead = ahead / np.abs(ahead).max()
    unit: Numbers = ahead / np.linalg.norm(ahead)
    return unit


def _numbers(values: ArrayLike) -> Numbers | None:
    """Return finite numbers, or None if these are none."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found).all() else None


def _checked(dielectric: ArrayLike) -> Numbers:
    metric = _numbers(dielectric)
    if metric is None or metric.shape != (3, 3):
        raise PotentialError("a dielectric tensor has 3 by 3 finite numbers")
    if np.abs(metric - metric.T).max() > _ASYMMETRY * np.abs(metric).max():
        raise PotentialError("a dielectric tensor must be symmetric")
    metric = (metric + metric.T) / 2.0
    if np.linalg.eigvalsh(metric)[0] <= 0.0:
        raise PotentialError("a dielectric tensor must be positive")
    return metric


@dataclass(frozen=True, eq=False)
class _Case:
    """What is summed; only pairs of atoms i ≤ j are, the others follow from Hermiticity."""

    crystal: Crystal
    metric: Numbers
    points: Numbers
    plan: DipolePlan

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        return np.triu_indices(len(self.crystal))[0]

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        return np.triu_indices(len(self.crystal))[1]

    @cached_property
    def scaled(self) -> Numbers:
        return np.asarray(self.crystal.positions @ np.linalg.inv(self.crystal.cell))

    @cached_property
    def apart(self) -> Numbers:
        """(P, 3) scaled r_j − r_i."""
        return self.scaled[self.columns] - self.scaled[self.rows]

    @cached_property
    def condition(self) -> float:
        """How much a relative rounding error of the cell or of ε may grow in a term."""
        cell, metric = np.linalg.cond(self.crystal.cell), np.linalg.cond(self.metric)
        return float(cell) ** 2 * float(metric)

    def turned(self, points: Numbers) -> Complex:
        """(Q, P) phases exp(2πi q·(r_j − r_i))."""
        return np.asarray(np.exp(2j * np.pi * (points @ self.apart.T)))


def _near(case: _Case) -> tuple[Complex, float]:
    """(Q, P, 6) sums over images of −∇∇ erfc(ηD)/D over the root of det ε, and their rounding."""
    points, pairs = case.points, len(case.rows)
    pair, shifts, vectors = _images(case)
    tensors, sizes = _near_terms(case, vectors)
    cells, place = np.unique(shifts, axis=0, return_inverse=True)
    error = _near_rounding(case, vectors, sizes, pair, len(cells))
    sums = np.empty((len(points), pairs, 6), dtype=complex)
    for some in _parts(pairs, max(1, _CHUNK // (6 * max(1, len(cells))))):
        width = some.stop - some.start
        part = slice(*np.searchsorted(pair, [some.start, some.stop]))
        slot = place.reshape(-1)[part] * width + pair[part] - some.start
        columns = [np.bincount(slot, column, len(cells) * width) for column in tensors[part].T]
        blocks = np.stack(columns, axis=1).reshape(len(cells), 6 * width)
        for few in _parts(len(points), max(1, _CHUNK // max(1, len(cells)))):
            waves = 2.0 * np.pi * (points[few] @ cells.T)
            found = np.cos(waves) @ blocks + 1j * (np.sin(waves) @ blocks)
            sums[few, some] = found.reshape(-1, width, 6)
    for few in _parts(len(points), max(1, _CHUNK // pairs)):
        sums[few] *= case.turned(points[few])[:, :, None]
    return sums, error


def _images(case: _Case) -> tuple[NDArray[np.int64], NDArray[np.int64], Numbers]:
    """(E,) pairs i ≤ j, ascending, (E, 3) cells and vectors of their images within the cutoff."""
    crystal = case.crystal
    first, second, shifts, distances, vectors = search_pairs(
        crystal.positions, crystal.cell, case.plan.near, "ijSdD"
    )
    apart = distances > 0.0
    if (distances[apart] < _ZERO).any() or (~apart & (first != second)).any():
        raise PotentialError("two atoms are on one place: their dipoles have no finite interaction")
    kept = apart & (first <= second)
    first, second, shifts, vectors = first[kept], second[kept], shifts[kept], vectors[kept]
    # Place of a pair among those of the upper triangle.
    pair = first * len(crystal) - first * (first + 1) // 2 + second
    order = np.argsort(pair, kind="stable")
    return pair[order], shifts[order], vectors[order]


def _near_terms(case: _Case, vectors: Numbers) -> tuple[Numbers, Numbers]:
    """(E, 6) equation 3 of docs/theory/dipole-sums.md, and (E,) its sizes with all signs equal."""
    splitting, inverse = case.plan.splitting, np.linalg.inv(case.metric)
    along = vectors @ inverse
    length = np.sqrt(np.einsum("ea,ea->e", vectors, along))
    gaussian = 2.0 / math.sqrt(math.pi) * np.exp(-((splitting * length) ** 2))
    part = erfc(splitting * length)
    # The first derivative, its sign turned, and the second: both have positive terms alone.
    slope = part / length**2 + splitting * gaussian / length
    bend = 2.0 * part / length**3 + 2.0 * gaussian * (splitting / length**2 + splitting**3)
    root = math.sqrt(np.linalg.det(case.metric))
    radial, steady = (slope / length**3 + bend / length**2) / root, slope / length / root
    tensors = -radial[:, None] * along[:, _ROWS] * along[:, _COLUMNS]
    tensors += steady[:, None] * inverse[_ROWS, _COLUMNS]
    sizes = radial * np.einsum("ea,ea->e", along, along) + steady * np.linalg.norm(inverse, 2)
    return tensors, sizes


def _near_rounding(
    case: _Case, vectors: Numbers, sizes: Numbers, pair: NDArray[np.int64], cells: int
) -> float:
    """Equation 9 of docs/theory/dipole-sums.md, for the pair with the largest sum."""
    lengths = np.linalg.norm(vectors, axis=1)
    origin = float(np.linalg.norm(case.crystal.positions, axis=1).max())
    low = float(np.linalg.eigvalsh(case.metric)[0])
    inverse = float(np.linalg.norm(np.linalg.inv(case.crystal.cell), 2))
    farthest = float(np.linalg.norm(case.points, axis=1).max(initial=0.0))
    steepness = (1.0 + (case.plan.splitting * lengths) ** 2 / low) * (1.0 + 4.0 * origin / lengths)
    turns = 2.0 * math.pi * farthest * inverse * (lengths + 4.0 * origin)
    terms = sizes * (cells + _ROUNDINGS * case.condition * (steepness + turns))
    return _UNIT * float(np.bincount(pair, terms).max(initial=0.0))


def _far(case: _Case, ahead: Numbers | None) -> tuple[Complex, float]:
    """(Q, P, 6) sums over q + G, with phases of G alone, by which r_i is behind r_j."""
    # Each point in the first zone, so that the same G surround all of them.
    home = np.rint(case.points)
    points = case.points - home
    volume = abs(float(np.linalg.det(case.crystal.cell)))
    steps = _steps(case, points)
    sums = np.zeros((len(points), 6, len(case.rows)), dtype=complex)
    errors = np.zeros(len(points))
    turn = 4.0 * math.pi * float(np.abs(case.scaled).sum(axis=1).max())
    for kept in _parts(len(steps), max(1, _CHUNK // (2 * len(case.rows)))):
        waves = np.exp(-2j * np.pi * (steps[kept] @ case.apart.T))
        reach = turn * (np.abs(steps[kept]).max(axis=1) + np.abs(home).max(initial=0.0))
        for some in _parts(len(points), max(1, _CHUNK // (12 * len(waves)))):
            dyads, sizes, exponents = _far_terms(case, points[some], steps[kept], ahead)
            product = dyads.reshape(-1, len(waves)) @ waves.view(np.float64)
            sums[some] += product.view(complex).reshape(-1, 6, len(case.rows))
            growth = _ROUNDINGS * case.condition * (1.0 + exponents + reach)
            errors[some] += (sizes * (len(steps) + growth)).sum(axis=1)
    sums *= 4.0 * math.pi / volume
    error = _UNIT * 4.0 * math.pi / volume * float(errors.max(initial=0.0))
    found = sums.transpose(0, 2, 1)
    elsewhere = np.flatnonzero(home.any(axis=1))
    found[elsewhere] *= case.turned(home[elsewhere])[:, :, None]
    return found, error


def _steps(case: _Case, points: Numbers) -> Numbers:
    """(G, 3) all G for which q + G is within the cutoff, for any of these q."""
    reciprocal = 2.0 * np.pi * np.linalg.inv(case.crystal.cell).T
    spans = np.linalg.norm(case.crystal.cell, axis=1) / (2.0 * np.pi)
    reach = np.ceil(spans * case.plan.far).astype(int) + 1
    grid = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    around = np.linalg.norm(points @ reciprocal, axis=1).max(initial=0.0)
    kept: Numbers = grid[np.linalg.norm(grid @ reciprocal, axis=1) <= case.plan.far + around]
    return kept.astype(np.float64)


def _far_terms(
    case: _Case, points: Numbers, steps: Numbers, ahead: Numbers | None
) -> tuple[Numbers, Numbers, Numbers]:
    """(Q, 6, G) K K w of equation 4, (Q, G) sizes K² w, and the exponents of w."""
    reciprocal = 2.0 * np.pi * np.linalg.inv(case.crystal.cell).T
    starts = points @ reciprocal
    waves = starts.T[:, :, None] + (steps @ reciprocal).T[:, None, :]
    at_gamma = (np.linalg.norm(starts, axis=1) < _ZERO)[:, None] & ~steps.any(axis=1)
    # Nothing is left of the macroscopic field, unless there is a direction.
    waves[:, at_gamma] = np.zeros((3, 1)) if ahead is None else ahead[:, None]
    dyads = np.empty((len(points), 6, len(steps)))
    for place, (row, column) in enumerate(zip(_ROWS, _COLUMNS, strict=True)):
        np.multiply(waves[row], waves[column], out=dyads[:, place])
    squares = dyads[:, 0] + dyads[:, 3] + dyads[:, 5]
    screened = (case.metric[_ROWS, _COLUMNS] * np.where(_ROWS == _COLUMNS, 1.0, 2.0)) @ dyads
    exponents = np.where(at_gamma, 0.0, screened / (4.0 * case.plan.splitting**2))
    weights = np.exp(-exponents) / np.where(screened > 0.0, screened, 1.0)
    # What is left out depends on q alone, and not on the others that are summed with it.
    weights[(squares > case.plan.far**2) & ~at_gamma] = 0.0
    dyads *= weights[:, None]
    return dyads, weights * squares, exponents


def _parts(count: int, width: int) -> Iterator[slice]:
    """Go through so many rows in parts of at most this width."""
    return (slice(start, min(start + width, count)) for start in range(0, count, width))
