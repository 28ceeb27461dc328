"""Checks of a force field in open space: an atom alone, and one that leaves the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.soundness.checks import Check, Tolerances
from madelung.forcefields.soundness.trial_structures import nearest_distance

__all__ = ["checks_of_space"]

Array = NDArray[np.float64]

# Paths of an atom that leaves: where it starts and ends in parts of the cutoff, and what is taken
# for the cutoff where there is none.
_START, _END, _USUAL_CUTOFF = 0.4, 1.15, 6.0
_POINTS, _SUSPECTS = 160, 4
# How near an atom comes, in parts of the distance of neighbours; and among how many differences one
# stands out.
_NEAREST, _AROUND = 0.15, 21
# Intervals are halved to this width, in which a continuous function hardly changes.
_NARROW = 1e-10
_MOST_PAIRS = 9


def checks_of_space(
    force_field: ForceField, tolerances: Tolerances, generator: np.random.Generator
) -> Iterator[Check]:
    """Carry out the checks that need structures of their own.

    Structures that the force field refuses are passed over.
    """
    for number in force_field.species:
        yield from _lone_atom(force_field, number, tolerances)
    pairs = [(a, b) for a in force_field.species for b in force_field.species]
    for probe, others in pairs[:_MOST_PAIRS]:
        path = _Path(force_field, probe, others, generator.normal(size=3))
        try:
            path.at(path.start)
        except ForceFieldError:
            continue
        yield from _jumps(path, tolerances)
        yield from _jumps_nearby(path, tolerances)
        if force_field.cutoff is not None:
            yield _beyond(path, tolerances)


def _lone_atom(force_field: ForceField, number: int, tolerances: Tolerances) -> Iterator[Check]:
    name = ELEMENT_SYMBOLS[number]
    alone = Crystal(np.zeros((3, 3)), np.zeros((1, 3)), np.array([number]), False)
    try:
        evaluation = force_field.evaluate(alone)
    except ForceFieldError:
        return
    error = float(np.abs(evaluation.forces).max()) + float(np.abs(evaluation.virial).max())
    yield Check("atom alone: no forces", name, error, tolerances.forces, "eV/Å")
    if force_field.cutoff is not None:
        boxed = replace(alone, cell=3.0 * force_field.cutoff * np.eye(3), pbc=True)
        error = abs(force_field.evaluate(boxed).energy - evaluation.energy)
        yield Check("atom alone in a cell", name, error, tolerances.energy, "eV")


@dataclass(frozen=True, eq=False)
class _Path:
    """An atom that moves away from a triangle of others along a straight line."""

    force_field: ForceField
    probe: int
    others: int
    direction: Array

    @property
    def name(self) -> str:
        return f"{ELEMENT_SYMBOLS[self.probe]} leaves {ELEMENT_SYMBOLS[self.others]}"

    @property
    def reach(self) -> float:
        return _USUAL_CUTOFF if self.force_field.cutoff is None else self.force_field.cutoff

    @property
    def start(self) -> float:
        return _START * self.reach

    @cached_property
    def triangle(self) -> Array:
        """Three atoms; the first, at the origin, is the nearest to the atom that leaves."""
        edge = nearest_distance([self.others])
        unit = self.direction / np.linalg.norm(self.direction)
        across = np.cross(unit, [unit[1], unit[2], -unit[0]])
        across /= np.linalg.norm(across)
        behind = -0.8 * unit + 0.55 * across
        aside = -0.6 * unit - 0.75 * across + 0.2 * np.cross(unit, across)
        return edge * np.array([np.zeros(3), behind, aside])

    def at(self, distance: float) -> Evaluation:
        """Evaluate with the atom at a distance from the first of the triangle."""
        unit = self.direction / np.linalg.norm(self.direction)
        positions = np.vstack([distance * unit, self.triangle])
        numbers = np.array([self.probe, *[self.others] * 3])
        return self.force_field.evaluate(Crystal(np.zeros((3, 3)), positions, numbers, False))

    def values(self, distance: float) -> Array:
        """Energy, then forces, as one vector."""
        evaluation = self.at(distance)
        return np.array([evaluation.energy, *evaluation.forces.ravel()])


def _jumps(path: _Path, tolerances: Tolerances) -> Iterator[Check]:
    """Look for jumps where the energy or a force bends most, and at the cutoff."""
    grid = np.linspace(path.start, _END * path.reach, _POINTS)
    values = np.array([path.values(float(distance)) for distance in grid])
    bends = np.abs(np.diff(values, n=2, axis=0))
    for part, columns, allowed, unit in (
        ("energy does not jump", slice(0, 1), tolerances.energy_jump, "eV"),
        ("forces do not jump", slice(1, None), tolerances.force_jump, "eV/Å"),
    ):
        bend = bends[:, columns].max(axis=1)
        # A jump within an interval bends the values at both its ends.
        suspects = np.argsort(bend + np.roll(bend, -1))[-_SUSPECTS:]
        intervals = [(grid[k], grid[min(k + 3, _POINTS - 1)]) for k in suspects]
        intervals.append((path.reach - 1e-3, path.reach + 1e-3))
        jumps = [_largest_jump(path, columns, float(a), float(b)) for a, b in intervals]
        yield Check(part, path.name, max(jumps), allowed, unit)


def _jumps_nearby(path: _Path, tolerances: Tolerances) -> Iterator[Check]:
    """Look for jumps below the distances of neighbours, where terms may begin.

    Values grow steeply there: suspects are where fourth differences stand out from those around
    them, and jumps are measured by the values, if these are above 1.
    """
    from scipy.ndimage import median_filter

    grid, values = _valid_part(path)
    if len(grid) < _AROUND:
        return
    bends = np.abs(np.diff(values, n=4, axis=0))
    for part, columns, allowed, unit in (
        ("energy does not jump nearby", slice(0, 1), tolerances.energy_jump, "eV, or parts"),
        ("forces do not jump nearby", slice(1, None), tolerances.force_jump, "eV/Å, or parts"),
    ):
        bend = bends[:, columns].max(axis=1)
        outstanding = bend / (median_filter(bend, size=_AROUND) + 1e-12)
        jumps = []
        for first in np.argsort(outstanding)[-_SUSPECTS:]:
            size = max(1.0, float(np.abs(values[first : first + 5, columns]).max()))
            low, high = float(grid[first]), float(grid[first + 4])
            jumps.append(_largest_jump(path, columns, low, high) / size)
        yield Check(part, path.name, max(jumps), allowed, unit)


def _valid_part(path: _Path) -> tuple[Array, Array]:
    """Distances below the path's start that the force field takes, and values there."""
    least = _NEAREST * nearest_distance([path.probe, path.others])
    grid = np.linspace(least, path.start, _POINTS)
    values: list[Array] = []
    for distance in reversed(grid):
        try:
            values.insert(0, path.values(float(distance)))
        except ForceFieldError:
            break
    return grid[len(grid) - len(values) :], np.array(values)


def _largest_jump(path: _Path, columns: slice, low: float, high: float) -> float:
    """Halve an interval, going on with the half in which the values change most."""
    left, right = path.values(low)[columns], path.values(high)[columns]
    while high - low > _NARROW:
        middle = 0.5 * (low + high)
        between = path.values(middle)[columns]
        if np.abs(between - left).max() > np.abs(right - between).max():
            high, right = middle, between
        else:
            low, left = middle, between
    return float(np.abs(right - left).max())


def _beyond(path: _Path, tolerances: Tolerances) -> Check:
    """Compare an atom beyond the cutoff with one far away."""
    near, far = path.values(path.reach * (1.0 + 1e-9)), path.values(3.0 * path.reach + 10.0)
    error = float(np.abs(near - far).max())
    return Check("nothing beyond the cutoff", path.name, error, tolerances.energy, "eV, eV/Å")
