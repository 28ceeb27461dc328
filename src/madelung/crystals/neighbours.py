"""Near neighbours of structures that are periodic in any number of directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import CrystalError
from madelung.common.native import native_module
from madelung.crystals.checks import require_size
from madelung.crystals.crystal import Crystal

__all__ = ["Neighbours", "find_neighbours", "search_pairs"]

_CORE = "madelung.common._uf3"

# Vesin divides the cell into boxes of the cutoff's size; too many of them cost more than pairs.
_SHORTEST_SEARCH = 2.0
_MOST_IMAGES = 1e6


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

    Raises
    ------
    CrystalError
        If the cell or a coordinate has an impossible size.
    """
    require_size(to_numpy(crystal.cell), to_numpy(crystal.positions), crystal.source)
    core = native_module(_CORE)
    return _by_vesin(crystal, cutoff) if core is None else _by_core(core, crystal, cutoff)


def search_pairs(
    positions: Any,
    cell: Any,
    cutoff: float,
    quantities: str,
    *,
    periodic: Any = True,
    each_once: bool = False,
    in_order: bool = False,
) -> tuple[NDArray[Any], ...]:
    """Find pairs by vesin, with what is known of them.

    Parameters
    ----------
    positions
        (n, 3) in Å.
    cell
        (3, 3) lattice vectors as rows.
    cutoff
        Distance in Å.
    quantities
        What to return, a letter each: ``i`` and ``j`` atoms, ``S`` (P, 3) cells between them,
        ``d`` distances, ``D`` (P, 3) vectors.
    periodic
        Whether the structure repeats, along each lattice vector or all.
    each_once
        Whether a pair is there once, not in both directions.
    in_order
        Whether pairs are sorted by their first atom.

    Raises
    ------
    CrystalError
        If the cell is so thin that the cutoff takes in more than a million images of an atom, which
        vesin would not survive.

    Notes
    -----
    :func:`find_neighbours` is the search for all ordered pairs; it uses the native core where that
    is built. The order of pairs here is vesin's, on which sums in single precision depend.
    """
    from vesin import NeighborList

    _require_few_images(to_numpy(cell), periodic, cutoff)
    search = NeighborList(cutoff=cutoff, full_list=not each_once, sorted=in_order, n_threads=1)
    found = search.compute(
        points=to_numpy(positions), box=to_numpy(cell), periodic=periodic, quantities=quantities
    )
    return tuple(
        np.asarray(values, dtype=np.int64) if letter in "ijS" else np.asarray(values)
        for letter, values in zip(quantities, found, strict=True)
    )


def _require_few_images(cell: NDArray[np.float64], periodic: Any, cutoff: float) -> None:
    axes = np.broadcast_to(np.asarray(periodic, dtype=bool), (3,))
    heights = np.linalg.norm(cell, axis=1)
    volume = abs(float(np.linalg.det(cell)))
    if axes.all() and volume > 0.0:
        areas = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
        heights = volume / areas
    # Infinite where a height is zero.
    with np.errstate(divide="ignore"):
        images = float(np.prod(2.0 * cutoff / heights[axes] + 1.0))
    if not images <= _MOST_IMAGES:
        raise CrystalError("the cell is too thin for this cutoff; check its lattice vectors")


def _by_core(core: Any, crystal: Crystal, cutoff: float) -> Neighbours:
    positions = np.ascontiguousarray(to_numpy(crystal.positions), dtype=np.float64)
    cell, origin = _box(crystal, positions)
    inverse = np.ascontiguousarray(np.linalg.inv(cell))
    periodic = [bool(value) for value in crystal.pbc]
    return Neighbours(*core.find_neighbours(cell, inverse, origin, periodic, positions, cutoff))


def _box(
    crystal: Crystal, positions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A cell and its origin; along directions that are not periodic it holds all atoms."""
    cell = np.array(to_numpy(crystal.cell), dtype=np.float64)
    origin = np.zeros(3)
    if crystal.pbc.all():
        crystal.require_periodic()
        return cell, origin
    periodic = cell[crystal.pbc]
    across = np.eye(3) if len(periodic) == 0 else np.linalg.svd(periodic)[2][len(periodic) :]
    for axis, direction in zip(np.flatnonzero(~crystal.pbc), across, strict=True):
        places = positions @ direction
        cell[axis] = direction * (np.ptp(places) + 1.0)
        origin += direction * (places.min() - 0.5)
    return cell, origin


def _by_vesin(crystal: Crystal, cutoff: float) -> Neighbours:
    reach = max(cutoff, _SHORTEST_SEARCH)
    first, second, vectors, distances = search_pairs(
        crystal.positions, crystal.cell, reach, "ijDd", periodic=crystal.pbc, in_order=True
    )
    if cutoff < reach:
        near = distances < cutoff
        first, second = first[near], second[near]
        vectors, distances = vectors[near], distances[near]
    counts = np.bincount(first, minlength=len(crystal))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Neighbours(
        starts.astype(np.int64),
        second,
        np.ascontiguousarray(vectors, dtype=np.float64),
        np.ascontiguousarray(distances, dtype=np.float64),
    )
