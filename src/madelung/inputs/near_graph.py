"""From crystals to graphs: near neighbours, and complete sums for every pair of atoms of a cell.

Graphs are made as they are needed and never stored: that takes tens of microseconds a crystal for
the sums, and about as much for the neighbours. What a model was trained with is fixed by
:class:`GraphSettings`, which travels with its weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.errors import CrystalError, ToleranceWarning
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.neighbours import search_pairs
from madelung.crystals.primitive import primitive_crystal
from madelung.crystals.reading.arguments import as_batch
from madelung.inputs.settings import GraphSettings
from madelung.inputs.symmetry_reduction import EdgeArrays, reduce_by_symmetry
from madelung.sums.complete import complete_sums
from madelung.sums.names import potential_from_name
from madelung.sums.potentials import Pauli

__all__ = ["CrystalGraph", "GraphSettings", "build_graph", "build_graphs", "near_neighbours"]

# The first search looks this much farther than a sphere that holds the wanted number of atoms at
# the crystal's mean density; each further one that much farther than the one before.
_FIRST_REACH = 1.25
_FURTHER_REACH = 1.4
_SEARCHES = 40


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """Graphs of B crystals with N atoms in all, E near edges and P pairs.

    Distances and sums are kept once for all edges that have them in common. Atoms that are
    equivalent by symmetry are there once, with a weight, and so are edges that are equal; see
    :mod:`madelung.inputs.symmetry_reduction`.

    Parameters
    ----------
    numbers
        (N,) atomic numbers.
    owner
        (N,) the crystal that each atom belongs to.
    weights
        (N,) how many atoms of the cell each one stands for.
    counts
        (B,) atoms of the cell of each crystal.
    centre, neighbour
        (E,) atoms at the ends of the near edges, sorted by ``centre``.
    near_kinds
        (E,) which of the distances each edge has.
    distance
        (D,) distinct distances in Å.
    near_weights
        (E,) how many edges of ``centre`` each one stands for.
    first, second
        (P,) atoms of the ordered pairs of each cell, pairs of an atom with itself included.
    pair_kinds
        (P,) which of the sums each pair has.
    sums
        (S, potentials) distinct complete sums, in the units of the potentials.
    pair_weights
        (P,) how many pairs of ``first`` each one stands for.
    """

    numbers: Tensor
    owner: Tensor
    weights: Tensor
    counts: Tensor
    centre: Tensor
    neighbour: Tensor
    near_kinds: Tensor
    distance: Tensor
    near_weights: Tensor
    first: Tensor
    second: Tensor
    pair_kinds: Tensor
    sums: Tensor
    pair_weights: Tensor

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.counts)

    def to(self, device: Any) -> CrystalGraph:
        """Return the same graphs on another device."""
        fields = (getattr(self, name).to(device) for name in self.__dataclass_fields__)
        return CrystalGraph(*fields)


def build_graph(crystals: Any, settings: GraphSettings, *, threads: int = 1) -> CrystalGraph:
    """Make the graphs of crystals.

    Parameters
    ----------
    crystals
        A crystal, a batch, or a sequence of crystals; see :func:`madelung.as_crystals`.
    settings
        How to make them.
    threads
        Threads for the sums.

    Returns
    -------
    CrystalGraph
        On the CPU; distances and sums in float32.

    Raises
    ------
    CrystalError
        If a crystal is not periodic in three directions or has no volume.
    """
    batch, _ = as_batch(crystals)
    batch.require_periodic()
    if settings.primitive:
        batch = CrystalBatch.from_crystals([primitive_crystal(crystal) for crystal in batch])
    numbers = np.asarray(batch.numbers, dtype=np.int64)
    sizes = np.diff(batch.offsets)
    owner = np.repeat(np.arange(len(batch)), sizes)
    weights = np.ones(len(numbers), dtype=np.int64)
    near, pairs = _near_edges(batch, settings), _complete_edges(batch, settings, threads)
    if settings.merge_tolerance > 0.0:
        kept, weights, (near, pairs) = reduce_by_symmetry(
            numbers, owner, [near, pairs], settings.merge_tolerance
        )
        numbers, owner = numbers[kept], owner[kept]
    return CrystalGraph(
        numbers=torch.from_numpy(numbers),
        owner=torch.from_numpy(owner),
        weights=_as_floats(weights),
        counts=torch.from_numpy(sizes),
        centre=torch.from_numpy(near.receivers),
        neighbour=torch.from_numpy(near.senders),
        near_kinds=torch.from_numpy(near.kinds),
        distance=_as_floats(near.values[:, 0]),
        near_weights=_as_floats(near.weights),
        first=torch.from_numpy(pairs.receivers),
        second=torch.from_numpy(pairs.senders),
        pair_kinds=torch.from_numpy(pairs.kinds),
        sums=_as_floats(pairs.values),
        pair_weights=_as_floats(pairs.weights),
    )


def _as_floats(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def build_graphs(
    crystals: Any, kinds: Sequence[GraphSettings], *, threads: int = 1
) -> list[CrystalGraph]:
    """Make the graphs of the same crystals by several settings; see :func:`build_graph`."""
    return [build_graph(crystals, settings, threads=threads) for settings in kinds]


def _near_edges(batch: CrystalBatch, settings: GraphSettings) -> EdgeArrays:
    centre, neighbour, distance = near_neighbours(
        batch, settings.neighbours, settings.tie_tolerance
    )
    return _one_by_one(centre, neighbour, distance[:, None])


def _complete_edges(batch: CrystalBatch, settings: GraphSettings, threads: int) -> EdgeArrays:
    """Edges between all pairs with their sums; none where there is nothing to sum."""
    if not settings.potentials:
        none = np.zeros(0, dtype=np.int64)
        return _one_by_one(none, none, np.zeros((0, 0)))
    first, second = _all_pairs(batch.offsets)
    return _one_by_one(first, second, _pair_sums(batch, settings, threads))


def _one_by_one(
    receivers: NDArray[np.int64], senders: NDArray[np.int64], values: NDArray[np.float64]
) -> EdgeArrays:
    """Edges that each have values of their own."""
    count = len(receivers)
    return EdgeArrays(receivers, senders, np.arange(count), values, np.ones(count, dtype=np.int64))


def near_neighbours(
    batch: CrystalBatch, count: int, tie_tolerance: float = 1e-3
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find the nearest images of atoms around each atom.

    Parameters
    ----------
    batch
        Crystals, periodic in three directions.
    count
        Neighbours of each atom.
    tie_tolerance
        Every further image whose distance exceeds that of the last neighbour by no more than this
        (Å) is a neighbour as well, so that the graph has the symmetry of the crystal.

    Returns
    -------
    centre, neighbour : (E,) int64
        Atoms, numbered through the batch; sorted by ``centre``, then by distance.
    distance : (E,) float64
        Distances in Å. Images that coincide with the centre are no neighbours.

    Raises
    ------
    CrystalError
        If a crystal's neighbours cannot be found.
    """
    cells = np.asarray(batch.cells, dtype=np.float64)
    positions = np.asarray(batch.positions, dtype=np.float64)
    parts = []
    for index, (start, stop) in enumerate(zip(batch.offsets[:-1], batch.offsets[1:], strict=True)):
        found = _neighbours_of_one(cells[index], positions[start:stop], count, tie_tolerance)
        if found is None:
            raise CrystalError(
                f"{batch.name(index)}: {count} neighbours of each atom could not be found; check "
                "the cell and positions"
            )
        parts.append((found[0] + start, found[1] + start, found[2]))
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros(0)
    centre, neighbour, distance = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return centre, neighbour, distance


