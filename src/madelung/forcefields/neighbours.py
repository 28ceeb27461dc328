"""Near neighbours of structures that are periodic in any number of directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.arrays import to_numpy
from madelung.crystal import Crystal

__all__ = ["Neighbours", "find_neighbours"]

# Vesin divides the cell into boxes of the cutoff's size; too many of them cost more than pairs.
_SHORTEST_SEARCH = 2.0


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Ordered pairs of a structure of n atoms, sorted by their first atom.

    Parameters
    ----------
    starts
        (n + 1,) where the neighbours of each atom begin.
    indices
        (P,) the second atom of each pair.
    vectors
        (P, 3) from the first atom to the image of the second, in Å.
    distances
        (P,) their lengths.
    """

    starts: NDArray[np.int64]
    indices: NDArray[np.int64]
    vectors: NDArray[np.float64]
    distances: NDArray[np.float64]


def find_neighbours(crystal: Crystal, cutoff: float) -> Neighbours:
    """Find all pairs that are nearer than a cutoff, images of an atom with itself included.

    Parameters
    ----------
    crystal
        A structure; along directions that are not periodic it has no images.
    cutoff
        Distance in Å.
    """
    from vesin import NeighborList

    reach = max(cutoff, _SHORTEST_SEARCH)
    search = NeighborList(cutoff=reach, full_list=True, sorted=True, n_threads=1)
    positions, cell = to_numpy(crystal.positions), to_numpy(crystal.cell)
    first, second, vectors, distances = search.compute(
        points=positions, box=cell, periodic=crystal.pbc, quantities="ijDd"
    )
    if cutoff < reach:
        near = distances < cutoff
        first, second = first[near], second[near]
        vectors, distances = vectors[near], distances[near]
    counts = np.bincount(first.astype(np.int64), minlength=len(crystal))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Neighbours(
        starts.astype(np.int64),
        second.astype(np.int64),
        np.ascontiguousarray(vectors, dtype=np.float64),
        np.ascontiguousarray(distances, dtype=np.float64),
    )
