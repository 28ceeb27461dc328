"""How near the atoms of a crystal stand to each other, how many neighbours they have, how dense."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS, covalent_radii
from madelung.crystals.neighbours import find_neighbours

__all__ = ["BOND_REACH", "Contacts", "crystal_contacts", "relative_volume"]

BOND_REACH = 1.3
"""Atoms nearer than this times the sum of their covalent radii are neighbours."""
# Distances (Å) up to this are looked at between any two elements.
_REACH = 4.0
# A cell of impossible density, or with an impossibly short edge, is searched less far: it has more
# neighbours within the reach than memory holds, and the nearest of them say enough.
_MOST_NEIGHBOURS = 1000.0
_MOST_IMAGES = 20.0
_ELEMENTS = len(ELEMENT_SYMBOLS)


@dataclass(frozen=True, eq=False)
class Contacts:
    """Distances and neighbours of a crystal of n atoms.

    Parameters
    ----------
    pairs
        (P, 2) atomic numbers, the smaller one first: pairs of elements with a distance below 4 Å
        or :data:`BOND_REACH` times the sum of their covalent radii.
    distances
        (P,) the shortest one of each pair, in Å.
    coordination
        (n,) numbers of neighbours, as :data:`BOND_REACH` says.
    """

    pairs: NDArray[np.int64]
    distances: NDArray[np.float64]
    coordination: NDArray[np.int64]


def crystal_contacts(crystal: Crystal) -> Contacts:
    """Find the shortest distance of each pair of elements, and the neighbours of each atom.

    Parameters
    ----------
    crystal
        Periodic in three directions.

    Raises
    ------
    CrystalError
        If the crystal is not, has no volume, or sizes are impossible.
    """
    crystal.require_periodic()
    numbers = to_numpy(crystal.numbers).astype(np.int64)
    radii = covalent_radii()[numbers]
    found = find_neighbours(crystal, _reach(crystal, 2.0 * BOND_REACH * float(radii.max())))
    first = np.repeat(np.arange(len(crystal)), np.diff(found.starts))
    bonds = BOND_REACH * (radii[first] + radii[found.indices])
    near = found.distances < bonds
    counted = (found.distances < np.maximum(bonds, _REACH)) & (first <= found.indices)
    ends = np.sort(numbers[np.stack([first[counted], found.indices[counted]], axis=1)], axis=1)
    distances = found.distances[counted]
    keys = ends @ (_ELEMENTS, 1)
    order = np.lexsort((distances, keys))
    _, shortest = np.unique(keys[order], return_index=True)
    chosen = order[shortest]
    return Contacts(
        pairs=ends[chosen],
        distances=distances[chosen],
        coordination=np.bincount(first[near], minlength=len(crystal)),
    )


def relative_volume(crystal: Crystal) -> float:
    """Return the volume of a cell over that of spheres of the covalent radii of its atoms."""
    spheres = 4.0 / 3.0 * np.pi * (covalent_radii()[np.asarray(crystal.numbers)] ** 3).sum()
    return float(abs(np.linalg.det(np.asarray(crystal.cell))) / spheres)


def _reach(crystal: Crystal, bonds: float) -> float:
    cell = to_numpy(crystal.cell)
    share = float(abs(np.linalg.det(cell))) / len(crystal)
    crowded = (3.0 * _MOST_NEIGHBOURS * share / (4.0 * np.pi)) ** (1.0 / 3.0)
    return min(
        max(_REACH, bonds), crowded, _MOST_IMAGES * float(np.linalg.norm(cell, axis=1).min())
    )
