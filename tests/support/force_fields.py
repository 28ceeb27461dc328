"""A force field made for tests: Lennard-Jones with a smooth end, as in ASE, and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.interface import Evaluation, ForceField

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothPairs(ForceField):
    """Lennard-Jones times a switch from 1 at ``onset`` to 0 at ``end``, twice differentiable."""

    epsilon: float = 0.4
    sigma: float = 2.3
    onset: float = 3.5
    end: float = 5.0
    numbers: tuple[int, ...] = (18, 29)

    @property
    def species(self) -> tuple[int, ...]:
        return self.numbers

    @property
    def cutoff(self) -> float:
        return self.end

    def pair(self, r: Array) -> tuple[Array, Array]:
        """Energy of pairs and its derivative."""
        six = (self.sigma / r) ** 6
        energy = 4.0 * self.epsilon * (six**2 - six)
        slope = 4.0 * self.epsilon * (6.0 * six - 12.0 * six**2) / r
        x = np.clip((r - self.onset) / (self.end - self.onset), 0.0, 1.0)
        switch = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
        fall = -30.0 * x**2 * (1.0 - x) ** 2 / (self.end - self.onset)
        return energy * switch, slope * switch + energy * fall

    def _evaluate(self, crystal: Crystal) -> Evaluation:
        near = find_neighbours(crystal, self.end)
        owners = np.repeat(np.arange(len(crystal)), np.diff(near.starts))
        strength = np.where(crystal.numbers == self.numbers[0], 1.0, 0.7)
        factor = strength[owners] * strength[near.indices]
        energy, slope = self.pair(near.distances)
        energies = 0.5 * np.bincount(owners, factor * energy, minlength=len(crystal))
        pulls = (factor * slope / near.distances)[:, None] * near.vectors
        forces = np.stack([np.bincount(owners, pull, len(crystal)) for pull in pulls.T], axis=1)
        virial = 0.5 * near.vectors.T @ pulls
        volume = crystal.volume if crystal.pbc.all() else 0.0
        return Evaluation(energies, forces, 0.5 * (virial + virial.T), volume)


@dataclass(frozen=True)
class Broken(SmoothPairs):
    """The same with something done to what it says, or to the atoms that it sees."""

    change: Callable[[Crystal, Evaluation], Evaluation] = lambda crystal, evaluation: evaluation

    def _evaluate(self, crystal: Crystal) -> Evaluation:
        return self.change(crystal, super()._evaluate(crystal))


@dataclass(frozen=True)
class CutOff(SmoothPairs):
    """Lennard-Jones cut off, its energy shifted to zero there or not."""

    shifted: bool = True

    def pair(self, r: Array) -> tuple[Array, Array]:
        plain = replace(self, onset=20.0, end=30.0)
        energy, slope = SmoothPairs.pair(plain, r)
        edge = SmoothPairs.pair(plain, np.array([self.end]))[0] if self.shifted else 0.0
        return energy - edge, slope
