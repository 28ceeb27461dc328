"""Symmetry operations of a crystal file, and the full cell that they make of its listed sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import crystal_error
from madelung.crystals.reading.places import coincidence_distance

__all__ = [
    "Operations",
    "expand",
    "operations_from_generators",
    "operations_from_group",
    "operations_from_triplets",
]

# Images that are neither one atom nor two: no two whole atoms come this many times as close.
_COLLISION_FACTOR = 4.0
# Relative change of the metric that rounded cell parameters can bring about.
_METRIC_ROUNDING = 0.02


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations x -> rotation @ x + translation on fractional coordinates.

    Parameters
    ----------
    rotations
        (m, 3, 3) rotation parts.
    translations
        (m, 3) translation parts, in units of the lattice vectors.
    name
        What the operations were made from, for messages.
    is_standard
        Whether they are of the standard one of several settings that a name has.
    """

    rotations: NDArray[np.float64]
    translations: NDArray[np.float64]
    name: str
    is_standard: bool = False

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.rotations)


def operations_from_triplets(triplets: Sequence[str], source: str | None) -> Operations:
    """Read a list of operations such as ``-x, y+1/2, -z``.

    Raises
    ------
    CrystalError
        If an entry is no symmetry operation, or the list is no group.
    """
    operations = [
        _operation(triplet, f"symmetry operation {row}", source)
        for row, triplet in enumerate(triplets, start=1)
    ]
    result = _distinct(_from_gemmi(operations, f"its list of {len(triplets)} operations"))
    if not (_is_tabulated(result, operations) or _is_group(result)):
        raise crystal_error(
            source,
            f"its {len(triplets)} symmetry operations do not form a group (the list may be cut "
            "off); give the complete list, or remove it and give the space group's name",
        )
    return result


# A primitive group has 48 operations at most, and a face-centred cell four times as many; magnetic
# cells repeat them.
_MOST_OPERATIONS = 1536


def operations_from_generators(
    triplets: Sequence[str], generators: Sequence[str], source: str | None
) -> Operations:
    """Return the group that a list of operations makes together with generators.

    Parameters
    ----------
    triplets
        Operations that are complete but for the generators.
    generators
        Operations of which only some are listed: generators, or centring translations.
    source
        Where they came from, for messages.

    Raises
    ------
    CrystalError
        If an entry is no symmetry operation, or they make no finite group.
    """
    import gemmi

    found = {"x,y,z"}
    for triplet in [*triplets, *generators]:
        found.add(_operation(triplet, "symmetry operation", source).wrap().triplet())
    operations = [gemmi.Op(triplet) for triplet in sorted(found)]
    fresh = operations if generators else []
    while fresh:
        products = [(a * b).wrap() for a in operations for b in fresh]
        fresh = []
        for product in products:
            if product.triplet() not in found:
                found.add(product.triplet())
                fresh.append(product)
        operations += fresh
        if len(operations) > _MOST_OPERATIONS:
            raise crystal_error(
                source,
                f"its {len(triplets) + len(generators)} generators make no finite group; give the "
                "complete list of symmetry operations",
            )
    return operations_from_triplets([operation.triplet() for operation in operations], source)


def _operation(triplet: str, what: str, source: str | None) -> Any:
    import gemmi

    try:
        operation = gemmi.Op(triplet)
        if abs(operation.det_rot()) != gemmi.Op.DEN**3:
            raise ValueError("it does not keep the volume")
    except (RuntimeError, ValueError) as error:
        raise crystal_error(
            source, f"{what} ({triplet!r}) cannot be read: {error}; mend it"
        ) from None
    return operation


def operations_from_group(group: Any, name: str, is_standard: bool = False) -> Operations:
    """Return the operations of a ``gemmi.GroupOps``, to be called by this name in messages."""
    return replace(_from_gemmi(list(group), name), is_standard=is_standard)


