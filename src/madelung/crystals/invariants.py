"""Lengths that do not depend on how a crystal is written: by which copies of it are recognised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import Neighbours, find_neighbours

__all__ = ["INVARIANT_LENGTHS", "invariant_lengths"]

INVARIANT_LENGTHS = 12
"""How many lengths :func:`invariant_lengths` gives."""
# Distances are looked at up to the radius of a sphere that holds so many atoms on average.
_ATOMS_IN_REACH = 64.0
# Neighbours of any element that are ordered by distance, and of the atom's own element.
_ALL, _ALIKE = 40, 12
# An impossibly short edge would have more images in reach than memory holds.
_MOST_IMAGES = 20.0


def invariant_lengths(crystal: Crystal) -> NDArray[np.float64]:
    """Return lengths that are the same however a crystal is written.

    Rotations, the order and numbering of atoms, the origin, and the choice of a cell, primitive or
    not, change nothing; moving every atom by no more than ε changes no length by more than 2 ε,
    the spreads among them included.

    Parameters
    ----------
    crystal
        Periodic in three directions.

    Returns
    -------
    NDArray
        (12,) lengths in Å: the edge of the cube that an atom has; means over atoms of distances to
        the nearest neighbours, in four shells and, weighted with atomic numbers, in two; the same
        for neighbours of the atom's own element, in two shells, and weighted; spreads among atoms
        and among all distances. Distances beyond the mean radius of 64 neighbours count as this.
        A crystal and its mirror image have the same.

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions, has no volume, or sizes are impossible.

    Notes
    -----
    After the average minimum distances of D. Widdowson et al., MATCH Commun. Math. Comput. Chem. 87
    (2022) 529.
    """
    crystal.require_periodic()
    numbers = to_numpy(crystal.numbers).astype(np.float64)
    share = float(abs(np.linalg.det(to_numpy(crystal.cell)))) / len(crystal)
    reach = (3.0 * _ATOMS_IN_REACH * share / (4.0 * np.pi)) ** (1.0 / 3.0)
    shortest = float(np.linalg.norm(to_numpy(crystal.cell), axis=1).min())
    found = find_neighbours(crystal, min(reach, _MOST_IMAGES * shortest))
    first = np.repeat(np.arange(len(crystal)), np.diff(found.starts))
    nearest = _nearest(found, first, np.ones(len(first), dtype=bool), _ALL, reach)
    alike = _nearest(found, first, numbers[first] == numbers[found.indices], _ALIKE, reach)
    weights = numbers / numbers.sum()
    return np.array(
        [
            share ** (1.0 / 3.0),
            nearest[:, :4].mean(),
            nearest[:, 4:12].mean(),
            nearest[:, 12:24].mean(),
            nearest[:, 24:].mean(),
            weights @ nearest[:, :4].mean(axis=1),
            weights @ nearest[:, 4:24].mean(axis=1),
            alike[:, :4].mean(),
            alike[:, 4:].mean(),
            weights @ alike.mean(axis=1),
            nearest[:, :12].mean(axis=1).std(),
            nearest.std(),
        ]
    )


def _nearest(
    found: Neighbours,
    first: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    count: int,
    reach: float,
) -> NDArray[np.float64]:
    """(n, count) distances of each atom to the nearest chosen neighbours, in order."""
    atoms, distances = first[chosen], found.distances[chosen]
    order = np.lexsort((distances, atoms))
    atoms, distances = atoms[order], distances[order]
    rank = np.arange(len(atoms)) - np.searchsorted(atoms, atoms)
    near = rank < count
    table = np.full((len(found.starts) - 1, count), reach)
    table[atoms[near], rank[near]] = distances[near]
    return table
