"""Batches of crystals.

As for crystals, NumPy is the heaviest of what is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import as_tensors, is_tensor, join, to_numpy
from madelung.crystals.checks import FLAT_CELL, LARGEST_LENGTH, SHORTEST_VECTOR, relative_volumes
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import chemical_formula

__all__ = ["CrystalBatch"]


@dataclass(frozen=True, eq=False)
class CrystalBatch:
    """Crystals laid end to end.

    Parameters
    ----------
    cells
        (B, 3, 3) lattice vectors as rows, in Å.
    positions
        (N, 3) Cartesian positions of all the atoms, in Å.
    numbers
        (N,) atomic numbers.
    offsets
        (B + 1,) int64; the atoms of crystal b are ``offsets[b]:offsets[b + 1]``.
    sources
        Where each crystal came from, or None.
    pbc
        (B, 3) periodic directions of each crystal.
    charges
        (N,) oxidation states, NaN for the crystals that give none.
    warnings
        What the reader had to say about each crystal; empty if there is nothing about any.

    Notes
    -----
    If any crystal carries a PyTorch tensor, ``cells`` and ``positions`` are tensors of its graph.
    """

    cells: Any
    positions: Any
    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sources: tuple[str | None, ...]
    pbc: NDArray[np.bool_]
    charges: NDArray[np.float64]
    warnings: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_crystals(cls, crystals: Iterable[Crystal]) -> CrystalBatch:
        """Lay crystals end to end; an empty batch is allowed."""
        members = list(crystals)
        cells = [np.zeros((0, 3, 3)), *(crystal.cell[None] for crystal in members)]
        positions = [np.zeros((0, 3)), *(crystal.positions for crystal in members)]
        if any(is_tensor(array) for array in cells + positions):
            together = as_tensors(cells + positions)
            cells, positions = together[: len(cells)], together[len(cells) :]
        charges = [
            np.full(len(crystal), np.nan) if crystal.charges is None else crystal.charges
            for crystal in members
        ]
        sizes = [len(crystal) for crystal in members]
        return cls(
            cells=join(cells),
            positions=join(positions),
            numbers=np.concatenate(
                [np.zeros(0, dtype=np.int64), *(crystal.numbers for crystal in members)]
            ),
            offsets=np.cumsum([0, *sizes], dtype=np.int64),
            sources=tuple(crystal.source for crystal in members),
            pbc=np.array([crystal.pbc for crystal in members], dtype=bool).reshape(-1, 3),
            charges=np.concatenate([np.zeros(0), *charges]),
            warnings=tuple(crystal.warnings for crystal in members),
        )

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Crystal:
        """Return one crystal of the batch; negative indices count from the end."""
        position = range(len(self))[index]
        atoms = slice(int(self.offsets[position]), int(self.offsets[position + 1]))
        charges = self.charges[atoms]
        return Crystal(
            cell=self.cells[position],
            positions=self.positions[atoms],
            numbers=self.numbers[atoms],
            pbc=self.pbc[position],
            source=self.sources[position],
            charges=None if np.isnan(charges).any() else charges,
            warnings=self.warnings[position] if self.warnings else (),
        )

    def __iter__(self) -> Iterator[Crystal]:
        """Go through the crystals in order."""
        return (self[index] for index in range(len(self)))

    def name(self, index: int) -> str:
        """Return what to call a crystal in a message: its source, or its number and formula."""
        atoms = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.sources[index] or f"crystal {index} ({chemical_formula(self.numbers[atoms])})"

    def require_periodic(self) -> CrystalBatch:
        """Return this batch if each crystal fills space.

        Raises
        ------
        CrystalError
            For the first crystal that is not periodic in all directions, has no volume, or has a
            cell or a position of impossible size.
        """
        cells, positions = to_numpy(self.cells), to_numpy(self.positions)
        flat = relative_volumes(cells) < FLAT_CELL
        small = (np.linalg.norm(cells, axis=2) < SHORTEST_VECTOR).any(axis=1)
        large = (np.abs(cells) > LARGEST_LENGTH).any(axis=(1, 2))
        far = (np.abs(positions) > LARGEST_LENGTH).any(axis=1)
        large[np.searchsorted(self.offsets, np.flatnonzero(far), side="right") - 1] = True
        for index in np.flatnonzero(flat | small | large | ~self.pbc.all(axis=1)):
            self[int(index)].require_periodic()
        return self
