"""The plan of a calculation: splitting, direct or split sums, and cutoffs, from rigorous bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.crystals.lattice import Lattices
from madelung.sums.base import Potential
from madelung.sums.bounds import (
    counting_bound,
    counting_coefficients,
    exponential_tail,
    gaussian_tail,
)

__all__ = ["Plan", "make_plan", "real_tail", "reciprocal_tail"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Share of the tolerance for what each space leaves out; the rest is for rounding.
_SHARE = 0.45
_EPSILON = float(np.finfo(np.float64).eps)
# Cutoffs are looked up as multiples of the decay length: u = t R², or alpha R.
_GRID = np.concatenate([0.05 * 1.2 ** np.arange(52), [690.0]])
# Splittings that are tried, as t = kappa² pi / V^(2/3).
_KAPPAS = np.array([0.8, 0.95, 1.1, 1.25, 1.4, 1.55, 1.7, 1.9, 2.1, 2.4, 2.7, 3.1])
_FIRST_KAPPA = 1.6
# Terms have to fall by about this exponent more because there are ever more of them.
_EXTRA_FALL = 3.0
# Nanoseconds of PyTorch on one core: for each candidate image, each image inside the cutoff (and
# again for each potential), each pair and reciprocal vector for each potential, each atom and
# reciprocal vector.
_CANDIDATE, _IMAGE, _KERNEL, _PAIR_WAVE, _ATOM_WAVE = 3.0, 40.0, 40.0, 0.6, 40.0


@dataclass(frozen=True, eq=False)
class Plan:
    """How the sums of B crystals over P potentials are to be done.

    Parameters
    ----------
    splitting
        (B,) splittings t, in Å^-2.
    direct
        (B, P) whether a potential is summed directly in real space.
    radius
        (B,) cutoffs in real space, in Å, common to all potentials; zero if nothing is summed there.
    wave_radius
        (B,) cutoffs in reciprocal space, in Å^-1; zero if nothing is summed there.
    counting, wave_counting
        (3, B) coefficients of the counting bounds of the lattice and of its reciprocal.
    """

    splitting: Array
    direct: Flags
    radius: Array
    wave_radius: Array
    counting: Array
    wave_counting: Array

    def select(self, chosen: NDArray[np.int64]) -> Plan:
        """Return the plan of some of the crystals."""
        return Plan(
            self.splitting[chosen],
            self.direct[chosen],
            self.radius[chosen],
            self.wave_radius[chosen],
            self.counting[:, chosen],
            self.wave_counting[:, chosen],
        )


@dataclass(frozen=True, eq=False)
class _Task:
    """What the planning functions share; the arrays run over crystals."""

    potentials: Sequence[Potential]
    volumes: Array
    shortest: Array
    reach: Array
    sizes: Array
    tolerances: Array
    counting: Array
    wave_counting: Array


def make_plan(
    lattices: Lattices,
    sizes: NDArray[np.int64],
    potentials: Sequence[Potential],
    tolerances: Array,
    splitting: Array,
) -> Plan:
    """Plan a calculation.

    Parameters
    ----------
    lattices
        Reduced lattices of B crystals.
    sizes
        (B,) numbers of atoms.
    potentials
        The P potentials.
    tolerances
        (B, P) errors that are allowed.
    splitting
        (B,) splittings t in Å^-2 that are prescribed; zero where the cheapest is wanted.
        Exponentials are never summed directly where a splitting is prescribed, so that a sum can
        be tested not to depend on it.

    Returns
    -------
    Plan
    """
    lengths = lattices.gram_schmidt
    task = _Task(
        potentials,
        lattices.volume,
        np.linalg.norm(lattices.basis[:, 0], axis=1),
        np.where(sizes > 1, lattices.reach, 0.0),
        sizes.astype(np.float64),
        tolerances,
        counting_coefficients(lengths),
        counting_coefficients(1.0 / lengths[:, ::-1]),
    )
    prescribed = splitting > 0.0
    unit = math.pi / np.cbrt(task.volumes) ** 2
    first = np.where(prescribed, splitting, _FIRST_KAPPA**2 * unit)
    chosen = np.where(prescribed, splitting, _cheapest_splitting(task, first, unit))
    split_real, split_wave = _split_cutoffs(task, chosen)
    direct_real = _direct_cutoffs(task)
    direct = _choose_direct(task, chosen, prescribed, (split_real, split_wave), direct_real)
    real = np.where(direct, direct_real, split_real)
    wave = np.where(direct, 0.0, split_wave)
    return Plan(
        chosen,
        direct,
        real.max(axis=1, initial=0.0),
        wave.max(axis=1, initial=0.0),
        task.counting,
        task.wave_counting,
    )


def real_tail(
    potential: Potential,
    direct: bool,
    radius: Array,
    splitting: Array,
    counting: Array,
    inside: Array | float,
) -> Array:
    """Bound what a potential's real-space sum leaves out beyond a radius.

    Parameters
    ----------
    potential
        The potential.
    direct
        Whether it is summed directly.
    radius, splitting
        Cutoff in Å and splitting in Å^-2, broadcastable.
    counting
        (3, ...) coefficients of the counting bound.
    inside
        Number of points known to lie inside the cutoff, for every pair of atoms.

    Returns
    -------
    array
        Bound on the sum of f(r) over the images beyond the radius.
    """
    if not direct:
        value = potential.real(torch.as_tensor(radius**2), torch.as_tensor(splitting))
        return _numpy(value) * gaussian_tail(counting, radius, splitting, inside)
    edge = _numpy(potential.energy(torch.as_tensor(radius)))
    if potential.direct_shape == "gaussian":
        return edge * gaussian_tail(counting, radius, np.array(potential.number), inside)
    return edge * exponential_tail(counting, radius, potential.number, inside)


def reciprocal_tail(
    potential: Potential,
    radius: Array,
    splitting: Array,
    volume: Array,
    counting: Array,
    inside: Array | float,
) -> Array:
    """Bound what a potential's reciprocal sum leaves out beyond a radius; see real_tail."""
    waves, rates = torch.as_tensor(radius**2), torch.as_tensor(splitting)
    edge = potential.reciprocal(waves, rates, torch.as_tensor(volume))
    rate = _numpy(potential.reciprocal_rate(rates))
    return _numpy(edge) * gaussian_tail(counting, radius, rate, inside)


