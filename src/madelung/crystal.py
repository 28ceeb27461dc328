"""Crystals, and batches of crystals.

Importing this module loads NumPy and nothing heavier: ASE, pymatgen and PyTorch are looked at only
when one of their objects is handed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.arrays import (
    as_atomic_numbers,
    as_periodicity,
    as_reals,
    as_tensors,
    crystal_error,
    is_tensor,
    join,
    to_numpy,
)
from madelung.elements import ELEMENT_SYMBOLS, chemical_formula

__all__ = ["Crystal", "CrystalBatch"]

# A cell is flat when its volume is this small a part of the product of its edge lengths: the
# rounding of its entries alone could then have made the volume.
_FLAT_CELL = 1e-13


@dataclass(frozen=True, eq=False)
class Crystal:
    """A periodic arrangement of atoms.

    Left-handed and extreme cells, positions outside the cell and atoms that coincide are all
    allowed. Cells without volume and structures that are not periodic in three directions are
    allowed as well, so that they can be looked at; :meth:`require_periodic` refuses them.

    Parameters
    ----------
    cell
        (3, 3) lattice vectors as rows, in Å.
    positions
        (n, 3) Cartesian positions, in Å.
    numbers
        (n,) atomic numbers, 1 to 118.
    pbc
        (3,) whether the crystal repeats along each lattice vector; one bool stands for all three.
    source
        Where the crystal came from (file and record), for messages.
    charges
        (n,) oxidation states in units of e where the source gives them, or None.

    Raises
    ------
    CrystalError
        If a shape is wrong, there are no atoms, a value is not finite, or a number is no element.

    Notes
    -----
    ``cell`` and ``positions`` are kept as float64 NumPy arrays (copies), or, where PyTorch tensors
    are given, as float64 tensors of the same graph and device.
    """

    cell: Any
    positions: Any
    numbers: NDArray[np.int64]
    pbc: Any = True
    source: str | None = None
    charges: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Bring every field to its stated type and shape, or refuse it."""
        source = None if self.source is None else str(self.source)
        numbers = as_atomic_numbers(self.numbers, source)
        count = len(numbers)
        fields = {
            "source": source,
            "numbers": numbers,
            "cell": as_reals(self.cell, "cell", (3, 3), source),
            "positions": as_reals(self.positions, "positions", (count, 3), source),
            "pbc": as_periodicity(self.pbc, source),
            "charges": None
            if self.charges is None
            else as_reals(to_numpy(self.charges), "charges", (count,), source),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Return the number of atoms in the cell."""
        return len(self.numbers)

    def __repr__(self) -> str:
        """Return a line that names the crystal without printing its arrays."""
        origin = "" if self.source is None else f", source={self.source!r}"
        return f"Crystal({self.formula}, atoms={len(self)}, pbc={self.pbc.tolist()}{origin})"

    @property
    def volume(self) -> Any:
        """Volume of the cell in Å³ (never negative); a tensor when the cell is one."""
        if is_tensor(self.cell):
            return self.cell.det().abs()
        return float(abs(np.linalg.det(self.cell)))

    @property
    def scaled_positions(self) -> Any:
        """Fractional coordinates, (n, 3), not wrapped.

        Raises
        ------
        CrystalError
            If the cell has no volume.
        """
        self._require_volume()
        cell, positions = self.cell, self.positions
        if is_tensor(cell) or is_tensor(positions):
            cell, positions = as_tensors([cell, positions])
            return positions @ cell.inverse()
        return np.ascontiguousarray(np.linalg.solve(cell.T, positions.T).T)

    @property
    def symbols(self) -> list[str]:
        """Element symbols, one for each atom."""
        return [ELEMENT_SYMBOLS[number] for number in self.numbers]

    @property
    def formula(self) -> str:
        """Chemical formula of all the atoms of the cell, not reduced."""
        return chemical_formula(self.numbers)

    @property
    def species(self) -> list[int]:
        """Distinct atomic numbers, ascending."""
        return [int(number) for number in np.unique(self.numbers)]

    @property
    def species_pairs(self) -> list[tuple[int, int]]:
        """Distinct pairs (a, b) of atomic numbers with a <= b, ascending."""
        species = self.species
        return [(a, b) for index, a in enumerate(species) for b in species[index:]]

    @classmethod
    def from_ase(cls, atoms: Any, source: str | None = None) -> Crystal:
        """Build a crystal from ASE ``Atoms``; see :func:`madelung.conversions.from_ase`."""
        from madelung import conversions

        return conversions.from_ase(atoms, source)

    def to_ase(self) -> Any:
        """Return ASE ``Atoms``; see :func:`madelung.conversions.to_ase`."""
        from madelung import conversions

        return conversions.to_ase(self)

    @classmethod
    def from_pymatgen(cls, structure: Any, source: str | None = None) -> Crystal:
        """Build a crystal from a pymatgen ``Structure``; see ``conversions.from_pymatgen``."""
        from madelung import conversions

        return conversions.from_pymatgen(structure, source)

    def to_pymatgen(self) -> Any:
        """Return a pymatgen ``Structure``; see :func:`madelung.conversions.to_pymatgen`."""
        from madelung import conversions

        return conversions.to_pymatgen(self)

    def require_periodic(self) -> Crystal:
        """Return this crystal if it fills space.

        Raises
        ------
        CrystalError
            If it is not periodic in all three directions, or its cell has no volume: less than
            1e-13 of the product of its edge lengths, which rounding alone could have made.
        """
        if not self.pbc.all():
            raise crystal_error(
                self.source,
                f"the structure is periodic along {int(self.pbc.sum())} of its 3 lattice vectors "
                f"(pbc={self.pbc.tolist()}), but a complete sum needs all three; give a cell and "
                "pbc=True (put a slab or a molecule into a cell with vacuum)",
            )
        self._require_volume()
        return self

    def repeat(self, counts: int | Sequence[int]) -> Crystal:
        """Return the supercell of ``counts`` cells along each lattice vector.

        Parameters
        ----------
        counts
            Three positive integers, or one for all three directions.

        Returns
        -------
        Crystal
            Cell after cell, the last lattice vector running fastest, as in ASE.

        Raises
        ------
        CrystalError
            If a count is not a positive integer.
        """
        a, b, c = _as_counts(counts, self.source)
        steps = np.indices((a, b, c)).reshape(3, -1).T.astype(np.float64)
        lengths = np.array([[a], [b], [c]], dtype=np.float64)
        cell, positions = self.cell, self.positions
        if is_tensor(cell) or is_tensor(positions):
            cell, positions, steps, lengths = as_tensors([cell, positions, steps, lengths])
        repeated = (positions[None, :, :] + (steps @ cell)[:, None, :]).reshape(-1, 3)
        return replace(
            self,
            cell=cell * lengths,
            positions=repeated,
            numbers=np.tile(self.numbers, a * b * c),
            charges=None if self.charges is None else np.tile(self.charges, a * b * c),
        )

    def wrapped(self) -> Crystal:
        """Return the same crystal with its atoms inside the cell along periodic directions."""
        whole = np.where(self.pbc, np.floor(to_numpy(self.scaled_positions)), 0.0)
        cell, positions = self.cell, self.positions
        if is_tensor(cell) or is_tensor(positions):
            cell, positions, whole = as_tensors([cell, positions, whole])
        return replace(self, positions=positions - whole @ cell)

    def _require_volume(self) -> None:
        cell = to_numpy(self.cell)
        share = float(_relative_volumes(cell))
        if share < _FLAT_CELL:
            raise crystal_error(
                self.source,
                "the cell has no volume that can be told from rounding: the lattice vectors "
                f"{cell.tolist()} span {share:.1e} of the product of their lengths, and at least "
                f"{_FLAT_CELL:g} is needed; give three that do not lie in one plane, and those of "
                "a reduced cell if these are very skewed",
            )


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
            For the first crystal that is not periodic in all directions, or has no volume.
        """
        flat = _relative_volumes(to_numpy(self.cells)) < _FLAT_CELL
        for index in np.flatnonzero(flat | ~self.pbc.all(axis=1)):
            self[int(index)].require_periodic()
        return self


def _relative_volumes(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) volumes of (..., 3, 3) cells, relative to the products of their edge lengths."""
    lengths = np.linalg.norm(cells, axis=-1, keepdims=True)
    volumes = np.abs(np.linalg.det(cells / np.where(lengths > 0.0, lengths, 1.0)))
    return np.where(lengths.all(axis=(-2, -1)), volumes, 0.0)


def _as_counts(counts: int | Sequence[int], source: str | None) -> tuple[int, int, int]:
    triple = np.atleast_1d(np.asarray(counts))
    triple = np.broadcast_to(triple, (3,)) if triple.shape == (1,) else triple
    if triple.shape != (3,) or triple.dtype.kind not in "iu" or (triple < 1).any():
        text = f"cannot repeat by {counts!r}; give one positive integer or three"
        raise crystal_error(source, text)
    a, b, c = (int(count) for count in triple)
    return a, b, c
