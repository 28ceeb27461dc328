"""Meshes of wave vectors, reduced by symmetry."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal
from madelung.phonons.wave_vectors import SYMMETRY_TOLERANCE

__all__ = ["DEFAULT_LENGTH", "mesh_numbers", "mesh_points"]

DEFAULT_LENGTH = 40.0
"""Length (Å) whose waves a mesh resolves, as in the reference of the phonon database."""
# Numbers of points that are half-way between whole ones shall not hang on rounding.
_TIE = 1e-6


def mesh_numbers(crystal: Crystal, length: float) -> tuple[int, int, int]:
    """Return the points of a mesh along each reciprocal lattice vector, as phonopy counts them."""
    spans = np.linalg.norm(np.linalg.inv(crystal.cell), axis=0) * length
    first, second, third = (max(int(np.rint(span + _TIE)), 1) for span in spans)
    return first, second, third


def mesh_points(
    crystal: Crystal, length: float = DEFAULT_LENGTH
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the wave vectors of a mesh around Γ that symmetry does not make equal.

    Parameters
    ----------
    crystal
        A primitive cell.
    length
        Length that the mesh resolves, in Å.

    Returns
    -------
    points : (Q, 3)
        In reciprocal lattice vectors; Γ is the first.
    weights : (Q,)
        Part of the mesh that each one stands for.
    """
    import spglib

    numbers = mesh_numbers(crystal, length)
    cell: Any = (crystal.cell, crystal.scaled_positions, crystal.numbers)
    with warnings.catch_warnings():
        # spglib announces with every call that it will raise errors in a later version.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_ir_reciprocal_mesh(
            numbers, cell, is_shift=[0, 0, 0], is_time_reversal=True, symprec=SYMMETRY_TOLERANCE
        )
    if found is None:
        grid = np.indices(numbers).reshape(3, -1).T
        return grid / numbers, np.full(len(grid), 1.0 / len(grid))
    mapping, grid = found
    kept, counts = np.unique(mapping, return_counts=True)
    return grid[kept] / np.array(numbers), counts / len(mapping)
