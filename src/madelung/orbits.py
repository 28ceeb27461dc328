"""Orbits: atoms that symmetry operations of a crystal carry into each other."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.arrays import to_numpy
from madelung.crystal import Crystal

__all__ = ["atom_orbits"]


def atom_orbits(crystal: Crystal, tolerance: float) -> NDArray[np.int64]:
    """Find the orbit of each atom under the space group of a crystal.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    tolerance
        How far (Å) an atom may be from the place that an operation brings another one to; zero
        leaves each atom an orbit of its own.

    Returns
    -------
    (n,) int64
        Atoms of an orbit have the number of one of them. If no space group is found, each atom is
        an orbit.
    """
    # Where no space group is found each atom is an orbit, of which users need not be told.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    alone = np.arange(len(crystal))
    if tolerance <= 0.0:
        return alone
    cell: Any = (to_numpy(crystal.cell), to_numpy(crystal.scaled_positions), crystal.numbers)
    try:
        with warnings.catch_warnings():
            # spglib announces with every call that it will raise errors in a later version.
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except spglib.SpglibError:
        return alone
    if found is None:
        return alone
    return np.asarray(found.crystallographic_orbits, dtype=np.int64)
