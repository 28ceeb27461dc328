"""Crystals.

Importing this module loads NumPy and nothing heavier: ASE, pymatgen and PyTorch are looked at only
when one of their objects is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import as_tensors, is_tensor, to_numpy
from madelung.crystals.checks import (
    FLAT_CELL,
    as_atomic_numbers,
    as_periodicity,
    as_reals,
    crystal_error,
    relative_volumes,
    require_size,
)
from madelung.crystals.elements import ELEMENT_SYMBOLS, chemical_formula
from madelung.crystals.occupancy import elements_of_sites, occupied_sites

__all__ = ["Crystal"]


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
    warnings
        What the reader of the crystal's file had to say about it, a line each. Supercells, wrapped
        crystals and members of a batch keep them.

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
    warnings: tuple[str, ...] = ()

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
            "warnings": tuple(str(text) for text in self.warnings),
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
        """Build a crystal from ASE ``Atoms``.

        Parameters
        ----------
        atoms
            ASE ``Atoms``. Initial charges, where set, become the crystal's charges.
        source
            Where the atoms came from, for messages.

        Raises
        ------
        CrystalError
            If ``atoms.info["occupancy"]`` or the array ``occupancy`` says that a site is partially
            occupied (ASE itself keeps the majority species), or the atoms are no usable crystal.
            Sites of occupancy 0 are left out, with a line in ``warnings``.
        """
        own, notes = occupied_sites(atoms.symbols, atoms.info, atoms.arrays, source)
        charged = atoms.has("initial_charges")
        return cls(
            cell=np.asarray(atoms.get_cell()),
            positions=atoms.get_positions()[own],
            numbers=atoms.get_atomic_numbers()[own],
            pbc=atoms.get_pbc(),
            source=source,
            charges=atoms.get_initial_charges()[own] if charged else None,
            warnings=notes,
        )

    def to_ase(self) -> Any:
        """Return ASE ``Atoms``; charges become initial charges, tensors lose their graph."""
        from ase import Atoms

        return Atoms(
            numbers=self.numbers,
            positions=to_numpy(self.positions),
            cell=to_numpy(self.cell),
            pbc=self.pbc,
            charges=self.charges,
        )

    @classmethod
    def from_pymatgen(cls, structure: Any, source: str | None = None) -> Crystal:
        """Build a crystal from a pymatgen ``Structure``.

        Parameters
        ----------
        structure
            Ordered pymatgen ``Structure``. Oxidation states, where every site has one, become the
            crystal's charges.
        source
            Where the structure came from, for messages.

        Raises
        ------
        CrystalError
            If a site is partially occupied or holds no element, or the structure is no usable
            crystal. Sites of occupancy 0 are left out, with a line in ``warnings``.
        """
        numbers, charges, own, notes = elements_of_sites(structure, source)
        return cls(
            cell=structure.lattice.matrix,
            positions=structure.cart_coords[own],
            numbers=numbers,
            pbc=getattr(structure.lattice, "pbc", True),
            source=source,
            charges=charges,
            warnings=notes,
        )

    def to_pymatgen(self) -> Any:
        """Return a pymatgen ``Structure``; tensors lose their graph.

        Raises
        ------
        CrystalError
            If the cell has no volume.
        """
        from pymatgen.core import Lattice, Species, Structure

        species: list[Any] = self.symbols
        if self.charges is not None:
            species = [
                Species(symbol, float(charge))
                for symbol, charge in zip(species, self.charges, strict=True)
            ]
        periodic = tuple(bool(direction) for direction in self.pbc)
        return Structure(
            Lattice(to_numpy(self.cell), pbc=periodic),
            species,
            to_numpy(self.scaled_positions),
        )

    def require_periodic(self) -> Crystal:
        """Return this crystal if it fills space.

        Raises
        ------
        CrystalError
            If it is not periodic in all three directions, its cell has no volume (less than 1e-13
            of the product of its edge lengths, which rounding alone could have made), a lattice
            vector is shorter than 1e-9 Å, or a vector or coordinate is larger than 1e9 Å.
        """
        if not self.pbc.all():
            raise crystal_error(
                self.source,
                f"the structure is periodic along {int(self.pbc.sum())} of its 3 lattice vectors "
                f"(pbc={self.pbc.tolist()}), but a complete sum needs all three; give a cell and "
                "pbc=True (put a slab or a molecule into a cell with vacuum)",
            )
        require_size(to_numpy(self.cell), to_numpy(self.positions), self.source)
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
        share = float(relative_volumes(cell))
        if share < FLAT_CELL:
            raise crystal_error(
                self.source,
                "the cell has no volume that can be told from rounding: the lattice vectors "
                f"{cell.tolist()} span {share:.1e} of the product of their lengths, and at least "
                f"{FLAT_CELL:g} is needed; give three that do not lie in one plane, and those of "
                "a reduced cell if these are very skewed",
            )


def _as_counts(counts: int | Sequence[int], source: str | None) -> tuple[int, int, int]:
    triple = np.atleast_1d(np.asarray(counts))
    triple = np.broadcast_to(triple, (3,)) if triple.shape == (1,) else triple
    if triple.shape != (3,) or triple.dtype.kind not in "iu" or (triple < 1).any():
        text = f"cannot repeat by {counts!r}; give one positive integer or three"
        raise crystal_error(source, text)
    a, b, c = (int(count) for count in triple)
    return a, b, c