def _numpy(values: torch.Tensor) -> Array:
    return values.detach().cpu().numpy()


def _sizes(task: _Task, index: int, splitting: Array) -> Array:
    """Return (B,) sizes of a potential's largest terms."""
    potential = task.potentials[index]
    rates, volumes = torch.as_tensor(splitting), torch.as_tensor(task.volumes)
    constants = np.abs(_numpy(potential.background(rates, volumes)))
    constants = constants + _numpy(potential.self_term(rates))
    nearest = _numpy(potential.energy(torch.as_tensor(task.shortest)))
    return np.minimum(constants + nearest, 1e300)


def _targets(task: _Task, index: int, sizes: Array) -> Array:
    """Return (B,) allowed truncations, not below the rounding of terms of these sizes."""
    floor = np.maximum(sizes * _EPSILON, 1e-280)
    return np.maximum(_SHARE * task.tolerances[:, index], floor)


def _split_cutoffs(task: _Task, splitting: Array) -> tuple[Array, Array]:
    """Return (B, P) cutoffs of the split sums in real and in reciprocal space."""
    real = np.zeros(task.tolerances.shape)
    wave = np.zeros(task.tolerances.shape)
    volumes = task.volumes[:, None]
    for index, potential in enumerate(task.potentials):
        targets = _targets(task, index, _sizes(task, index, splitting))
        rates = _numpy(potential.reciprocal_rate(torch.as_tensor(splitting)))

        def beyond_real(u: Array, potential: Potential = potential) -> Array:
            radius = np.sqrt(u / splitting[:, None])
            counting = task.counting[:, :, None]
            return real_tail(potential, False, radius, splitting[:, None], counting, 0.0)

        def beyond_wave(u: Array, potential: Potential = potential, rates: Array = rates) -> Array:
            radius = np.sqrt(u / rates[:, None])
            counting = task.wave_counting[:, :, None]
            return reciprocal_tail(potential, radius, splitting[:, None], volumes, counting, 1.0)

        if potential.has_real_part:
            real[:, index] = np.sqrt(_solve(beyond_real, targets) / splitting)
        wave[:, index] = np.sqrt(_solve(beyond_wave, targets) / rates)
    return real, wave


def _direct_cutoffs(task: _Task) -> Array:
    """Return (B, P) cutoffs of the direct sums; infinite where there is none."""
    radii = np.full(task.tolerances.shape, np.inf)
    counting = task.counting[:, :, None]
    for index, potential in enumerate(task.potentials):
        if potential.direct_shape is None:
            continue
        gaussian = potential.direct_shape == "gaussian"
        nearest = _numpy(potential.energy(torch.as_tensor(task.shortest)))
        targets = np.maximum(2.0 * _SHARE * task.tolerances[:, index], nearest * _EPSILON)

        def radius_of(u: Array, number: float = potential.number, root: bool = gaussian) -> Array:
            return np.sqrt(u / number) if root else u / number

        def beyond(
            u: Array,
            potential: Potential = potential,
            radius_of: Callable[[Array], Array] = radius_of,
        ) -> Array:
            radius = radius_of(u) + np.zeros_like(counting[0])
            return real_tail(potential, True, radius, np.ones_like(radius), counting, 0.0)

        radii[:, index] = radius_of(_solve(beyond, np.maximum(targets, 1e-280)))
    return radii