def expand(
    operations: Operations,
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    labels: Sequence[str],
    source: str | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Apply symmetry operations to the sites that a file lists.

    Parameters
    ----------
    operations
        A group of m operations.
    cell
        (3, 3) lattice vectors as rows, in Å.
    fractional
        (n, 3) fractional coordinates of the listed sites.
    labels
        (n,) names of the listed sites, for messages.
    source
        Where the crystal came from, for messages.

    Returns
    -------
    fractional : (N, 3)
        Fractional coordinates of all the atoms of the cell. A site within rounding of a special
        position is moved onto it.
    parents : (N,)
        Which listed site each atom is an image of, ascending.

    Raises
    ------
    CrystalError
        If the operations do not fit the cell, or a site comes so close to an image of itself that
        it is neither on a special position nor off it.
    """
    _require_fitting_metric(operations, cell, source)
    if len(operations) == 1:
        return fractional, np.arange(len(fractional), dtype=np.int64)
    steps = _images(operations, fractional) - fractional[:, None]
    steps -= np.round(steps)
    distances = np.linalg.norm(steps @ cell, axis=2)
    coincidence = coincidence_distance(cell)
    stable = distances < coincidence
    _require_no_collision(np.where(stable, np.inf, distances), coincidence, labels, source)
    orders = stable.sum(axis=1)
    snapped = fractional + (steps * stable[:, :, None]).sum(axis=1) / orders[:, None]
    images = _images(operations, snapped)
    images -= np.floor(images)
    images[images >= 1.0] = 0.0
    atoms, parents = [], []
    for site, order in enumerate(orders):
        orbit = images[site]
        if order > 1:
            orbit = _distinct_images(orbit, len(operations) // order, cell, coincidence)
        if len(orbit) * order != len(operations):
            raise crystal_error(
                source,
                f"site {labels[site]}: its images under {operations.name} do not make whole atoms; "
                "give its coordinates with more digits",
            )
        atoms.append(orbit)
        parents.append(np.full(len(orbit), site, dtype=np.int64))
    return np.concatenate(atoms), np.concatenate(parents)


def _from_gemmi(operations: Sequence[Any], name: str) -> Operations:
    rotations = np.array([operation.rot for operation in operations], dtype=np.float64)
    translations = np.array([operation.tran for operation in operations], dtype=np.float64)
    denominator = float(type(operations[0]).DEN)
    return Operations(rotations / denominator, np.mod(translations / denominator, 1.0), name)


def _keys(rotations: NDArray[np.float64], translations: NDArray[np.float64]) -> NDArray[np.int64]:
    # Every entry is a multiple of 1/24, so that rounding to 1/144 identifies it.
    turned = np.round(rotations.reshape(-1, 9) * 144.0)
    moved = np.mod(np.round(translations.reshape(-1, 3) * 144.0), 144.0)
    return np.concatenate([turned, moved], axis=1).astype(np.int64)


def _key_set(
    rotations: NDArray[np.float64], translations: NDArray[np.float64]
) -> set[tuple[int, ...]]:
    return set(map(tuple, _keys(rotations, translations).tolist()))


def _distinct(operations: Operations) -> Operations:
    keys = _keys(operations.rotations, operations.translations)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    return Operations(operations.rotations[first], operations.translations[first], operations.name)


def _is_tabulated(listed: Operations, operations: Sequence[Any]) -> bool:
    # Nearly every list is a space group that gemmi knows, and is found faster than it is checked.
    import gemmi

    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(list(operations)))
    if group is None:
        return False
    known = _from_gemmi(list(group.operations()), listed.name)
    return _key_set(known.rotations, known.translations) == _key_set(
        listed.rotations, listed.translations
    )


def _is_group(operations: Operations) -> bool:
    rotations, translations = operations.rotations, operations.translations
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    moved = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]
    return _key_set(products, moved) == _key_set(rotations, translations)


def _images(operations: Operations, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    turned: NDArray[np.float64] = np.einsum("mij,nj->nmi", operations.rotations, fractional)
    return turned + operations.translations


def _distinct_images(
    images: NDArray[np.float64], expected: int, cell: NDArray[np.float64], coincidence: float
) -> NDArray[np.float64]:
    # Equal images differ by rounding only, so that a grid tells them apart unless a coordinate lies
    # on the border of two of its cells.
    grid = np.mod(np.round(images * 1e6), 1e6).astype(np.int64)
    first = np.unique(grid @ [10**12, 10**6, 1], return_index=True)[1]
    if len(first) == expected:
        return np.take(images, np.sort(first), axis=0)
    steps = images[:, None] - images[None, :]
    same = np.linalg.norm((steps - np.round(steps)) @ cell, axis=2) < coincidence
    first = same.argmax(axis=1) == np.arange(len(images))
    return np.compress(first, images, axis=0)


def _require_fitting_metric(
    operations: Operations, cell: NDArray[np.float64], source: str | None
) -> None:
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    rotations = operations.rotations
    turned = np.einsum("mji,jk,mkl->mil", rotations, metric, rotations)
    if (np.abs(turned - metric) > _METRIC_ROUNDING * np.outer(lengths, lengths)).any():
        raise crystal_error(
            source,
            f"the cell (lengths {np.round(lengths, 5).tolist()} Å) does not have the symmetry of "
            f"{operations.name}; correct the cell or the symmetry",
        )


def _require_no_collision(
    distances: NDArray[np.float64],
    coincidence: float,
    labels: Sequence[str],
    source: str | None,
) -> None:
    site = int(distances.min(axis=1).argmin())
    nearest = float(distances[site].min())
    if nearest < _COLLISION_FACTOR * coincidence:
        raise crystal_error(
            source,
            f"site {labels[site]} lies {nearest:.3f} Å from its own symmetry image: it is "
            "disordered about a special position, or its coordinates have too few digits; "
            "choose one of the two atoms (in P 1), or give the coordinates in full",
        )
