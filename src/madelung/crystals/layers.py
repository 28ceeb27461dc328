"""Layers of a crystal: the planes between which its atoms leave most room.

Energies that belong to a surface, as that of taking a layer off a crystal, are alike for each area
(some 20 meV/Å² for van der Waals crystals: T. Björkman et al., Phys. Rev. Lett. 108, 235502, 2012)
and differ for each atom.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal

__all__ = ["area_per_atom"]

# Gaps (as parts of the widest one) that separate layers as it does.
_ALIKE = 0.8
# A gap counts as wider only by more than this (Å): planes that symmetry makes equivalent.
_WIDER = 1e-6


def area_per_atom(crystal: Crystal) -> float:
    """Return the area of a layer divided by the number of its atoms, in Å².

    Of all families of lattice planes, layers are parallel to the one between whose planes the
    widest gap without atoms is. Gaps in that direction that are nearly as wide separate layers too.

    Parameters
    ----------
    crystal
        Periodic in three directions. No choice of its cell changes the result.
    """
    cell, places = to_numpy(crystal.cell), to_numpy(crystal.scaled_positions)
    best = (0.0, 1.0, 1)
    for plane, spacing in _planes(cell, places):
        if spacing <= best[0]:
            break
        gaps = _gaps(places @ plane) * spacing
        if gaps.max() > best[0] + _WIDER:
            best = (gaps.max(), spacing, int((gaps > _ALIKE * gaps.max()).sum()))
    _, spacing, layers = best
    volume = abs(np.linalg.det(cell))
    return float(volume / spacing * layers / len(places))


def _planes(
    cell: NDArray[np.float64], places: NDArray[np.float64]
) -> list[tuple[NDArray[np.int64], float]]:
    """Integer vectors of lattice planes with their spacings, the widest first.

    All whose spacing is at least the widest gap along one of three short reciprocal vectors, and
    so every family of planes that could have a wider one.
    """
    from ase.geometry import minkowski_reduce

    reciprocal = np.linalg.inv(cell).T
    # Rows of ``steps`` express short reciprocal vectors by those of the given cell.
    short, steps = minkowski_reduce(reciprocal)
    spacings = 1.0 / np.linalg.norm(short, axis=1)
    gap = max((_gaps(places @ steps.T[:, row]) * spacings[row]).max() for row in range(3))
    lengths = np.linalg.norm(np.linalg.inv(short).T, axis=1)
    most = np.floor(lengths / gap + 1e-9).astype(int)
    found = []
    for counts in itertools.product(*(range(-count, count + 1) for count in most)):
        if counts <= (0, 0, 0) or math.gcd(*counts) != 1:
            continue
        plane = np.array(counts) @ steps
        spacing = 1.0 / float(np.linalg.norm(plane @ reciprocal))
        if spacing >= gap:
            found.append((plane, spacing))
    return sorted(found, key=lambda item: -item[1])


def _gaps(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances between successive atoms along a direction, in parts of the spacing."""
    ordered = np.sort(heights % 1.0)
    return np.diff(np.append(ordered, ordered[0] + 1.0))
