"""Pairs of atoms that force constants stand on, and where each of these belongs.

A network chooses the strengths of springs and local couplings from what the atoms at the ends are
and from their distance, once for each kind of pair. See docs/theory/harmonic-network.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs

__all__ = [
    "CouplingPairs",
    "CrystalCouplings",
    "Placement",
    "coupling_batch",
    "crystal_couplings",
    "folded_placement",
    "open_placement",
]

# Distances (Å) are equal if they round to the same multiple of this.
_SAME_DISTANCE = 1e-5


@dataclass(frozen=True, eq=False)
class CouplingPairs:
    """E pairs of atoms of a crystal, of K kinds.

    Parameters
    ----------
    first, second
        (E,) atoms of the cell.
    shifts
        (E, 3) cell that the second atom lies in.
    directions
        (E, 3) unit vectors from the first atom to the second, float32.
    kinds
        (E,) kind of each pair.
    ends
        (K, 2) orbits at the ends of the pairs of a kind.
    distances
        (K,) in Å, float32.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shifts: NDArray[np.int64]
    directions: NDArray[np.float32]
    kinds: NDArray[np.int64]
    ends: NDArray[np.int64]
    distances: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CrystalCouplings:
    """What the force constants of a crystal with n atoms in its cell stand on.

    Parameters
    ----------
    numbers
        (n,) atomic numbers.
    orbits
        (n,) orbit of each atom.
    springs
        Pairs that springs join, each once.
    neighbours
        Pairs of each atom with those near it, in both orders, sorted by the first.
    """

    numbers: NDArray[np.int64]
    orbits: NDArray[np.int64]
    springs: CouplingPairs
    neighbours: CouplingPairs

    @property
    def most_neighbours(self) -> int:
        """Largest number of neighbours of an atom."""
        return int(np.bincount(self.neighbours.first, minlength=1).max())

    @property
    def slots(self) -> NDArray[np.int64]:
        """(E,) place of each neighbour in a table with a row for each atom, itself at column 0."""
        first = self.neighbours.first
        starts = np.searchsorted(first, first)
        own: NDArray[np.int64] = first * (self.most_neighbours + 1) + 1
        return own + np.arange(len(first)) - starts


def crystal_couplings(
    crystal: Crystal, orbits: NDArray[np.int64], spring_reach: float, local_reach: float
) -> CrystalCouplings:
    """Find the pairs that the force constants of a crystal stand on.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    orbits
        (n,) orbit of each atom.
    spring_reach, local_reach
        Greatest distance of pairs in Å.
    """
    return CrystalCouplings(
        numbers=np.asarray(crystal.numbers, dtype=np.int64),
        orbits=orbits,
        springs=_pairs(crystal, orbits, spring_reach, each_once=True),
        neighbours=_pairs(crystal, orbits, local_reach, each_once=False),
    )


