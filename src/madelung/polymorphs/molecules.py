"""Whole molecules in periodic cells, and when two of them are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PolymorphError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import chemical_formula, covalent_radii
from madelung.crystals.neighbours import search_pairs

__all__ = ["Molecule", "find_molecules", "same_conformer"]

_BOND = 1.2
_ROUNDS = 8
SAME_DISTANCE = 0.01
"""Å: conformers are the same if none of their sorted distances differs by more."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule of m atoms, in one piece.

    Parameters
    ----------
    numbers
        (m,) atomic numbers.
    positions
        (m, 3) in Å.
    atoms
        (m,) which atoms of the crystal these are.
    bonds
        (b, 2) atoms of the molecule that are bonded, each pair once.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    atoms: NDArray[np.int64]
    bonds: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.numbers)

    @property
    def formula(self) -> str:
        """Chemical formula."""
        return chemical_formula(self.numbers.tolist())

    @property
    def connectivity(self) -> str:
        """A text that is the same for molecules with the same bonds, whatever their shape.

        Elements are refined by those of the neighbours until nothing changes (B. Weisfeiler and A.
        Leman, 1968): what that does not tell apart is no pair of isomers of usual molecules.
        """
        partners: list[list[int]] = [[] for _ in self.numbers]
        for left, right in self.bonds.tolist():
            partners[left].append(right)
            partners[right].append(left)
        labels = [int(number) for number in self.numbers]
        names: list[object] = list(labels)
        for _ in range(_ROUNDS):
            names = [
                (own, tuple(sorted(labels[other] for other in others)))
                for own, others in zip(labels, partners, strict=True)
            ]
            order = {name: place for place, name in enumerate(sorted(set(names), key=repr))}
            labels = [order[name] for name in names]
        parts = sorted(map(repr, names))
        return f"{self.formula}: {'; '.join(parts)}"

    def distances(self) -> NDArray[np.float64]:
        """Return (m, m) distances between the atoms in Å."""
        apart = self.positions[:, None] - self.positions[None]
        found: NDArray[np.float64] = np.linalg.norm(apart, axis=2)
        return found

    def shape(self) -> NDArray[np.float64]:
        """Return all distances in Å, sorted within pairs of elements: mirror images have the same.

        It changes with the conformation, and not with the place or the order of atoms.
        """
        left, right = np.triu_indices(len(self), 1)
        low = np.minimum(self.numbers[left], self.numbers[right])
        high = np.maximum(self.numbers[left], self.numbers[right])
        values = self.distances()[left, right]
        found: NDArray[np.float64] = values[np.lexsort((values, high, low))]
        return found


def same_conformer(left: Molecule, right: Molecule, tolerance: float = SAME_DISTANCE) -> bool:
    """Tell whether two molecules have the same atoms at the same distances, or mirrored ones.

    Parameters
    ----------
    left, right
        Molecules.
    tolerance
        Largest difference of a distance in Å.
    """
    if sorted(left.numbers.tolist()) != sorted(right.numbers.tolist()):
        return False
    return bool(np.abs(left.shape() - right.shape()).max(initial=0.0) <= tolerance)


def find_molecules(crystal: Crystal, reach: float = _BOND) -> list[Molecule]:
    """Find the molecules of a crystal, each put together across the borders of the cell.

    Parameters
    ----------
    crystal
        Periodic in three directions.
    reach
        Atoms are bonded up to this many times the sum of their covalent radii.

    Raises
    ------
    PolymorphError
        If bonds go on without an end, as in a polymer, a layer or a network.
    CrystalError
        If the crystal is not periodic.
    """
    crystal.require_periodic()
    numbers = np.asarray(crystal.numbers, dtype=np.int64)
    radii = reach * covalent_radii()[numbers]
    first, second, shifts, distances = search_pairs(
        crystal.positions, crystal.cell, 2.0 * float(radii.max()), "ijSd"
    )
    bonded = (distances < radii[first] + radii[second]) & (distances > 0.0)
    edges = list(
        zip(first[bonded].tolist(), second[bonded].tolist(), shifts[bonded].tolist(), strict=True)
    )
    partners: list[list[tuple[int, NDArray[np.int64]]]] = [[] for _ in numbers]
    for one, other, shift in edges:
        partners[one].append((other, np.asarray(shift, dtype=np.int64)))
    found: list[NDArray[np.int64]] = []
    owner = np.full(len(numbers), -1, dtype=np.int64)
    cells = np.zeros((len(numbers), 3), dtype=np.int64)
    for start in range(len(numbers)):
        if owner[start] < 0:
            _gather(start, len(found), partners, owner, cells, crystal)
            found.append(np.flatnonzero(owner == len(found)))
    whole = np.asarray(crystal.positions) + cells @ np.asarray(crystal.cell)
    return [_molecule(atoms, numbers, whole, edges) for atoms in found]


def _gather(
    start: int,
    number: int,
    partners: Sequence[Sequence[tuple[int, NDArray[np.int64]]]],
    owner: NDArray[np.int64],
    cells: NDArray[np.int64],
    crystal: Crystal,
) -> None:
    """Give all atoms that bonds join with one the number of its molecule, and their cells."""
    owner[start], waiting = number, [start]
    while waiting:
        atom = waiting.pop()
        for other, shift in partners[atom]:
            place = cells[atom] + shift
            if owner[other] < 0:
                owner[other], cells[other] = number, place
                waiting.append(other)
            elif (cells[other] != place).any():
                raise PolymorphError(
                    f"{crystal.source or crystal.formula}: bonds join its atoms without an end (a "
                    "polymer, a layer or a network); only crystals of molecules are ranked"
                )


def _molecule(
    atoms: NDArray[np.int64],
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    edges: Sequence[tuple[int, int, list[int]]],
) -> Molecule:
    place = {atom: at for at, atom in enumerate(atoms.tolist())}
    bonds = {
        (min(place[one], place[other]), max(place[one], place[other]))
        for one, other, _ in edges
        if one in place
    }
    return Molecule(
        numbers=numbers[atoms],
        positions=positions[atoms],
        atoms=atoms,
        bonds=np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2),
    )