def _solve(beyond: Callable[[Array], Array], targets: Array) -> Array:
    """Return (B,) values u, close to the smallest, with beyond(u) <= target from there on.

    The bound falls nearly exponentially: its logarithm is interpolated between grid points.
    """
    limits = np.log(targets)
    table = _log(beyond(_GRID[None, :]))
    above = table > limits[:, None]
    last = np.where(above.any(axis=1), len(_GRID) - 1 - np.argmax(above[:, ::-1], axis=1), -1)
    upper = np.clip(last + 1, 1, len(_GRID) - 1)
    rows = np.arange(len(targets))
    high, low = table[rows, upper - 1], table[rows, upper]
    share = np.clip((high - limits) / np.maximum(high - low, 1e-300), 0.0, 1.0)
    # The logarithm bends upwards at its left end for steep powers: the chord errs on the safe side
    # there, and elsewhere a small surplus makes it do so.
    between = _GRID[upper - 1] + (_GRID[upper] - _GRID[upper - 1]) * np.minimum(share + 0.02, 1.0)
    return np.where(last < 0, _GRID[0], between)


def _log(values: Array) -> Array:
    return np.log(np.maximum(values, 1e-305))


def _cost(task: _Task, radius: Array, wave_radius: Array, split: Array, evaluated: float) -> Array:
    """Estimate nanoseconds for cutoffs of shape (B, ...); ``split`` potentials have waves."""
    extra = (slice(None),) + (None,) * (radius.ndim - 1)
    sizes, reach = task.sizes[extra], task.reach[extra]
    pairs = 0.5 * sizes * (sizes - 1.0) + 1.0
    counting = task.counting[(slice(None), *extra)]
    wave_counting = task.wave_counting[(slice(None), *extra)]
    candidates = counting_bound(counting, radius + reach)
    images = counting_bound(counting, radius)
    waves = 0.5 * np.where(wave_radius > 0.0, counting_bound(wave_counting, wave_radius), 0.0)
    real = pairs * (_CANDIDATE * candidates + (_IMAGE + _KERNEL * evaluated) * images)
    return real + waves * (_PAIR_WAVE * pairs * split + _ATOM_WAVE * sizes)


def _cheapest_splitting(task: _Task, first: Array, unit: Array) -> Array:
    """Return (B,) splittings that should cost least.

    In units of their decay lengths the cutoffs depend little on the splitting and the space: terms
    must fall exponentially from their largest to what is allowed.
    """
    falls = []
    for index in range(len(task.potentials)):
        sizes = _sizes(task, index, first)
        falls.append(np.log(np.maximum(sizes / _targets(task, index, sizes), 1.0)))
    depth = np.max(falls, axis=0) + _EXTRA_FALL
    trial = _KAPPAS[None, :] ** 2 * unit[:, None]
    radius = np.sqrt(depth[:, None] / trial)
    wave_radius = np.sqrt(depth[:, None] * trial) / math.pi
    count = float(len(task.potentials))
    cost = _cost(task, radius, wave_radius, np.array(count), count)
    rows = np.arange(len(first))
    return trial[rows, np.argmin(cost, axis=1)]


def _choose_direct(
    task: _Task,
    splitting: Array,
    prescribed: Flags,
    split: tuple[Array, Array],
    direct_real: Array,
) -> Flags:
    """Return (B, P) whether to sum directly: where that is cheaper, one potential at a time."""
    split_real, split_wave = split
    direct = np.zeros(split_real.shape, dtype=bool)
    count = float(len(task.potentials))
    for index, potential in enumerate(task.potentials):
        if potential.direct_shape is None:
            continue
        costs = []
        for choice in (False, True):
            trial = direct.copy()
            trial[:, index] = choice
            radius = np.where(trial, direct_real, split_real).max(axis=1)
            waves = np.where(trial, 0.0, split_wave).max(axis=1)
            costs.append(_cost(task, radius, waves, (~trial).sum(axis=1), count))
        narrow = (potential.direct_shape == "gaussian") & (potential.number >= splitting)
        direct[:, index] = np.where(prescribed, narrow, costs[1] < costs[0])
    return direct
