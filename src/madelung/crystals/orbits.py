"""Orbits: atoms that symmetry operations of a crystal carry into each other."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.crystals.lattice import reduce_cells
from madelung.crystals.primitive import atom_kinds

__all__ = ["atom_orbits", "lattice_rotations"]

# Vectors that can be as short as those of a reduced basis, in units of these.
_NEARBY = np.array([step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)])
# Pairs of places that are held in memory at a time, and atoms that operations are tried on first.
_PAIRS_AT_ONCE = 1_000_000
_TRIED = 2


def atom_orbits(crystal: Crystal, tolerance: float) -> NDArray[np.int64]:
    """Find the orbit of each atom under the symmetry of a crystal; a primitive cell has all of it.

    Every rotation of the lattice is tried with every translation that takes an atom of the rarest
    kind to another one, as by R. W. Grosse-Kunstleve, Acta Cryst. A55, 383 (1999). Which type of
    space group it is, and how it is best set, is left open, and takes spglib most of its time.

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
        Atoms of an orbit have the number of one of them.
    """
    orbits = np.arange(len(crystal))
    if tolerance <= 0.0 or len(crystal) == 1:
        return orbits
    basis = reduce_cells(to_numpy(crystal.cell)[None]).basis[0]
    places = to_numpy(crystal.positions) @ np.linalg.inv(basis)
    kinds = atom_kinds(crystal)
    rotations, translations = _candidates(basis, places, kinds, tolerance)
    images = _images(rotations, translations, places, basis, kinds, tolerance)
    while True:
        joined = np.minimum(orbits, orbits[images].min(axis=0, initial=len(orbits)))
        if (joined == orbits).all():
            return orbits
        orbits = joined


def lattice_rotations(basis: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Find the rotations, and rotations with inversion, that bring a lattice onto itself.

    Parameters
    ----------
    basis
        (3, 3) Minkowski-reduced lattice vectors as rows.
    tolerance
        How far (Å) a lattice vector may be from another one.

    Returns
    -------
    (R, 3, 3) int64
        Each brings the vectors ``basis`` to ``rotation @ basis``, and places f, as rows of
        fractional coordinates, to ``f @ rotation``.
    """
    vectors = _NEARBY @ basis
    lengths = np.linalg.norm(basis, axis=1)
    gram = basis @ basis.T
    # What products of vectors change by where their ends are moved by the tolerance.
    allowed = tolerance * (lengths[:, None] + lengths)
    products = vectors @ vectors.T
    squares = np.diagonal(products)
    first, second, third = (
        np.flatnonzero(np.abs(squares - gram[axis, axis]) <= allowed[axis, axis])
        for axis in range(3)
    )
    i, j = np.nonzero(np.abs(products[np.ix_(first, second)] - gram[0, 1]) <= allowed[0, 1])
    i, j = first[i], second[j]
    fits = np.abs(products[np.ix_(third, i)] - gram[0, 2]) <= allowed[0, 2]
    fits &= np.abs(products[np.ix_(third, j)] - gram[1, 2]) <= allowed[1, 2]
    k, pair = np.nonzero(fits)
    found = np.stack([_NEARBY[i[pair]], _NEARBY[j[pair]], _NEARBY[third[k]]], axis=1)
    return found[np.abs(np.rint(np.linalg.det(found))) == 1]


def _candidates(
    basis: NDArray[np.float64],
    places: NDArray[np.float64],
    kinds: NDArray[np.int64],
    tolerance: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(C, 3, 3) rotations and (C, 3) translations of all operations that there can be."""
    rotations = lattice_rotations(basis, tolerance)
    rarest = np.flatnonzero(kinds == np.bincount(kinds).argmin())
    # An atom of the rarest kind goes to one of these.
    translations = places[rarest] - (places[rarest[0]] @ rotations)[:, None]
    return np.repeat(rotations, len(rarest), axis=0), translations.reshape(-1, 3)


def _images(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    places: NDArray[np.float64],
    basis: NDArray[np.float64],
    kinds: NDArray[np.int64],
    tolerance: float,
) -> NDArray[np.int64]:
    """(operations, n) the atom that each operation brings each atom to.

    Candidates that bring an atom to no place of its kind are left out.
    """
    images = np.empty((len(rotations), len(places)), dtype=np.int64)
    left = np.arange(len(rotations))
    of_kinds = [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max()) + 1)]
    # The others need only be looked at for the few candidates that are left then.
    parts = [(kind[:_TRIED], kind) for kind in of_kinds]
    parts += [(kind[_TRIED:], kind) for kind in of_kinds if len(kind) > _TRIED]
    for atoms, kind in parts:
        at_once = max(_PAIRS_AT_ONCE // (len(atoms) * len(kind)), 1)
        kept = []
        for chosen in np.split(left, np.arange(at_once, len(left), at_once)):
            moved = places[atoms] @ rotations[chosen] + translations[chosen][:, None]
            apart = moved[:, :, None] - places[kind]
            apart -= np.rint(apart)
            distances = ((apart @ basis) ** 2).sum(axis=3)
            nearest = distances.argmin(axis=2)
            images[chosen[:, None], atoms] = kind[nearest]
            kept.append(chosen[(distances.min(axis=2) <= tolerance**2).all(axis=1)])
        left = np.concatenate(kept)
    return images[left]
