"""Places of the atoms that a file lists: copies of one atom, mixed sites, impossible distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import FLAT_CELL, crystal_error, relative_volumes, require_size
from madelung.crystals.crystal import Crystal
from madelung.crystals.lattice import reduce_cells

__all__ = ["close_pairs", "coincidence_distance", "settle_places", "settled"]

# Sites closer than this, in Å, are one place whose coordinates were printed with few digits; the
# second number scales it down for cells of unusual units.
_COINCIDENCE = 0.1
_COINCIDENCE_OF_CELL = 0.02
# Two atoms this many times as far apart are still closer than any two atoms of a crystal: in H2,
# the shortest of all bonds, they are .74 Å apart.
_IMPOSSIBLE_FACTOR = 5.0
# What files of crystals hold lies between these lengths, in Å.
_SHORTEST_VECTOR = 0.1
_LARGEST_LENGTH = 1e8
# Up to here all distances are computed faster than SciPy is imported.
_FEW_POINTS = 600


def coincidence_distance(cell: NDArray[np.float64]) -> float:
    """Distance in Å below which two sites of a file are one place."""
    edge = abs(np.linalg.det(cell)) ** (1.0 / 3.0)
    return float(min(_COINCIDENCE, _COINCIDENCE_OF_CELL * edge)) if edge > 0.0 else _COINCIDENCE


def settle_places(crystal: Crystal) -> Crystal:
    """Merge the copies of one atom that a file lists, and refuse or warn of what no crystal is.

    Parameters
    ----------
    crystal
        A crystal with all the atoms that the file gives it.

    Returns
    -------
    Crystal
        With one atom at each place. ``warnings`` say which copies were merged, and that atoms are
        closer than in any crystal.

    Raises
    ------
    CrystalError
        If two elements, or two charges of one element, share a place, or the cell or a coordinate
        has an impossible size.
    """
    cell, positions = np.asarray(crystal.cell), np.asarray(crystal.positions)
    require_size(cell, positions, crystal.source, _SHORTEST_VECTOR, _LARGEST_LENGTH)
    basis = _periodic_basis(crystal)
    if basis is None:
        return crystal
    coincidence = coincidence_distance(cell) if crystal.pbc.all() else _COINCIDENCE
    points, owners = _with_images(positions, basis, crystal.pbc, _IMPOSSIBLE_FACTOR * coincidence)
    pairs = close_pairs(points, _IMPOSSIBLE_FACTOR * coincidence)
    distances = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    sites = np.sort(owners[pairs], axis=1)
    other = sites[:, 0] != sites[:, 1]
    sites, distances = sites[other], distances[other]
    same = distances <= coincidence
    warnings = list(crystal.warnings)
    kept = _merged(crystal, sites[same], warnings)
    _warn_of_impossible(crystal, sites[~same], distances[~same], kept, warnings)
    if kept.all():
        return replace(crystal, warnings=tuple(warnings))
    return replace(
        crystal,
        positions=positions[kept],
        numbers=crystal.numbers[kept],
        charges=None if crystal.charges is None else crystal.charges[kept],
        warnings=tuple(warnings),
    )


def settled(build: Callable[[], Crystal], notes: Sequence[str] = ()) -> Crystal:
    """Make a crystal, and settle its places.

    Parameters
    ----------
    build
        Makes it, with all the atoms that the file gives it.
    notes
        Further warnings of its reader.
    """
    crystal = build()
    return settle_places(replace(crystal, warnings=(*crystal.warnings, *notes)))


def close_pairs(points: NDArray[np.float64], distance: float) -> NDArray[np.intp]:
    """(m, 2) pairs of points that are at most a distance apart."""
    if len(points) > _FEW_POINTS:
        from scipy.spatial import cKDTree

        return cKDTree(points).query_pairs(distance, output_type="ndarray")
    squares = sum((column[:, None] - column) ** 2 for column in points.T)
    return np.argwhere(np.triu(squares <= distance**2, k=1))


def _periodic_basis(crystal: Crystal) -> NDArray[np.float64] | None:
    """Return lattice vectors in which images are near, or None if the lattice has no volume."""
    cell = np.array(crystal.cell, dtype=np.float64)
    if crystal.pbc.all():
        if relative_volumes(cell) < FLAT_CELL:
            return None
        basis: NDArray[np.float64] = reduce_cells(cell[None]).basis[0]
        return basis
    periodic = cell[crystal.pbc]
    across = np.eye(3) if len(periodic) == 0 else np.linalg.svd(periodic)[2][len(periodic) :]
    cell[~crystal.pbc] = across
    return None if relative_volumes(cell) < FLAT_CELL else cell


def _with_images(
    positions: NDArray[np.float64],
    basis: NDArray[np.float64],
    periodic: NDArray[np.bool_],
    reach: float,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Wrap positions into the cell, and repeat those near its lower faces beyond the upper ones."""
    inverse = np.linalg.inv(basis)
    fractional = positions @ inverse
    fractional = np.where(periodic, fractional - np.floor(fractional), fractional)
    owners = np.arange(len(positions))
    margins = reach * np.linalg.norm(inverse, axis=0)
    for axis in np.flatnonzero(periodic):
        low = fractional[:, axis] < margins[axis]
        fractional = np.concatenate([fractional, fractional[low] + np.eye(3)[axis]])
        owners = np.concatenate([owners, owners[low]])
    return fractional @ basis, owners


def _merged(crystal: Crystal, pairs: NDArray[np.intp], warnings: list[str]) -> NDArray[np.bool_]:
    """Return which atoms stay; the first of those on one place does."""
    kept = np.ones(len(crystal), dtype=bool)
    symbols = crystal.symbols
    charges = np.zeros(len(crystal)) if crystal.charges is None else crystal.charges
    for first, second in pairs:
        mixed = symbols[first] != symbols[second]
        if mixed or charges[first] != charges[second]:
            what = "elements" if mixed else "charges"
            raise crystal_error(
                crystal.source,
                f"sites {first} ({symbols[first]}) and {second} ({symbols[second]}), counted from "
                f"0, stand at the same position with two {what}: a mixed site; keep one of them",
            )
        kept[second] = False
    if not kept.all():
        first, second = pairs[0]
        warnings.append(
            f"{(~kept).sum()} of {len(kept)} sites repeat an atom that is listed already and were "
            f"merged with it, such as site {second} with site {first} ({symbols[first]}, counted "
            "from 0)"
        )
    return kept


def _warn_of_impossible(
    crystal: Crystal,
    pairs: NDArray[np.intp],
    distances: NDArray[np.float64],
    kept: NDArray[np.bool_],
    warnings: list[str],
) -> None:
    remaining = kept[pairs].all(axis=1)
    pairs, distances = pairs[remaining], distances[remaining]
    if len(pairs) == 0:
        return
    nearest = int(distances.argmin())
    first, second = pairs[nearest]
    warnings.append(
        f"sites {first} ({crystal.symbols[first]}) and {second} ({crystal.symbols[second]}), "
        f"counted from 0, are {distances[nearest]:.3g} Å apart, closer than the atoms of any "
        "crystal; check the coordinates and the unit of the cell"
    )
