"""Crystals that are known whole, in any setting of their space groups."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

import madelung as md

__all__ = [
    "KnownCrystal",
    "in_random_setting",
    "kind_of_setting",
    "operations",
    "settings_of",
    "without_symmetry",
]

_P1 = 1
_SETTINGS = 530
# Within this distance, in Å, a crystal of the data sets has a symmetry, and is then given it.
_SYMMETRY = 0.01
# Atoms that symmetry makes of one another agree to this distance, in Å.
_SAME = 1e-4
# Images of an atom that are no nearer than this, in Å, are two atoms whatever digits are printed.
_APART = 0.6


@dataclass(frozen=True, eq=False)
class KnownCrystal:
    """A crystal, and which of its atoms make the others by symmetry.

    Parameters
    ----------
    cell
        (3, 3) lattice vectors as rows, in Å.
    fractional
        (n, 3) fractional coordinates.
    numbers
        (n,) atomic numbers.
    hall_number
        spglib's number of the setting of the space group, 1 to 530.
    listed
        (m,) one atom of each orbit.
    multiplicities
        (m,) how many atoms are in the orbit of each.
    """

    cell: NDArray[np.float64]
    fractional: NDArray[np.float64]
    numbers: NDArray[np.int64]
    hall_number: int
    listed: NDArray[np.int64]
    multiplicities: NDArray[np.int64]


@cache
def kind_of_setting(hall_number: int) -> Any:
    """Return the names of a setting."""
    return spglib.get_spacegroup_type(hall_number)


@cache
def operations(hall_number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rotations and translations of a setting."""
    found: Any = spglib.get_symmetry_from_database(hall_number)
    return found["rotations"], found["translations"]


@cache
def settings_of() -> dict[int, list[int]]:
    """Return the settings of each space group, the standard one first."""
    found = defaultdict(list)
    for hall_number in range(1, _SETTINGS + 1):
        found[kind_of_setting(hall_number).number].append(hall_number)
    return dict(found)


def in_random_setting(crystal: md.Crystal, rng: np.random.Generator) -> KnownCrystal | None:
    """Give a crystal the symmetry that it nearly has, in a random setting; None if that fails.

    Parameters
    ----------
    crystal
        The crystal.
    rng
        Chooses the setting, and the listed atom of each orbit.
    """
    cell = (crystal.cell, crystal.scaled_positions, crystal.numbers)
    dataset: Any = spglib.get_symmetry_dataset(cell, symprec=_SYMMETRY)
    if dataset is None:
        return None
    hall_number = int(rng.choice(settings_of()[dataset.number]))
    dataset = spglib.get_symmetry_dataset(cell, symprec=_SYMMETRY, hall_number=hall_number)
    if dataset is None:
        return None
    lattice = np.array(dataset.std_lattice)
    places, numbers = np.array(dataset.std_positions), np.array(dataset.std_types, dtype=np.int64)
    return _with_orbits(lattice, places, numbers, hall_number, rng)


def without_symmetry(crystal: md.Crystal) -> KnownCrystal:
    """Return a crystal as it is, with all of its atoms listed."""
    count = len(crystal.numbers)
    return KnownCrystal(
        crystal.cell,
        crystal.scaled_positions,
        crystal.numbers,
        _P1,
        np.arange(count),
        np.ones(count, dtype=np.int64),
    )


def _with_orbits(
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    numbers: NDArray[np.int64],
    hall_number: int,
    rng: np.random.Generator,
) -> KnownCrystal | None:
    """Find the orbits; None if the operations do not make the crystal, or atoms nearly coincide."""
    rotations, translations = operations(hall_number)
    images = np.einsum("mij,nj->nmi", rotations, fractional) + translations
    orbit = np.full(len(numbers), -1)
    listed, multiplicities = [], []
    for atom in rng.permutation(len(numbers)):
        steps = images[atom][:, None] - fractional[None]
        distances = np.linalg.norm((steps - np.round(steps)) @ cell, axis=2)
        reached = distances < _SAME
        if (reached.sum(axis=1) != 1).any() or (distances[~reached] < _APART).any():
            return None
        if orbit[atom] >= 0:
            continue
        members = np.flatnonzero(reached.any(axis=0))
        if (numbers[members] != numbers[atom]).any():
            return None
        orbit[members] = len(listed)
        listed.append(atom)
        multiplicities.append(len(members))
    return KnownCrystal(
        cell, fractional, numbers, hall_number, np.array(listed), np.array(multiplicities)
    )
