"""Primitive cells: the smallest cell that describes the same crystal."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal

__all__ = ["atom_kinds", "primitive_crystal"]

# Atoms that are tried first, and pairs of places above which a tree finds the nearest ones.
_TRIED = 4
_DENSE = 20_000


def primitive_crystal(crystal: Crystal, tolerance: float = 1e-3) -> Crystal:
    """Reduce a crystal to a primitive cell.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    tolerance
        How far (Å) an atom may be from the place to which a translation brings another one.

    Returns
    -------
    Crystal
        The crystal itself if its cell is primitive; else a cell without inner translations, with
        the first of the atoms that were images of each other. Its lattice vectors are not reduced.
        Charges are kept; images with different charges are not taken for equal.

    Raises
    ------
    CrystalError
        If the cell has no volume.
    """
    kinds = atom_kinds(crystal)
    counts = np.bincount(kinds)
    if math.gcd(*(int(count) for count in counts)) == 1:
        return crystal
    cell = to_numpy(crystal.cell)
    places = to_numpy(crystal.scaled_positions)
    translations, images = _translations(places, cell, kinds, int(counts.argmin()), tolerance)
    if len(translations) == 0:
        return crystal
    order = len(translations) + 1
    # The translations form a group of this order, so that each is a multiple of 1/order.
    rows = np.rint(order * np.vstack([np.eye(3), translations])).astype(np.int64)
    basis = _integer_basis(rows)
    if basis is None or abs(round(np.linalg.det(basis))) * order != order**3:
        return crystal
    kept = np.flatnonzero(images.min(axis=0) >= np.arange(len(kinds)))
    return replace(
        crystal,
        cell=(basis / order) @ cell,
        positions=to_numpy(crystal.positions)[kept],
        numbers=crystal.numbers[kept],
        charges=None if crystal.charges is None else crystal.charges[kept],
    )


def atom_kinds(crystal: Crystal) -> NDArray[np.int64]:
    """Return (n,) numbers of the kinds of atoms: those of equal elements with equal charges."""
    _, kinds = np.unique(crystal.numbers, return_inverse=True)
    if crystal.charges is not None:
        _, charges = np.unique(crystal.charges, return_inverse=True)
        _, kinds = np.unique(kinds * len(charges) + charges, return_inverse=True)
    return kinds.reshape(-1)


def _translations(
    places: NDArray[np.float64],
    cell: NDArray[np.float64],
    kinds: NDArray[np.int64],
    rarest: int,
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fractional translations, other than none, that bring the crystal onto itself.

    Returns
    -------
    translations : (m, 3) array
    images : (m, n) array
        The atom that each translation brings each atom to.
    """
    starts = np.flatnonzero(kinds == rarest)
    found, images = [], []
    for candidate in places[starts[1:]] - places[starts[0]]:
        image = _images(places + candidate, places, cell, kinds, tolerance)
        if image is not None:
            found.append(candidate)
            images.append(image)
    if not found:
        return np.zeros((0, 3)), np.zeros((0, len(kinds)), dtype=np.int64)
    return np.array(found), np.array(images)


def _images(
    moved: NDArray[np.float64],
    places: NDArray[np.float64],
    cell: NDArray[np.float64],
    kinds: NDArray[np.int64],
    tolerance: float,
) -> NDArray[np.int64] | None:
    """The atom at each place that is moved to; None if a place is empty or two fall together."""
    image = np.empty(len(kinds), dtype=np.int64)
    for kind in range(int(kinds.max()) + 1):
        members = np.flatnonzero(kinds == kind)
        # Most candidates already fail for the first atoms.
        for part in (members[:_TRIED], members[_TRIED:]):
            nearest, distances = _nearest(moved[part], places[members], cell)
            if (distances > tolerance).any():
                return None
            image[part] = members[nearest]
    return image if len(np.unique(image)) == len(image) else None


def _nearest(
    points: NDArray[np.float64], places: NDArray[np.float64], cell: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The place nearest to each point, in fractional coordinates, and its distance in Å.

    For places that are very near this is also the nearest in space.
    """
    if len(points) * len(places) > _DENSE:
        from scipy.spatial import KDTree

        tree = KDTree(_wrapped(places), boxsize=1.0)
        _, nearest = tree.query(_wrapped(points))
    else:
        apart = points[:, None] - places[None]
        apart -= np.rint(apart)
        nearest = (apart**2).sum(axis=-1).argmin(axis=1)
    apart = points - places[nearest]
    apart -= np.rint(apart)
    return nearest, np.linalg.norm(apart @ cell, axis=1)


def _wrapped(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional coordinates in [0, 1); rounding can make a tiny negative number one."""
    wrapped = places % 1.0
    return np.where(wrapped < 1.0, wrapped, 0.0)


def _integer_basis(rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """A basis of the lattice that integer vectors span, by Euclid's algorithm in each column."""
    left = [list(map(int, row)) for row in rows]
    basis = []
    for column in range(3):
        while True:
            active = [row for row in left if row[column]]
            if len(active) < 2:
                break
            pivot = min(active, key=lambda row: abs(row[column]))
            for row in active:
                if row is not pivot:
                    factor = row[column] // pivot[column]
                    row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
        if not active:
            return None
        basis.append(active[0])
        left.remove(active[0])
    return np.array(basis, dtype=np.int64)
