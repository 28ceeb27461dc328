"""Shortest distances between the atoms of a crystal over all their images."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.crystals.lattice import reduce_cells, wrap_positions

__all__ = ["shortest_distances"]

# Differences of positions that are held at once.
_DIFFERENCES_IN_BLOCK = 100_000


def shortest_distances(crystal: Crystal) -> NDArray[np.float64]:
    """Return the distance from each atom to the nearest image of each atom.

    Parameters
    ----------
    crystal
        A crystal that is periodic in three directions.

    Returns
    -------
    NDArray
        (n, n) distances in Å. On the diagonal stands the distance from an atom to its own nearest
        image, the length of the shortest lattice vector. Atoms that coincide have distance zero.

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions or has no volume.

    Notes
    -----
    In a Minkowski-reduced cell the nearest image of a wrapped difference lies within one cell in
    each direction.
    """
    crystal.require_periodic()
    count = len(crystal)
    lattices = reduce_cells(to_numpy(crystal.cell)[None])
    positions, low, _ = wrap_positions(
        to_numpy(crystal.positions), lattices, np.zeros(count, dtype=np.int64)
    )
    positions = positions + low
    basis, inverse = lattices.basis[0], lattices.reciprocal[0].T
    shifts = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3))) @ basis
    lengths = np.einsum("sx,sx->s", shifts, shifts)
    result = np.empty((count, count))
    rows = max(1, _DIFFERENCES_IN_BLOCK // count)
    for start in range(0, count, rows):
        differences = positions[None] - positions[start : start + rows, None]
        differences -= np.rint(differences @ inverse) @ basis
        # |d + s|² less |d|² tells which image is nearest; its length is then taken without
        # the cancellation that this difference suffers.
        nearest = np.argmin(2.0 * differences @ shifts.T + lengths, axis=2)
        moved = differences + shifts[nearest]
        result[start : start + rows] = np.sqrt(np.einsum("ijx,ijx->ij", moved, moved))
    np.fill_diagonal(result, np.linalg.norm(basis, axis=1).min())
    return result
