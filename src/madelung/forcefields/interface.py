"""What a force field is: atoms in; energy, energies of atoms, forces and stress out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.reading.arguments import as_crystals

__all__ = ["Evaluation", "ForceField"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a force field says of a structure of n atoms.

    Parameters
    ----------
    energies
        (n,) each atom's part of the energy, in eV.
    forces
        (n, 3) in eV/Å.
    virial
        (3, 3) derivative of the energy with respect to a homogeneous strain, in eV; symmetric.
    volume
        Volume of the cell in Å³; zero where the structure is not periodic in three directions.
    """

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    volume: float

    @property
    def energy(self) -> float:
        """Energy in eV."""
        return float(self.energies.sum())

    @property
    def stress(self) -> NDArray[np.float64]:
        """Stress (3, 3) in eV/Å³, positive under tension.

        Raises
        ------
        ForceFieldError
            If the structure is not periodic in three directions.
        """
        if self.volume == 0.0:
            raise ForceFieldError(
                "a structure that is not periodic in three directions has no stress; its virial "
                "is defined"
            )
        stress: NDArray[np.float64] = self.virial / self.volume
        return stress


class ForceField(ABC):
    """A function of atoms that has forces and a virial.

    Implementations give :attr:`species`, :attr:`cutoff` and :meth:`_evaluate`.
    :func:`madelung.validate_force_field` says whether one is sound.
    """

    @property
    @abstractmethod
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that it knows, ascending."""

    @property
    @abstractmethod
    def cutoff(self) -> float | None:
        """Distance in Å beyond which atoms do not interact; None where all of them do."""

    @abstractmethod
    def _evaluate(self, crystal: Crystal) -> Evaluation:
        """Evaluate one structure, whose species are known."""

    def evaluate(self, structure: Any) -> Evaluation:
        """Return energy, forces and virial of one structure.

        Parameters
        ----------
        structure
            A crystal, slab or molecule: whatever :func:`madelung.as_crystals` takes.

        Raises
        ------
        ForceFieldError
            If an element is not known, or what comes out is not finite.
        CrystalError
            If the structure cannot be used.
        """
        crystals, single = as_crystals(structure)
        if not single:
            raise ForceFieldError("one structure is evaluated at a time; see evaluate_all")
        (crystal,) = crystals
        self._require_known(crystal)
        evaluation = self._evaluate(crystal)
        if not (np.isfinite(evaluation.energies).all() and np.isfinite(evaluation.forces).all()):
            raise ForceFieldError(
                f"{crystal.source or crystal.formula}: energy or forces are not finite; do atoms "
                "coincide?"
            )
        return evaluation

    def evaluate_all(self, structures: Iterable[Any]) -> Iterator[Evaluation]:
        """Evaluate structures one after another."""
        return (self.evaluate(structure) for structure in structures)

    def _require_known(self, crystal: Crystal) -> None:
        unknown = sorted(set(crystal.species) - set(self.species))
        if unknown:
            names = ", ".join(ELEMENT_SYMBOLS[number] for number in unknown)
            known = ", ".join(ELEMENT_SYMBOLS[number] for number in self.species)
            raise ForceFieldError(
                f"{crystal.source or crystal.formula}: the force field does not know {names}; it "
                f"was made for {known}"
            )
