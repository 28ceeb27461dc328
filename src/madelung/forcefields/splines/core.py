"""Spline potentials in the compiled core: equations 1 and 2 of docs/theory/spline-potentials.md."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.finite_numbers import require_finite_numbers
from madelung.common.native import spline_core
from madelung.common.text import bounded_text
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.splines.cubic import Table

__all__ = [
    "NeighbourArrays",
    "SplineForceField",
    "compile_model",
    "neighbour_arrays",
    "pair_index",
]


def pair_index(first: int, second: int, types: int) -> int:
    """Return the place of an unordered pair of types in the order 11, 12, …, 1T, 22, 23, …."""
    a, b = min(first, second), max(first, second)
    return a * types - a * (a - 1) // 2 + b - a


def symmetric_map(types: int, first: int = 0) -> list[int]:
    """Return the number of the function of each ordered pair of types."""
    return [first + pair_index(a, b, types) for a in range(types) for b in range(types)]


@dataclass(frozen=True, eq=False)
class NeighbourArrays:
    """One or several structures with their near neighbours, as the compiled core takes them.

    Parameters
    ----------
    types, structures
        (n,) the type of each atom, and the number of its structure.
    starts, indices, vectors, distances
        As in :class:`madelung.crystals.neighbours.Neighbours`, structures one behind the other.
    """

    types: NDArray[np.int32]
    starts: NDArray[np.int64]
    indices: NDArray[np.int64]
    vectors: NDArray[np.float64]
    distances: NDArray[np.float64]
    structures: NDArray[np.int64]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the functions of the core take after the model."""
        return (
            self.types,
            self.starts,
            self.indices,
            self.vectors,
            self.distances,
            self.structures,
        )


def neighbour_arrays(
    crystals: Sequence[Crystal], numbers: Sequence[int], cutoff: float
) -> NeighbourArrays:
    """Find the neighbours of structures and put them one behind the other.

    Parameters
    ----------
    crystals
        Structures of known species only.
    numbers
        Atomic numbers in the order of the types.
    cutoff
        Distance in Å.
    """
    type_of = np.full(len(ELEMENT_SYMBOLS), -1, dtype=np.int32)
    type_of[np.asarray(numbers)] = np.arange(len(numbers), dtype=np.int32)
    found = [find_neighbours(crystal, cutoff) for crystal in crystals]
    sizes = np.array([len(crystal) for crystal in crystals])
    atoms = np.concatenate([[0], np.cumsum(sizes)])
    pairs = np.concatenate([[0], np.cumsum([len(one.indices) for one in found])])
    starts = [one.starts[:-1] + before for one, before in zip(found, pairs, strict=False)]
    indices = [one.indices + before for one, before in zip(found, atoms, strict=False)]
    return NeighbourArrays(
        types=type_of[np.concatenate([crystal.numbers for crystal in crystals])],
        starts=np.concatenate([*starts, pairs[-1:]]),
        indices=np.concatenate(indices),
        vectors=np.concatenate([one.vectors for one in found]),
        distances=np.concatenate([one.distances for one in found]),
        structures=np.repeat(np.arange(len(crystals)), sizes),
    )


def compile_model(
    cutoff: float,
    tables: Iterable[Table],
    *,
    pair: list[int],
    density: list[int],
    embedding: list[int],
    bond: list[int] | None = None,
    angle: list[int] | None = None,
) -> Any:
    """Hand tables to the core, and say which of them serves which types.

    Parameters
    ----------
    cutoff
        Distance in Å from which on atoms do not interact.
    tables
        Functions, numbered from zero; bond and angle functions come last.
    pair, density, angle
        (T²) numbers of functions of ordered pairs of types; of a pair the central atom is first,
        for an angle both are neighbours.
    embedding, bond
        (T) numbers of functions; −1 for a type without bond function.
    """
    types = len(embedding)
    model = spline_core().Model(types, cutoff)
    for table in tables:
        model.add(table.origin, table.spacing, table.coefficients, table.limit, table.over_distance)
    model.assign(pair, density, embedding, bond or [-1] * types, angle or [-1] * types**2)
    return model


@dataclass(frozen=True, eq=False)
class SplineForceField(ForceField):
    """A force field that the compiled core of spline potentials evaluates.

    Parameters
    ----------
    numbers
        Atomic numbers in the order of the functions.
    threads
        Threads that evaluate one structure.
    """

    numbers: tuple[int, ...]
    threads: int = field(default=1, kw_only=True)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read the JSON that ``save`` wrote.

        Raises
        ------
        ForceFieldError
            If the file is not such a potential.
        """
        try:
            content = json.loads(bounded_text(Path(path)))
        except (OSError, ValueError) as problem:
            raise ForceFieldError(f"{path}: cannot be read ({problem})") from None
        require_finite_numbers(content, str(path), ForceFieldError, notes=("metadata",))
        return cls.from_object(content, str(path))

    @classmethod
    @abstractmethod
    def from_object(cls, content: Mapping[str, Any], source: str) -> Self:
        """Return the potential that a JSON object describes; source says where it came from."""

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that it knows, ascending."""
        return tuple(sorted(self.numbers))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element symbols in the order of the functions."""
        return tuple(ELEMENT_SYMBOLS[number] for number in self.numbers)

    @property
    @abstractmethod
    def cutoff(self) -> float:
        """Distance in Å beyond which atoms do not interact."""

    @cached_property
    @abstractmethod
    def model(self) -> Any:
        """The tables in the core."""

    def _evaluate(self, crystal: Crystal) -> Evaluation:
        system = neighbour_arrays([crystal], self.numbers, self.cutoff)
        energies, _, forces, virials = spline_core().evaluate(
            self.model, *system.arguments, self.threads
        )
        volume = crystal.volume if crystal.pbc.all() else 0.0
        return Evaluation(energies, forces, (virials[0] + virials[0].T) / 2, float(volume))

    def densities(self, structure: Any) -> NDArray[np.float64]:
        """Return the density nᵢ of each atom, (n,), the argument of its embedding function."""
        from madelung.crystals.reading.arguments import as_crystals

        (crystal,), _ = as_crystals(structure)
        self._require_known(crystal)
        system = neighbour_arrays([crystal], self.numbers, self.cutoff)
        densities: NDArray[np.float64] = spline_core().evaluate(self.model, *system.arguments)[1]
        return densities
