"""The certified error of a calculation: what was left out, and what rounding can have done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.sums.base import Potential
from madelung.sums.plan import Plan, real_tail, reciprocal_tail

__all__ = ["Measures", "certify"]

Array = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
# Errors in machine epsilons: of a coordinate in units of the distances it was made of, of w0, most
# of it from the volume, and of L0.
_COORDINATE_ERROR = 4.0
_BACKGROUND_ERROR = 48.0
_SELF_TERM_ERROR = 12.0
# Covers the rounding of the bounds themselves.
_SLACK = 1.0 + 1e-6


@dataclass(frozen=True, eq=False)
class Measures:
    """What was met while summing over B crystals and P potentials.

    Parameters
    ----------
    inside
        (B,) smallest number of images inside the real-space cutoff, over the pairs of atoms.
    images
        (B,) largest number of images.
    largest, largest_error
        (B, P) largest real-space sum of a pair, and largest sum of its terms' rounding errors, in
        machine epsilons, those of the distances included.
    waves
        (B,) number of reciprocal vectors, of the half space.
    weight, weight_error, weight_length
        (B, P) sums over all k != 0 of w, of w times its error in epsilons, and of w |k|.
    reach
        (B,) largest distance of a wrapped atom from the origin, in Å.
    """

    inside: Array
    images: Array
    largest: Array
    largest_error: Array
    waves: Array
    weight: Array
    weight_error: Array
    weight_length: Array
    reach: Array


def certify(
    potentials: list[Potential],
    plan: Plan,
    volumes: Array,
    measures: Measures,
) -> Array:
    """Bound the absolute error of every sum.

    Parameters
    ----------
    potentials
        The P potentials.
    plan
        The plan that was carried out, for B crystals.
    volumes
        (B,) volumes in Å³.
    measures
        What was met on the way.

    Returns
    -------
    (B, P) array
        Truncation plus rounding.
    """
    columns = []
    for index, potential in enumerate(potentials):
        # Crystals that are done together agree about what is summed directly.
        direct = bool(plan.direct[0, index])
        truncation = _truncation(potential, direct, plan, volumes, measures)
        rounding = _rounding(potential, index, plan, volumes, measures)
        columns.append(_SLACK * (truncation + rounding))
    certificates = np.stack(columns, axis=1)
    # Where the terms themselves left float64's range nothing is certified.
    return np.where(np.isfinite(certificates), certificates, np.inf)


def _truncation(
    potential: Potential, direct: bool, plan: Plan, volumes: Array, measures: Measures
) -> Array:
    total = np.zeros(len(volumes))
    if direct and potential.direct_shape is None:
        return total
    if direct or potential.has_real_part:
        radius = np.where(plan.radius > 0.0, plan.radius, 1.0)
        tail = real_tail(potential, direct, radius, plan.splitting, plan.counting, measures.inside)
        total += tail
    if not direct:
        radius = np.where(plan.wave_radius > 0.0, plan.wave_radius, 1.0)
        inside = 2.0 * measures.waves + 1.0
        total += reciprocal_tail(
            potential, radius, plan.splitting, volumes, plan.wave_counting, inside
        )
    return total


def _rounding(
    potential: Potential, index: int, plan: Plan, volumes: Array, measures: Measures
) -> Array:
    rates = torch.as_tensor(plan.splitting)
    direct = plan.direct[:, index]
    # Adding up m positive numbers in any order costs at most m/2 epsilons of their sum.
    real = measures.largest_error[:, index]
    real = real + (0.5 * measures.images + 8.0) * measures.largest[:, index]
    background = potential.background(rates, torch.as_tensor(volumes)).detach().numpy()
    constants = _BACKGROUND_ERROR * np.abs(background)
    constants = constants + _SELF_TERM_ERROR * potential.self_term(rates).detach().numpy()
    waves = measures.weight_error[:, index]
    waves = waves + (measures.waves + 16.0) * measures.weight[:, index]
    offset = _COORDINATE_ERROR * measures.reach
    waves = waves + 4.0 * np.pi * offset * measures.weight_length[:, index]
    split = np.where(direct, 0.0, waves + constants)
    return _EPSILON * (real + split)
