"""What tells configurations from each other by their structure alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from madelung.common.arrays import to_numpy
from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import find_neighbours

__all__ = ["describe", "principal_components"]

CUTOFF = 6.5
"""Distance in Å up to which neighbours count."""
_FIRST, _SHELLS = 1.8, 24
_CENTRES = np.linspace(_FIRST, CUTOFF - 0.5, _SHELLS)
_WIDTH = float(_CENTRES[1] - _CENTRES[0])


def describe(structures: Iterable[Crystal], elements: Sequence[int]) -> NDArray[np.float64]:
    """Return smeared histograms of distances to neighbours: mean and spread over a cell's atoms.

    The mean holds density and order, the spread holds surfaces and defects.

    Parameters
    ----------
    structures
        n structures.
    elements
        Atomic numbers of the E elements that occur.

    Returns
    -------
    (n, 48 E²)
        For each ordered pair of elements (centre, neighbour) 24 shells, first the means of the
        centres of that element, then their standard deviations; the same for a cell and its
        supercells. Zeros where an element does not occur.

    Raises
    ------
    ForceFieldError
        If another element occurs.
    """
    return np.array([_describe(crystal, list(elements)) for crystal in structures])


def _describe(crystal: Crystal, elements: list[int]) -> NDArray[np.float64]:
    numbers = np.asarray(to_numpy(crystal.numbers))
    unknown = sorted(set(numbers.tolist()) - set(elements))
    if unknown:
        raise ForceFieldError(
            f"{crystal.source or crystal.formula}: the elements {unknown} are not among those "
            f"that are described, {elements}"
        )
    neighbours = find_neighbours(crystal, CUTOFF)
    smeared = np.exp(-0.5 * ((neighbours.distances[:, None] - _CENTRES) / _WIDTH) ** 2)
    smeared *= (1.0 - neighbours.distances / CUTOFF)[:, None]
    pairs = np.arange(len(smeared))
    result = np.zeros((len(elements), len(elements), 2, _SHELLS))
    for column, neighbour in enumerate(elements):
        counted = (numbers[neighbours.indices] == neighbour).astype(np.float64)
        sums = csr_matrix((counted, pairs, neighbours.starts), shape=(len(crystal), len(pairs)))
        densities = sums @ smeared
        for row, centre in enumerate(elements):
            rows = densities[numbers == centre]
            if len(rows):
                result[row, column] = rows.mean(0), rows.std(0)
    return result.ravel()


def principal_components(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Project rows on the directions in which they vary most.

    Parameters
    ----------
    values
        (n, d).
    count
        How many directions; fewer are returned where the rows span fewer.

    Returns
    -------
    (n, count)
        Coordinates in the same unit as the values, with mean zero. The component of a direction
        that is largest in magnitude is positive, so that signs do not depend on the machine.
    """
    centred = values - values.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    rank = int((sizes > 1e-10 * max(float(sizes[0]), 1e-300)).sum())
    chosen = directions[: max(min(count, rank), 1)]
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(1)[:, None], axis=1)
    projected: NDArray[np.float64] = centred @ (chosen * np.where(largest < 0.0, -1.0, 1.0)).T
    return projected