def _pairs(
    crystal: Crystal, orbits: NDArray[np.int64], reach: float, *, each_once: bool
) -> CouplingPairs:
    found = search_pairs(crystal.positions, crystal.cell, reach, "ijSdD", each_once=each_once)
    order = np.argsort(found[0], kind="stable")
    order = order[found[3][order] > 0.0]
    first, second, shifts, distances, vectors = (values[order] for values in found)
    ends = np.stack([orbits[first], orbits[second]], axis=1)
    if each_once:
        ends = np.sort(ends, axis=1)
    keys = np.column_stack([ends, np.rint(distances / _SAME_DISTANCE).astype(np.int64)])
    _, chosen, kinds = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return CouplingPairs(
        first=first,
        second=second,
        shifts=shifts.astype(np.int64),
        directions=(vectors / distances[:, None]).astype(np.float32),
        kinds=kinds.reshape(-1),
        ends=ends[chosen],
        distances=distances[chosen].astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where blocks of 3 by 3 force constants are added to.

    Parameters
    ----------
    springs
        (4, E) rows of the result: for atom i with j, j with i, i with itself, j with itself.
    locals
        (n (M + 1)²,) rows for all pairs of an atom's neighbours and itself, in a table of the most
        neighbours M; pairs of empty places have the row 0.
    rows
        Number of rows of the result.
    first, second
        (R,) atoms of each row.
    shifts
        (R, 3) cell of the second atom, in open placements; (T, 3) cells of the supercell in folded
        ones, of which each pair of atoms has a row, in the order (T, n, n).
    """

    springs: NDArray[np.int32]
    locals: NDArray[np.int32]
    rows: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shifts: NDArray[np.int64]


def open_placement(couplings: CrystalCouplings) -> Placement:
    """Give each pair of atoms that any coupling joins a row of its own."""
    pairs = _blocks(couplings)
    rows, places = np.unique(pairs, axis=0, return_inverse=True)
    return _placement(couplings, places.reshape(-1), len(rows), rows)


def folded_placement(couplings: CrystalCouplings, multiples: NDArray[np.int64]) -> Placement:
    """Give each pair of an atom of the cell and an atom of a supercell a row.

    Parameters
    ----------
    couplings
        Of the crystal.
    multiples
        (3, 3) lattice vectors of the supercell, as rows, in those of the cell.
    """
    pairs, atoms = _blocks(couplings), len(couplings.orbits)
    cells = round(abs(np.linalg.det(multiples)))
    # Cells are equal in the supercell if they agree in these numbers modulo their number.
    adjugate = np.rint(np.linalg.inv(multiples) * cells).astype(np.int64)
    codes = (pairs[:, 2:] @ adjugate) % cells @ np.array([cells * cells, cells, 1])
    _, chosen, classes = np.unique(codes, return_index=True, return_inverse=True)
    places = (classes.reshape(-1) * atoms + pairs[:, 0]) * atoms + pairs[:, 1]
    shifts = pairs[chosen, 2:]
    grid = np.indices((len(shifts), atoms, atoms)).reshape(3, -1)
    rows = np.column_stack([grid[1], grid[2]])
    made = _placement(couplings, places, len(rows), rows)
    return Placement(made.springs, made.locals, made.rows, rows[:, 0], rows[:, 1], shifts)


def _placement(
    couplings: CrystalCouplings, places: NDArray[np.int64], rows: int, pairs: NDArray[np.int64]
) -> Placement:
    springs = 4 * len(couplings.springs.first)
    table = _table(couplings)
    filled = (table[:, :, None] & table[:, None, :]).reshape(-1)
    local = np.zeros(len(filled), dtype=np.int32)
    local[filled] = places[springs:]
    return Placement(
        springs=places[:springs].reshape(4, -1).astype(np.int32),
        locals=local,
        rows=rows,
        first=pairs[:, 0],
        second=pairs[:, 1],
        shifts=pairs[:, 2:],
    )


def _table(couplings: CrystalCouplings) -> NDArray[np.bool_]:
    """(n, M + 1) which places in the table of neighbours are filled."""
    table = np.zeros((len(couplings.orbits), couplings.most_neighbours + 1), dtype=bool)
    table[:, 0] = True
    table.reshape(-1)[couplings.slots] = True
    return table


def _blocks(couplings: CrystalCouplings) -> NDArray[np.int64]:
    """(B, 5) first atom, second atom and its cell of each block, springs first."""
    springs = couplings.springs
    zero = np.zeros_like(springs.shifts)
    ends = (springs.first[:, None], springs.second[:, None])
    parts = [
        np.hstack([ends[0], ends[1], springs.shifts]),
        np.hstack([ends[1], ends[0], -springs.shifts]),
        np.hstack([ends[0], ends[0], zero]),
        np.hstack([ends[1], ends[1], zero]),
    ]
    width = couplings.most_neighbours + 1
    atoms = len(couplings.orbits)
    listed = np.zeros((atoms * width, 4), dtype=np.int64)
    listed[::width, 0] = np.arange(atoms)
    near = couplings.neighbours
    listed[couplings.slots] = np.hstack([near.second[:, None], near.shifts])
    table_of = listed.reshape(atoms, width, 4)
    left, right = np.broadcast_arrays(table_of[:, :, None], table_of[:, None, :])
    table = _table(couplings)
    filled = table[:, :, None] & table[:, None, :]
    left, right = left[filled], right[filled]
    parts.append(np.hstack([left[:, :1], right[:, :1], right[:, 1:] - left[:, 1:]]))
    return np.concatenate(parts)


def coupling_batch(pairs: Sequence[CouplingPairs], orbits: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Lay the kinds of pairs of several crystals end to end.

    Parameters
    ----------
    pairs
        Of each crystal.
    orbits
        Number of orbits of each crystal.

    Returns
    -------
    ends : (K, 2) int64
        Orbits of the batch.
    distances : (K,) float32
        In Å.
    """
    before = np.cumsum(orbits) - np.asarray(orbits)
    ends = [own.ends + offset for own, offset in zip(pairs, before, strict=True)]
    distances = np.concatenate([own.distances for own in pairs])
    return torch.from_numpy(np.concatenate(ends)), torch.from_numpy(distances)
