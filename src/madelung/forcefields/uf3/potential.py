"""The UF3 potential of Xie, Rupp and Hennig, npj Comput. Mater. 9, 162 (2023)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystal import Crystal
from madelung.elements import ELEMENT_SYMBOLS
from madelung.errors import ForceFieldError
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.neighbours import find_neighbours
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.core import arguments, interactions

__all__ = ["UF3Potential"]


class UF3Potential(ForceField):
    """Energies of species, and splines of two and of three distances (equation 1).

    Parameters
    ----------
    one_body
        Energy in eV of an atom of each species, by atomic number.
    pairs
        Two-body terms; species without one do not interact.
    triplets
        Three-body terms; may be empty.
    threads
        How many threads evaluate a structure.
    metadata
        What to keep with the potential in its file: where it comes from, as JSON can hold it.

    Raises
    ------
    ForceFieldError
        If two terms have the same species, or a species has no energy.
    """

    def __init__(
        self,
        one_body: Mapping[int, float],
        pairs: Sequence[PairFunction],
        triplets: Sequence[TripletFunction] = (),
        *,
        threads: int = 1,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.one_body = {number: float(one_body[number]) for number in sorted(one_body)}
        self.pairs = tuple(pairs)
        self.triplets = tuple(triplets)
        self.threads = threads
        self.metadata = dict(metadata or {})
        terms: list[tuple[int, ...]] = [pair.species for pair in self.pairs]
        terms += [triplet.species for triplet in self.triplets]
        if not self.pairs:
            raise ForceFieldError("a UF3 potential has at least one two-body term")
        if len(set(terms)) < len(terms):
            raise ForceFieldError("a UF3 potential has one term for each pair and each triplet")
        for number in sorted({number for species in terms for number in species}):
            if number not in self.one_body:
                raise ForceFieldError(
                    f"{ELEMENT_SYMBOLS[number]} has splines, but no energy of its own"
                )

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that it knows, ascending."""
        return tuple(self.one_body)

    @cached_property
    def cutoff(self) -> float:
        """Distance in Å beyond which atoms do not interact."""
        ends = [pair.knots[-1] for pair in self.pairs]
        ends += [knots[-1] for triplet in self.triplets for knots in triplet.knots[:2]]
        return float(max(ends))

    @cached_property
    def _interactions(self) -> Any:
        return interactions(self.species, self.pairs, self.triplets)

    def _evaluate(self, crystal: Crystal) -> Evaluation:
        neighbours = find_neighbours(crystal, self.cutoff)
        prepared = arguments(crystal, self.species, neighbours)
        energies, forces, virial = self._interactions.evaluate(*prepared, threads=self.threads)
        own: NDArray[np.float64] = np.array(list(self.one_body.values()))[prepared[-1]]
        periodic = bool(np.all(crystal.pbc))
        return Evaluation(
            energies=energies + own,
            forces=forces,
            virial=0.5 * (virial + virial.T),
            volume=crystal.volume if periodic else 0.0,
        )

    def as_object(self) -> dict[str, Any]:
        """Return what :meth:`save` writes."""
        from madelung.forcefields.uf3 import files

        return files.as_object(self)

    @classmethod
    def from_object(cls, data: Mapping[str, Any], source: str = "") -> UF3Potential:
        """Make a potential of what :meth:`as_object` returned, or of the UF3 authors' JSON."""
        from madelung.forcefields.uf3 import files

        return files.from_object(data, source)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON that holds the same numbers exactly."""
        from madelung.forcefields.uf3 import files

        files.write_json(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> UF3Potential:
        """Read this package's JSON, the UF3 authors', or LAMMPS's format."""
        from madelung.forcefields.uf3 import files

        return files.read_uf3(path)
