"""Bonds of a crystal: pairs of atoms in reach of each other that a spring can stand between.

A spring's strength is a function of what its ends are and of their distance, so that bonds which
agree in these are of one kind and need to be looked at once. At the eight points of the Brillouin
zone where 2q is a reciprocal lattice vector, the phase between an atom and its image is +1 or -1;
see docs/theory/springs.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs

__all__ = ["SYMMETRIC_POINTS", "BondList", "CrystalBonds", "crystal_bonds", "join_bonds"]

SYMMETRIC_POINTS = 8
"""Points q of the Brillouin zone for which 2q is a reciprocal lattice vector, Γ the first."""
_HALVES = np.array(list(itertools.product((0, 1), repeat=3)))
# Distances (Å) are equal if they round to the same multiple of this.
_SAME_DISTANCE = 1e-5


@dataclass(frozen=True, eq=False)
class CrystalBonds:
    """Bonds of a crystal with n atoms in its cell: E of them, of K kinds.

    Parameters
    ----------
    orbits
        (n,) the orbit that each atom belongs to.
    first, second
        (E,) atoms of the cell at the ends; each bond is there once.
    directions
        (E, 3) unit vectors from the first atom to the image of the second, float32.
    signs
        (E, 8) phase of that image at each symmetric point, ±1, float32.
    kinds
        (E,) the kind of each bond.
    ends
        (K, 2) orbits at the ends of the bonds of a kind.
    distances
        (K,) their length in Å, float32.
    """

    orbits: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    directions: NDArray[np.float32]
    signs: NDArray[np.float32]
    kinds: NDArray[np.int64]
    ends: NDArray[np.int64]
    distances: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return sum(getattr(self, name).nbytes for name in self.__dataclass_fields__)


@dataclass(frozen=True, eq=False)
class BondList:
    """Bonds of B crystals with N atoms in all; the fields are those of :class:`CrystalBonds`.

    Parameters
    ----------
    orbits
        (N,) the orbit of the batch that each atom belongs to.
    sizes
        (B,) atoms of each crystal.
    first, second
        (E,) atoms of the batch at the ends.
    directions
        (E, 3) unit vectors.
    signs
        (E, 8) phases at the symmetric points.
    kinds
        (E,) kind of each bond.
    ends
        (K, 2) orbits of the batch.
    distances
        (K,) lengths in Å.
    """

    orbits: Tensor
    sizes: Tensor
    first: Tensor
    second: Tensor
    directions: Tensor
    signs: Tensor
    kinds: Tensor
    ends: Tensor
    distances: Tensor

    @cached_property
    def groups(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """For each number n of atoms: the G crystals that have it, and (G, n) their atoms."""
        starts = torch.cumsum(self.sizes, 0) - self.sizes
        found = []
        for size in torch.unique(self.sizes).tolist():
            members = torch.nonzero(self.sizes == size).flatten()
            places = starts[members][:, None] + torch.arange(size, device=starts.device)
            found.append((members, places))
        return tuple(found)

    @cached_property
    def starts(self) -> Tensor:
        """(B,) where (8, 3n, 3n) matrices begin that lie one after another, group by group."""
        numbers = SYMMETRIC_POINTS * 9 * self.sizes**2
        order = torch.cat([members for members, _ in self.groups])
        starts = torch.empty_like(numbers)
        starts[order] = torch.cumsum(numbers[order], 0) - numbers[order]
        return starts

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Starts and the fields in order as arrays on the same memory, of bonds on a CPU."""
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        return tuple(part.contiguous().numpy() for part in (self.starts, *fields))

    def to(self, device: Any) -> BondList:
        """Return the same bonds on another device."""
        return BondList(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def crystal_bonds(crystal: Crystal, orbits: NDArray[np.int64], reach: float) -> CrystalBonds:
    """Find the bonds of a crystal.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    orbits
        (n,) orbit of each atom; atoms of an orbit are equivalent by symmetry.
    reach
        Greatest length of a bond in Å.
    """
    found = search_pairs(crystal.positions, crystal.cell, reach, "ijSdD", each_once=True)
    apart = found[3] > 0.0
    first, second, shift, distance, vector = (values[apart] for values in found)
    parity = shift @ _HALVES.T
    ends = np.sort(np.stack([orbits[first], orbits[second]], axis=1), axis=1)
    keys = np.column_stack([ends, np.rint(distance / _SAME_DISTANCE).astype(np.int64)])
    _, chosen, kinds = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return CrystalBonds(
        orbits=np.asarray(orbits, dtype=np.int64),
        first=first,
        second=second,
        directions=(vector / distance[:, None]).astype(np.float32),
        signs=(1 - 2 * (parity % 2)).astype(np.float32),
        kinds=kinds.reshape(-1),
        ends=ends[chosen],
        distances=distance[chosen].astype(np.float32),
    )


def join_bonds(crystals: Sequence[CrystalBonds], orbits: NDArray[np.int64]) -> BondList:
    """Lay the bonds of crystals end to end.

    Parameters
    ----------
    crystals
        Bonds of B crystals.
    orbits
        (B,) number of orbits of each crystal.
    """
    sizes = np.array([len(crystal.orbits) for crystal in crystals], dtype=np.int64)
    kinds = np.array([len(crystal.distances) for crystal in crystals], dtype=np.int64)
    before_atoms, before_kinds, before_orbits = (
        np.cumsum(counts) - counts for counts in (sizes, kinds, orbits)
    )

    def joined(name: str, before: NDArray[np.int64] | None = None) -> Tensor:
        parts = [getattr(crystal, name) for crystal in crystals]
        if before is not None:
            parts = [part + offset for part, offset in zip(parts, before, strict=True)]
        return torch.from_numpy(np.concatenate(parts))

    return BondList(
        orbits=joined("orbits", before_orbits),
        sizes=torch.from_numpy(sizes),
        first=joined("first", before_atoms),
        second=joined("second", before_atoms),
        directions=joined("directions"),
        signs=joined("signs"),
        kinds=joined("kinds", before_kinds),
        ends=joined("ends", before_orbits),
        distances=joined("distances"),
    )
