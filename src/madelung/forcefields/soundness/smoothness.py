"""Checks of a force field in open space: an atom alone, and one that leaves the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.interface import ForceField
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
            path.values([path.start])
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

    def crystal(self, distance: float) -> Crystal:
        """Return the atoms, with the one that leaves at a distance from the first of the others."""
        unit = self.direction / np.linalg.norm(self.direction)
        positions = np.vstack([distance * unit, self.triangle])
        numbers = np.array([self.probe, *[self.others] * 3])
        return Crystal(np.zeros((3, 3)), positions, numbers, False)

    def values(self, distances: Iterable[float]) -> Array:
        """Return rows of the energy, then the forces, at each distance."""
        # Together: networks are several times faster with many small structures at a time.
        found = self.force_field.evaluate_all(self.crystal(float(one)) for one in distances)
        return np.array([[one.energy, *one.forces.ravel()] for one in found])


def _jumps(path: _Path, tolerances: Tolerances) -> Iterator[Check]:
    """Look for jumps where the energy or a force bends most, and at the cutoff."""
    grid = np.linspace(path.start, _END * path.reach, _POINTS)
    bends = np.abs(np.diff(path.values(grid), n=2, axis=0))
    for part, columns, allowed, unit in (
        ("energy does not jump", slice(0, 1), tolerances.energy_jump, "eV"),
        ("forces do not jump", slice(1, None), tolerances.force_jump, "eV/Å"),
    ):
        bend = bends[:, columns].max(axis=1)
        # A jump within an interval bends the values at both its ends.
        suspects = np.argsort(bend + np.roll(bend, -1))[-_SUSPECTS:]
        low = np.append(grid[suspects], path.reach - 1e-3)
        high = np.append(grid[np.minimum(suspects + 3, _POINTS - 1)], path.reach + 1e-3)
        largest = float(_jump_sizes(path, columns, low, high).max())
        yield Check(part, path.name, largest, allowed, unit)


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
        suspects = np.argsort(outstanding)[-_SUSPECTS:]
        around = np.abs(values[suspects[:, None] + np.arange(5), columns]).max(axis=(1, 2))
        jumps = _jump_sizes(path, columns, grid[suspects], grid[suspects + 4])
        largest = float((jumps / np.maximum(around, 1.0)).max())
        yield Check(part, path.name, largest, allowed, unit)


def _valid_part(path: _Path) -> tuple[Array, Array]:
    """Distances below the path's start that the force field takes, and values there."""
    least = _NEAREST * nearest_distance([path.probe, path.others])
    grid = np.linspace(least, path.start, _POINTS)
    values: list[Array] = []
    for distance in reversed(grid):
        try:
            values.insert(0, path.values(np.array([distance]))[0])
        except ForceFieldError:
            break
    return grid[len(grid) - len(values) :], np.array(values)


def _jump_sizes(path: _Path, columns: slice, low: Array, high: Array) -> Array:
    """Halve (k,) intervals, going on with the half of each in which the values change most."""
    left, right = path.values(low)[:, columns], path.values(high)[:, columns]
    while (wide := np.flatnonzero(high - low > _NARROW)).size:
        middle = 0.5 * (low[wide] + high[wide])
        between = path.values(middle)[:, columns]
        lower = np.abs(between - left[wide]).max(axis=1) > np.abs(right[wide] - between).max(axis=1)
        high[wide[lower]], right[wide[lower]] = middle[lower], between[lower]
        low[wide[~lower]], left[wide[~lower]] = middle[~lower], between[~lower]
    sizes: Array = np.abs(right - left).max(axis=1)
    return sizes


def _beyond(path: _Path, tolerances: Tolerances) -> Check:
    """Compare an atom beyond the cutoff with one far away."""
    near, far = path.values([path.reach * (1.0 + 1e-9), 3.0 * path.reach + 10.0])
    error = float(np.abs(near - far).max())
    return Check("nothing beyond the cutoff", path.name, error, tolerances.energy, "eV, eV/Å")
