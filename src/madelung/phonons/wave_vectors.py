"""Wave vectors that fit into a supercell, and which of them symmetry makes equal."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal

__all__ = [
    "SYMMETRY_TOLERANCE",
    "commensurate_steps",
    "irreducible_points",
    "space_group_operations",
]

SYMMETRY_TOLERANCE = 1e-4
"""How far (Å) atoms may be from the places of equal ones."""


def commensurate_steps(multiples: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Find the wave vectors whose waves repeat with a supercell.

    Parameters
    ----------
    multiples
        (3, 3) lattice vectors of the supercell, as rows, in those of the primitive cell.

    Returns
    -------
    steps : (Q, 3) int64
        Wave vectors times the number of cells, in reciprocal lattice vectors of the primitive cell;
        Gamma is the first.
    cells : int
        Number of primitive cells in the supercell, which is Q.
    """
    cells = round(abs(np.linalg.det(multiples)))
    # Multiples of the columns of the inverse, all modulo one.
    generators = np.round(cells * np.linalg.inv(multiples)).astype(np.int64).T
    found = np.zeros((1, 3), dtype=np.int64)
    for generator in generators:
        along = generator * np.arange(cells)[:, None]
        sums = (found[:, None] + np.unique(along % cells, axis=0)).reshape(-1, 3)
        found = np.unique(sums % cells, axis=0)
    return found, cells


def irreducible_points(
    steps: NDArray[np.int64], cells: int, rotations: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep one wave vector of each star: those that rotations or time reversal make equal.

    Parameters
    ----------
    steps, cells
        From :func:`commensurate_steps`.
    rotations
        (3, 3) each, of the fractional coordinates of the primitive cell. Those that take a wave
        vector out of the set are left out.

    Returns
    -------
    kept : (K,) int64
        Rows of ``steps``, ascending.
    counts : (K,) int64
        Wave vectors in the star of each.
    """
    place_of = {tuple(step): place for place, step in enumerate((steps % cells).tolist())}
    lowest = np.arange(len(steps))
    images = [np.array([place_of[tuple(step)] for step in (-steps % cells).tolist()])]
    for rotation in rotations:
        turned = steps @ np.round(np.linalg.inv(rotation)).astype(np.int64)
        found = [place_of.get(tuple(step)) for step in (turned % cells).tolist()]
        if None not in found:
            images.append(np.array(found))
    while True:
        joined = np.minimum(lowest, np.min([lowest[image] for image in images], axis=0))
        if (joined == lowest).all():
            return np.unique(lowest, return_counts=True)
        lowest = joined


def space_group_operations(unit: Crystal) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Rotations and translations of the space group, in lattice vectors."""
    import spglib

    cell: Any = (unit.cell, unit.scaled_positions, unit.numbers)
    with warnings.catch_warnings():
        # spglib announces with every call that it will raise errors in a later version.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_symmetry(cell, symprec=SYMMETRY_TOLERANCE)
    if found is None:
        return [(np.eye(3, dtype=np.int64), np.zeros(3))]
    rotations = np.asarray(found["rotations"], dtype=np.int64)
    return list(zip(rotations, np.asarray(found["translations"]), strict=True))
