"""Structures as the tensors that a neural force field starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import find_neighbours

__all__ = ["AtomBatch", "Surroundings"]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The neighbours of the n atoms of one structure.

    Parameters
    ----------
    crystal
        The structure.
    kinds
        (n,) which of the force field's elements each atom is.
    starts
        (n + 1,) where the neighbours of each atom begin.
    senders
        (P,) the neighbour of each pair.
    vectors
        (P, 3) from the atom to its neighbour, in Å.
    """

    crystal: Crystal
    kinds: NDArray[np.int64]
    starts: NDArray[np.int64]
    senders: NDArray[np.int64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, crystal: Crystal, species: Sequence[int], cutoff: float) -> Surroundings:
        """Find the neighbours of a structure whose elements are all among the species."""
        neighbours = find_neighbours(crystal, cutoff)
        kinds = np.searchsorted(species, np.asarray(crystal.numbers))
        return cls(crystal, kinds, neighbours.starts, neighbours.indices, neighbours.vectors)

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.kinds)


@dataclass(frozen=True, eq=False)
class AtomBatch:
    """Several structures, B in number, with N atoms that have at most K neighbours each.

    Parameters
    ----------
    kinds
        (N,) which element each atom is.
    owner
        (N,) the structure of each atom.
    counts
        (B,) atoms of each structure.
    vectors
        (N, K, 3) from atoms to neighbours in Å; what no neighbour fills lies beyond the cutoff.
    senders
        (N, K) the neighbours.
    present
        (N, K) which of the places hold a neighbour.
    positions
        (N, 3) in Å, float64.
    cells
        (B, 3, 3) in Å, float64.
    total_charges
        (B,) in e, float64: sums of the charges that the structures carry, zero where they carry
        none.
    periodic
        (B,) whether a structure is periodic in three directions.
    isolated
        (B,) whether a structure is periodic in none.
    """

    kinds: Tensor
    owner: Tensor
    counts: Tensor
    vectors: Tensor
    senders: Tensor
    present: Tensor
    positions: Tensor
    cells: Tensor
    total_charges: Tensor
    periodic: NDArray[np.bool_]
    isolated: NDArray[np.bool_]

    @classmethod
    def join(
        cls, members: Sequence[Surroundings], cutoff: float, dtype: torch.dtype = torch.float32
    ) -> AtomBatch:
        """Put structures together; vectors are of the type that is given."""
        counts = np.array([len(member) for member in members])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        neighbours = np.concatenate([np.diff(member.starts) for member in members])
        width = max(int(neighbours.max(initial=0)), 1)
        atoms = np.repeat(np.arange(len(neighbours)), neighbours)
        places = np.arange(len(atoms)) - np.repeat(np.cumsum(neighbours) - neighbours, neighbours)
        vectors = np.full((len(neighbours), width, 3), 2.0 * cutoff)
        senders = np.zeros((len(neighbours), width), dtype=np.int64)
        present = np.zeros((len(neighbours), width), dtype=bool)
        vectors[atoms, places] = np.concatenate([member.vectors for member in members])
        senders[atoms, places] = np.concatenate(
            [member.senders + offset for member, offset in zip(members, offsets[:-1], strict=True)]
        )
        present[atoms, places] = True
        crystals = [member.crystal for member in members]
        positions = np.concatenate([to_numpy(crystal.positions) for crystal in crystals])
        cells = np.stack([to_numpy(crystal.cell) for crystal in crystals])
        return cls(
            kinds=torch.from_numpy(np.concatenate([member.kinds for member in members])),
            owner=torch.from_numpy(np.repeat(np.arange(len(members)), counts)),
            counts=torch.from_numpy(counts),
            vectors=torch.from_numpy(vectors).to(dtype),
            senders=torch.from_numpy(senders),
            present=torch.from_numpy(present),
            positions=torch.from_numpy(np.asarray(positions, dtype=np.float64)),
            cells=torch.from_numpy(np.asarray(cells, dtype=np.float64)),
            total_charges=torch.tensor([_total_charge(crystal) for crystal in crystals]).double(),
            periodic=np.array([crystal.pbc.all() for crystal in crystals]),
            isolated=np.array([not crystal.pbc.any() for crystal in crystals]),
        )

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.counts)

    def sums(self, of_atoms: Tensor) -> Tensor:
        """Add up what the atoms of each structure have, in double precision."""
        shape = (len(self), *of_atoms.shape[1:])
        total = torch.zeros(shape, dtype=torch.float64, device=of_atoms.device)
        return total.index_add(0, self.owner, of_atoms.double())


def _total_charge(crystal: Crystal) -> float:
    return 0.0 if crystal.charges is None else float(sum(crystal.charges))
