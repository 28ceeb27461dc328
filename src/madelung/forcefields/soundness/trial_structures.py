"""Structures on which a force field can be tried: crystals, a slab and a molecule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal

__all__ = ["nearest_distance", "trial_structures"]

# Atoms of a solid are this much farther apart than their covalent radii say.
_LOOSENESS = 1.08
_RATTLE, _STRAIN = 0.05, 0.04
_SKEW = np.array([[1.0, 0.0, 0.0], [2.0, 1.0, 0.0], [-1.0, 2.0, 1.0]])
_FCC = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def nearest_distance(species: Sequence[int]) -> float:
    """Return a distance in Å at which atoms of these elements are neighbours."""
    from ase.data import covalent_radii

    return float(2.0 * _LOOSENESS * np.mean([covalent_radii[number] for number in species]))


def trial_structures(
    species: Sequence[int], generator: np.random.Generator
) -> list[tuple[str, Crystal]]:
    """Make structures without symmetry, of plausible density.

    Parameters
    ----------
    species
        Atomic numbers; all of them occur in each structure of enough atoms.
    generator
        Source of the displacements.

    Returns
    -------
    list of (str, Crystal)
        A crystal, a skewed cell of two atoms, a slab (whose third cell vector is no period) and a
        molecule.
    """
    distance = nearest_distance(species)
    return [
        ("crystal", _crystal(species, distance, generator, True)),
        ("skewed cell", _skewed_cell(species, distance, generator)),
        ("slab", _crystal(species, distance, generator, (True, True, False))),
        ("molecule", _molecule(species, distance, generator)),
    ]


def _numbers(
    species: Sequence[int], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    return np.array(generator.permutation(np.resize(species, count)), dtype=np.int64)


def _crystal(
    species: Sequence[int],
    distance: float,
    generator: np.random.Generator,
    pbc: bool | tuple[bool, bool, bool],
) -> Crystal:
    """Face-centred cubic sites, strained and displaced."""
    repeats = np.array([1, 1, 1]) if len(species) <= 4 else np.array([2, 1, 1])
    corners = np.indices(tuple(repeats)).reshape(3, -1).T
    sites = (corners[:, None, :] + _FCC).reshape(-1, 3) * np.sqrt(2.0) * distance
    strain = np.eye(3) + generator.uniform(-_STRAIN, _STRAIN, (3, 3))
    cell = np.diag(repeats * np.sqrt(2.0) * distance) @ strain
    positions = sites @ strain + _RATTLE * distance * generator.normal(size=sites.shape)
    return Crystal(cell, positions, _numbers(species, len(sites), generator), pbc)


def _skewed_cell(
    species: Sequence[int], distance: float, generator: np.random.Generator
) -> Crystal:
    """A body-centred stack of two atoms or more, in a cell far from reduced."""
    count = 2 * max(1, (len(species) + 1) // 2)
    edge = 2.0 / np.sqrt(3.0) * distance
    reduced = edge * np.array([[1.0, 0.05, 0.0], [0.04, 1.0, 0.03], [0.06, -0.05, 0.5 * count]])
    layers = np.arange(count)
    sites = np.stack([0.5 * (layers % 2), 0.5 * (layers % 2), layers / count], axis=1)
    positions = sites @ reduced + _RATTLE * distance * generator.normal(size=(count, 3))
    return Crystal(_SKEW @ reduced, positions, _numbers(species, count, generator))


def _molecule(species: Sequence[int], distance: float, generator: np.random.Generator) -> Crystal:
    """Atoms that touch one another, without a cell."""
    count = max(5, len(species))
    positions = np.zeros((1, 3))
    while len(positions) < count:
        step = generator.normal(size=3)
        base = positions[generator.integers(len(positions))]
        trial = base + distance * generator.uniform(0.95, 1.15) * step / np.linalg.norm(step)
        if np.linalg.norm(positions - trial, axis=1).min() > 0.9 * distance:
            positions = np.vstack([positions, trial])
    return Crystal(np.zeros((3, 3)), positions, _numbers(species, count, generator), False)
