"""How a sum of dipoles is divided into a near and a far part, and bounds on what both leave out.

Section "Bounds" of docs/theory/dipole-sums.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from madelung.common.errors import PotentialError
from madelung.crystals.crystal import Crystal

__all__ = ["DipolePlan", "cheapest_plan", "plan_with_splitting"]

Numbers = NDArray[np.float64]
# Cutoffs are looked for in steps of this many standard deviations of the Gaussians, as far as the
# Gaussians are no denormal numbers.
_WIDTHS = np.arange(0.05, 26.0, 0.05)
# Splittings are tried at these multiples of the one for which both parts decay equally.
_MULTIPLES = np.geomspace(0.25, 4.0, 17)
# Wave vectors of a usual sum.
_POINTS = 64
# Rounding does not decide that a term at the cutoff is left out.
_MARGIN = 1.0 + 1e-9


@dataclass(frozen=True)
class DipolePlan:
    """How a sum is divided.

    Parameters
    ----------
    splitting
        η in 1/Å: what is wider belongs to the far part.
    near, far
        Cutoffs of distances in Å and of wave vectors in 1/Å.
    bound
        On what both leave out, over Coulomb's constant.
    """

    splitting: float
    near: float
    far: float
    bound: float


def cheapest_plan(crystal: Crystal, metric: Numbers, tolerance: float) -> DipolePlan:
    """Choose the splitting for which the fewest numbers are multiplied.

    It is the same for any number of wave vectors, so that what is left out is too: acoustic sum
    rules hold between sums that were made apart.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    metric
        (3, 3) dielectric tensor.
    tolerance
        Of what both parts leave out, over Coulomb's constant, in 1/Å³.

    Raises
    ------
    PotentialError
        If no cutoff is enough for the tolerance.
    """
    volume = abs(float(np.linalg.det(crystal.cell)))
    balanced = math.sqrt(math.pi) * (math.sqrt(np.linalg.det(metric)) / volume) ** (1.0 / 3.0)
    plans = [
        plan_with_splitting(crystal, metric, tolerance, float(splitting))
        for splitting in balanced * _MULTIPLES
    ]
    found = [plan for plan in plans if plan is not None]
    if not found:
        raise PotentialError(f"dipoles cannot be summed to {tolerance:.1e}; allow a larger error")
    return min(found, key=lambda plan: _cost(plan, volume, len(crystal)))


def _cost(plan: DipolePlan, volume: float, atoms: int) -> float:
    """Multiplications: both parts are products of matrices, of cells and of wave vectors."""
    sphere = 4.0 * math.pi / 3.0
    cells = sphere * (plan.near + volume ** (1.0 / 3.0) / 2.0) ** 3 / volume
    images = sphere * plan.near**3 / volume
    waves = sphere * plan.far**3 * volume / (2.0 * math.pi) ** 3
    pairs = atoms * (atoms + 1) / 2.0
    # Six elements of a real product with a complex number each; Gaussians and their phases, which
    # take tens of multiplications, once for each image of a pair, and for each point and wave.
    near = cells * _POINTS * (12.0 * pairs + 20.0) + 200.0 * images * pairs
    far = waves * _POINTS * (12.0 * pairs + 60.0) + 20.0 * waves * pairs
    return near + far


def plan_with_splitting(
    crystal: Crystal, metric: Numbers, tolerance: float, splitting: float
) -> DipolePlan | None:
    """Find the smallest cutoffs of a splitting, or None if there are none.

    Parameters
    ----------
    crystal, metric, tolerance
        As for :func:`cheapest_plan`.
    splitting
        η in 1/Å.
    """
    volume = abs(float(np.linalg.det(crystal.cell)))
    low, _, high = np.linalg.eigvalsh(metric)
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
    near = _WIDTHS * math.sqrt(high) / splitting
    far = 2.0 * splitting * _WIDTHS / math.sqrt(low)
    determinant = math.sqrt(float(np.linalg.det(metric)))
    half = float(np.linalg.norm(crystal.cell, axis=1).sum()) / 2.0
    diagonal = float(np.linalg.norm(reciprocal, axis=1).sum()) / 2.0
    outside = _near_tails(near, splitting, (low, high, determinant), volume, half)
    beyond = _far_tails(far, splitting, low, volume, diagonal)
    enough, also = outside <= tolerance / 2.0, beyond <= tolerance / 2.0
    if not (enough.any() and also.any()):
        return None
    place, other = int(enough.argmax()), int(also.argmax())
    bound = float(outside[place] + beyond[other])
    return DipolePlan(splitting, _MARGIN * near[place], _MARGIN * far[other], bound)


def _far_tails(
    cutoffs: Numbers, splitting: float, low: float, volume: float, diagonal: float
) -> Numbers:
    """Bounds on terms of wave vectors beyond cutoffs: equation 7 of docs/theory/dipole-sums.md."""
    decay = low / (4.0 * splitting**2)
    # The density of wave vectors is Ω/(2π)³, and a term is at most 4π/(Ω ε₁) times the Gaussian.
    density = volume / (2.0 * math.pi) ** 3
    return 4.0 * math.pi / (volume * low) * _gaussian_tails(cutoffs, diagonal, decay, density)


def _near_tails(
    cutoffs: Numbers, splitting: float, medium: tuple[float, float, float],
    volume: float, half: float,
) -> Numbers:  # fmt: skip
    """Bounds on images beyond cutoffs: equation 8 of docs/theory/dipole-sums.md."""
    low, high, determinant = medium
    distance = cutoffs / math.sqrt(high)
    # Of exp(-y²), which all parts of the second derivative have as a factor; erfc(y) is smaller.
    size = 6.0 / distance**3 + 10.0 * splitting / distance**2 + 4.0 * splitting**3
    size /= low * determinant
    return size * _gaussian_tails(cutoffs, half, splitting**2 / high, 1.0 / volume)


def _gaussian_tails(cutoffs: Numbers, radius: float, decay: float, density: float) -> Numbers:
    """Bounds on a lattice sum of exp(-decay r²) beyond cutoffs: equation 6 of the theory page."""
    root = math.sqrt(decay)
    gaussian, tail = np.exp(-decay * cutoffs**2), math.sqrt(math.pi) * erfc(root * cutoffs)
    square = cutoffs * gaussian / (2.0 * decay) + tail / (4.0 * decay * root)
    linear = gaussian / (2.0 * decay)
    integral = square + 2.0 * radius * linear + radius**2 * tail / (2.0 * root)
    found = 4.0 * math.pi * density * ((cutoffs + radius) ** 3 * gaussian / 3.0 + integral)
    return np.asarray(found)
