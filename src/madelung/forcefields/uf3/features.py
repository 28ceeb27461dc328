"""Features of structures: derivatives of energy, forces and virial by the coefficients.

A UF3 potential is linear in its coefficients, so that these rows times a vector of coefficients are
the energy, the forces and the virial themselves (equations 9 to 11 of docs/theory/uf3.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.uf3.basis import UF3Basis
from madelung.forcefields.uf3.core import arguments, interactions

__all__ = ["Features", "Featurizer"]


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of features of a structure of n atoms, for P coefficients.

    Parameters
    ----------
    energy
        (P,)
    forces
        (3n, P), or (0, P) where they were not asked for.
    virial
        (6, P): xx, yy, zz, yz, xz, xy; or (0, P).
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]


class Featurizer:
    """Makes the features of structures in a basis.

    Parameters
    ----------
    basis
        Terms and their free coefficients.
    """

    def __init__(self, basis: UF3Basis) -> None:
        self.basis = basis
        zeros = np.zeros(basis.size)
        columns: dict[tuple[int, ...], NDArray[np.int64]] = {}
        columns.update(basis.pair_columns.items())
        columns.update(basis.triplet_columns.items())
        self._interactions = interactions(
            basis.species, basis.pairs(zeros), basis.triplets(zeros), columns, basis.size
        )

    def __call__(self, crystal: Crystal, *, forces: bool = True, virial: bool = False) -> Features:
        """Return the features of a structure.

        Raises
        ------
        ForceFieldError
            If it has an element that the basis does not have.
        """
        species = self.basis.species
        unknown = sorted(set(crystal.species) - set(species))
        if unknown:
            names = ", ".join(ELEMENT_SYMBOLS[number] for number in unknown)
            raise ForceFieldError(
                f"{crystal.source or crystal.formula}: the fit has no {names}; name it among the "
                "elements"
            )
        prepared = arguments(crystal, species, find_neighbours(crystal, self.basis.cutoff))
        energy, by_force, by_virial = self._interactions.features(
            *prepared, forces=forces, virial=virial
        )
        energy[: len(species)] = np.bincount(prepared[-1], minlength=len(species))
        return Features(energy, by_force, by_virial)
