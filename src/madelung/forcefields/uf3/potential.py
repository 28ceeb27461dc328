"""The UF3 potential of Xie, Rupp and Hennig, npj Comput. Mater. 9, 162 (2023)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.core import arguments, interactions
from madelung.forcefields.uf3.files import FORMAT, VERSION, read_terms, terms_from_object
from madelung.forcefields.uf3.terms import UF3Terms

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
        for number, energy in self.one_body.items():
            if not math.isfinite(energy):
                raise ForceFieldError(f"the energy of {ELEMENT_SYMBOLS[number]} is {energy}")
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
        return {
            "format": FORMAT,
            "version": VERSION,
            "units": {"energy": "eV", "length": "angstrom"},
            "metadata": dict(self.metadata),
            "one_body": {ELEMENT_SYMBOLS[z]: energy for z, energy in self.one_body.items()},
            "pairs": [
                {
                    "species": pair.name.split("-"),
                    "knots": pair.knots.tolist(),
                    "coefficients": pair.coefficients.tolist(),
                }
                for pair in self.pairs
            ],
            "triplets": [
                {
                    "species": triplet.name.split("-"),
                    "knots": [knots.tolist() for knots in triplet.knots],
                    "coefficients": triplet.coefficients.tolist(),
                }
                for triplet in self.triplets
            ],
        }

    @classmethod
    def from_object(cls, data: Mapping[str, Any], source: str = "") -> UF3Potential:
        """Make a potential of what :meth:`as_object` returned, or of the UF3 authors' JSON."""
        return cls._of(terms_from_object(data, source))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON that holds the same numbers exactly."""
        with whole_file(path) as temporary:
            temporary.write_text(json_text(self.as_object()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> UF3Potential:
        """Read this package's JSON, the UF3 authors', or LAMMPS's format.

        Raises
        ------
        ForceFieldError
            If the file is missing, damaged, or of no known format.
        """
        return cls._of(read_terms(path))

    @classmethod
    def _of(cls, terms: UF3Terms) -> UF3Potential:
        return cls(terms.one_body, terms.pairs, terms.triplets, metadata=terms.metadata)