def _neighbours_of_one(
    cell: NDArray[np.float64], positions: NDArray[np.float64], count: int, tie_tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None:
    atoms = len(positions)
    density = atoms / abs(np.linalg.det(cell))
    reach = _FIRST_REACH * (3.0 * (count + 1) / (4.0 * np.pi * density)) ** (1.0 / 3.0)
    for _ in range(_SEARCHES):
        centre, j, distance = search_pairs(positions, cell, reach + tie_tolerance, "ijd")
        inner = distance <= reach
        apart = distance > 0.0
        degrees = np.bincount(centre[inner & apart], minlength=atoms)
        if (degrees >= count).all():
            return _nearest(centre[apart], j[apart], distance[apart], atoms, count, tie_tolerance)
        reach *= _FURTHER_REACH
    return None


def _nearest(
    centre: NDArray[np.int64],
    neighbour: NDArray[np.int64],
    distance: NDArray[np.float64],
    atoms: int,
    count: int,
    tie_tolerance: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    order = np.lexsort((distance, centre))
    centre, neighbour, distance = centre[order], neighbour[order], distance[order]
    starts = np.searchsorted(centre, np.arange(atoms))
    last = distance[starts + count - 1]
    chosen = distance <= (last + tie_tolerance)[centre]
    return centre[chosen], neighbour[chosen], distance[chosen]


def _all_pairs(offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ordered pairs of atoms of each crystal, row by row, as the sums are laid out."""
    sizes = np.diff(offsets)
    per_atom = np.repeat(sizes, sizes)
    first = np.repeat(np.arange(offsets[-1]), per_atom)
    row_starts = np.cumsum(per_atom) - per_atom
    within = np.arange(len(first)) - np.repeat(row_starts, per_atom)
    return first, np.repeat(np.repeat(offsets[:-1], sizes), per_atom) + within


def _pair_sums(batch: CrystalBatch, settings: GraphSettings, threads: int) -> NDArray[np.float64]:
    """(P, potentials) complete sums of a batch."""
    pairs = int((np.diff(batch.offsets) ** 2).sum())
    columns = np.empty((len(settings.potentials), pairs))
    plain: list[tuple[int, Any]] = []
    scaled: list[tuple[int, Any]] = []
    for column, name in enumerate(settings.potentials):
        potential = potential_from_name(name).potential
        published = settings.pauli == "published" and isinstance(potential, Pauli)
        (scaled if published else plain).append((column, potential))
    for group, crystals in ((plain, batch), (scaled, _scaled_as_published(batch))):
        if group and len(batch):
            columns[[column for column, _ in group]] = _sums(
                crystals, [potential for _, potential in group], settings.tolerance, threads
            )
    return columns.T


def _sums(
    batch: CrystalBatch, potentials: Sequence[Any], tolerance: float, threads: int
) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        # Where float64 cannot hold the tolerance (atoms nearly on one site) float32 cannot either.
        warnings.simplefilter("ignore", ToleranceWarning)
        sums = complete_sums(batch, potentials, tolerance=tolerance, threads=threads)
    return np.asarray(sums.flat)


def _scaled_as_published(batch: CrystalBatch) -> CrystalBatch:
    """Shrink each crystal by V^(1/6), so that exp(-alpha r) becomes the sum PotNet published."""
    volumes = np.abs(np.linalg.det(np.asarray(batch.cells)))
    factors = volumes ** (-1.0 / 6.0)
    return CrystalBatch(
        cells=batch.cells * factors[:, None, None],
        positions=batch.positions * np.repeat(factors, np.diff(batch.offsets))[:, None],
        numbers=batch.numbers,
        offsets=batch.offsets,
        sources=batch.sources,
        pbc=batch.pbc,
        charges=batch.charges,
    )
