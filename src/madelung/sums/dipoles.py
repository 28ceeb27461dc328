"""Complete sums of the interaction of dipoles in a crystal, with phases and a dielectric tensor.

X. Gonze and C. Lee, Phys. Rev. B 55, 10355 (1997), equations 71 to 75. Derivation and bounds are in
docs/theory/dipole-sums.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc

from madelung.common.errors import PotentialError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs

__all__ = ["DipoleSums", "dipole_tensors"]

Complex = NDArray[np.complex128]
# Cutoffs are looked for in steps of this many standard deviations of the Gaussians.
_STEP, _FARTHEST = 0.05, 40.0
# Rounding of a sum of so many terms of such a size, in units of the last place.
_ROUNDING = 8.0 * np.finfo(np.float64).eps
_ZERO = 1e-12


@dataclass(frozen=True, eq=False)
class DipoleSums:
    """Interaction of unit dipoles with the periodic images of others.

    Parameters
    ----------
    values
        (Q, n, n, 3, 3) in eV/(e Å)²: the energy of dipoles p is ½ Σ p_i T_ij p_j. Phases are
        exp(2πi q·(r_j − r_i)).
    certificate
        Bound on the absolute error of any element.
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
        (3, 3) symmetric and positive: what screens the dipoles.
    wave_vectors
        (Q, 3) in reciprocal lattice vectors.
    direction
        (3,) Cartesian direction from which Γ is approached. Without it the macroscopic field is
        left out at Γ (and at reciprocal lattice vectors), as in a finite supercell of tin foil.
    tolerance
        Absolute error that is allowed, in eV/(e Å)².

    Raises
    ------
    PotentialError
        If the dielectric tensor is not symmetric and positive, atoms coincide, or the tolerance
        cannot be met.
    CrystalError
        If the crystal is not periodic in three directions or has no volume.
    """
    crystal = crystal.require_periodic()
    metric = _checked(dielectric)
    points = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
    if not tolerance > 0.0:
        raise PotentialError("the tolerance of a sum must be positive")
    plan = _Plan.of(crystal, metric, tolerance / COULOMB_CONSTANT)
    values = _near(crystal, metric, plan, points)
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
    steps = _steps(reciprocal, plan.far)
    for point, matrix in zip(points, values, strict=True):
        matrix += _far(crystal, metric, plan, point, steps, reciprocal, direction)
    own = np.arange(len(crystal))
    scale = 4.0 * plan.splitting**3 / (3.0 * math.sqrt(math.pi * np.linalg.det(metric)))
    values[:, own, own] -= scale * np.linalg.inv(metric)
    size = float(np.abs(values).max()) + scale * float(np.abs(np.linalg.inv(metric)).max())
    rounding = _ROUNDING * math.sqrt(len(steps)) * size
    values *= COULOMB_CONSTANT
    return DipoleSums(values, COULOMB_CONSTANT * (plan.bound + rounding))


def _checked(dielectric: ArrayLike) -> NDArray[np.float64]:
    metric = np.asarray(dielectric, dtype=np.float64)
    if metric.shape != (3, 3) or not np.isfinite(metric).all():
        raise PotentialError("a dielectric tensor has 3 by 3 finite numbers")
    if np.abs(metric - metric.T).max() > 1e-6 * np.abs(metric).max():
        raise PotentialError("a dielectric tensor must be symmetric")
    if np.linalg.eigvalsh(metric)[0] <= 0.0:
        raise PotentialError("a dielectric tensor must be positive")
    return (metric + metric.T) / 2.0


@dataclass(frozen=True)
class _Plan:
    """How a sum is divided.

    Parameters
    ----------
    splitting
        η in 1/Å: what is wider belongs to the far part.
    near, far
        Cutoffs of distances in Å and of wave vectors in 1/Å.
    bound
        Of what both leave out, over Coulomb's constant.
    """

    splitting: float
    near: float
    far: float
    bound: float

    @classmethod
    def of(cls, crystal: Crystal, metric: NDArray[np.float64], tolerance: float) -> _Plan:
        volume = abs(float(np.linalg.det(crystal.cell)))
        low, _, high = np.linalg.eigvalsh(metric)
        # Both parts decay equally fast for their number of terms.
        splitting = math.sqrt(math.pi) * (math.sqrt(np.linalg.det(metric)) / volume) ** (1.0 / 3.0)
        widths = np.arange(_STEP, _FARTHEST, _STEP)
        reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
        diagonal = float(np.linalg.norm(reciprocal, axis=1).sum()) / 2.0
        half = float(np.linalg.norm(crystal.cell, axis=1).sum()) / 2.0
        determinant = math.sqrt(float(np.linalg.det(metric)))
        for width in widths:
            near = width * math.sqrt(high) / splitting
            far = 2.0 * splitting * width / math.sqrt(low)
            bound = _near_tail(near, splitting, low, high, determinant, volume, half)
            bound += _far_tail(far, splitting, low, volume, diagonal)
            if bound <= tolerance:
                return cls(splitting, near, far, bound)
        raise PotentialError(f"dipoles cannot be summed to {tolerance:.1e}; allow a larger error")


def _far_tail(cutoff: float, splitting: float, low: float, volume: float, diagonal: float) -> float:
    """Bound on terms of wave vectors beyond a cutoff: equation 7 of docs/theory/dipole-sums.md."""
    decay = low / (4.0 * splitting**2)
    # The density of wave vectors is Ω/(2π)³, and a term is at most 4π/(Ω ε₁) times the Gaussian.
    density = volume / (2.0 * math.pi) ** 3
    return 4.0 * math.pi / (volume * low) * _gaussian_tail(cutoff, diagonal, decay, density)


def _near_tail(
    cutoff: float, splitting: float, low: float, high: float, determinant: float,
    volume: float, half: float,
) -> float:  # fmt: skip
    """Bound on images beyond a cutoff: equation 8 of docs/theory/dipole-sums.md."""
    decay = splitting**2 / high
    distance = cutoff / math.sqrt(high)
    # Of exp(-y²), which all parts of the second derivative have as a factor; erfc(y) is smaller.
    size = 6.0 / distance**3 + 10.0 * splitting / distance**2 + 4.0 * splitting**3
    return size / (low * determinant) * _gaussian_tail(cutoff, half, decay, 1.0 / volume)


def _gaussian_tail(cutoff: float, radius: float, decay: float, density: float) -> float:
    """Bound on a lattice sum of exp(-decay r²) beyond a cutoff: equation 6 of the theory page."""
    root = math.sqrt(decay)
    gaussian = math.exp(-decay * cutoff**2)
    tail = math.sqrt(math.pi) * float(erfc(root * cutoff))
    square = cutoff * gaussian / (2.0 * decay) + tail / (4.0 * decay * root)
    linear = gaussian / (2.0 * decay)
    integral = square + 2.0 * radius * linear + radius**2 * tail / (2.0 * root)
    return 4.0 * math.pi * density * ((cutoff + radius) ** 3 * gaussian / 3.0 + integral)


def _near(
    crystal: Crystal, metric: NDArray[np.float64], plan: _Plan, points: NDArray[np.float64]
) -> Complex:
    """(Q, n, n, 3, 3) sums over images of −∇∇ erfc(ηD)/D over the root of det ε."""
    first, second, distances, vectors = search_pairs(
        crystal.positions, crystal.cell, plan.near, "ijdD"
    )
    apart = distances > 0.0
    if (distances[apart] < _ZERO).any() or (~apart & (first != second)).any():
        raise PotentialError("two atoms are on one place: their dipoles have no finite interaction")
    first, second, vectors = first[apart], second[apart], vectors[apart]
    inverse = np.linalg.inv(metric)
    along = vectors @ inverse
    length = np.sqrt(np.einsum("ea,ea->e", vectors, along))
    gaussian = 2.0 / math.sqrt(math.pi) * np.exp(-((plan.splitting * length) ** 2))
    part = erfc(plan.splitting * length)
    slope = -(part / length**2 + plan.splitting * gaussian / length)
    bend = 2.0 * part / length**3 + 2.0 * gaussian * (
        plan.splitting / length**2 + plan.splitting**3
    )
    dyads = along[:, :, None] * along[:, None, :]
    tensors = (slope / length**3 - bend / length**2)[:, None, None] * dyads
    tensors -= (slope / length)[:, None, None] * inverse
    tensors /= math.sqrt(np.linalg.det(metric))
    return _with_phases(crystal, first, second, vectors, tensors, points)


def _with_phases(
    crystal: Crystal,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    vectors: NDArray[np.float64],
    tensors: NDArray[np.float64],
    points: NDArray[np.float64],
) -> Complex:
    """Add up tensors of pairs, times the phases of the vectors between their ends."""
    atoms = len(crystal)
    scaled = crystal.scaled_positions
    away = vectors @ np.linalg.inv(crystal.cell) - scaled[second] + scaled[first]
    cells, place = np.unique(np.rint(away).astype(np.int64), axis=0, return_inverse=True)
    blocks = np.zeros((len(cells), atoms * atoms, 9))
    np.add.at(blocks, (place.reshape(-1), first * atoms + second), tensors.reshape(-1, 9))
    flat = blocks.reshape(len(cells), -1)
    waves = np.exp(2j * np.pi * (points @ cells.T))
    # Two real products take half the time of one of complex numbers with real ones.
    found = (waves.real @ flat + 1j * (waves.imag @ flat)).reshape(-1, atoms, atoms, 3, 3)
    turns = np.exp(2j * np.pi * (points @ scaled.T))
    found *= (turns.conj()[:, :, None] * turns[:, None, :])[..., None, None]
    return np.asarray(found)


def _steps(reciprocal: NDArray[np.float64], cutoff: float) -> NDArray[np.int64]:
    """(G, 3) all G for which q + G can be within the cutoff, for any q of the first zone."""
    spans = np.linalg.norm(np.linalg.inv(reciprocal), axis=0)
    reach = np.ceil(spans * cutoff).astype(int) + 1
    grid = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    return grid.astype(np.int64)


def _far(
    crystal: Crystal,
    metric: NDArray[np.float64],
    plan: _Plan,
    point: NDArray[np.float64],
    steps: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
    direction: ArrayLike | None,
) -> Complex:
    """(n, n, 3, 3) sum over q + G; phases of G alone, by which r_i is behind r_j."""
    # The point of the first zone, so that the steps reach around it.
    home = np.rint(point)
    cells = steps - home
    waves = (point + cells) @ reciprocal
    lengths = np.linalg.norm(waves, axis=1)
    is_zero = lengths < _ZERO
    kept = (lengths <= plan.far) & ~is_zero
    waves, cells = waves[kept], cells[kept]
    screened = np.einsum("ga,ab,gb->g", waves, metric, waves)
    weights = np.exp(-screened / (4.0 * plan.splitting**2)) / screened
    if direction is not None and is_zero.any():
        ahead = np.asarray(direction, dtype=np.float64)
        ahead = ahead / np.linalg.norm(ahead)
        waves = np.vstack([waves, ahead])
        cells = np.vstack([cells, -home])
        weights = np.append(weights, 1.0 / (ahead @ metric @ ahead))
    phases = np.exp(2j * np.pi * (crystal.scaled_positions @ cells.T))
    sides = phases[:, None, :] * waves.T
    flat = sides.reshape(3 * len(crystal), -1)
    volume = abs(float(np.linalg.det(crystal.cell)))
    summed = 4.0 * np.pi / volume * (flat * weights) @ flat.conj().T
    shaped = summed.reshape(len(crystal), 3, len(crystal), 3)
    return np.asarray(shaped.transpose(0, 2, 1, 3))
