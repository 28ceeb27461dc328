"""What is calculated of single molecules: energy, charges, and dispersion coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from madelung.polymorphs.dispersion_coefficients import DispersionCoefficients
from madelung.polymorphs.molecules import Molecule

__all__ = ["Monomer", "MonomerEngine", "equalised", "matched"]

# Å: atoms with distances to all others that differ by less are taken for equal by symmetry.
_EQUAL = 0.05


class MonomerEngine(Protocol):
    """Calculates molecules."""

    @property
    def name(self) -> str:
        """Method, basis and settings in one line: other results have another name."""

    def calculate(self, molecule: Molecule) -> Monomer:
        """Return what a molecule is worth.

        Raises
        ------
        PolymorphError
            If the calculation fails.
        """


@dataclass(frozen=True, eq=False)
class Monomer:
    """Results for one molecule of m atoms.

    Parameters
    ----------
    molecule
        What was calculated.
    energy
        In eV.
    charges
        (m,) in e, fitted to the potential around the molecule.
    potential_error
        Root mean square of what the charges miss of this potential, relative to the potential's.
    dispersion
        Coefficients of its atoms.
    """

    molecule: Molecule
    energy: float
    charges: NDArray[np.float64]
    potential_error: float
    dispersion: DispersionCoefficients

    def as_object(self) -> dict[str, Any]:
        """Return what a line of a journal holds."""
        return {
            "energy_eV": self.energy,
            "charges": self.charges.tolist(),
            "potential_error": self.potential_error,
            "moments": self.dispersion.moments.tolist(),
            "polarisabilities": self.dispersion.polarisabilities.tolist(),
        }

    @classmethod
    def from_object(cls, molecule: Molecule, content: dict[str, Any]) -> Monomer:
        """Read what :meth:`as_object` has written.

        Raises
        ------
        ValueError
            If a number is missing, not finite, or there are not as many as atoms.
        """
        arrays = {
            name: np.asarray(content.get(name), dtype=np.float64)
            for name in ("energy_eV", "charges", "potential_error", "moments", "polarisabilities")
        }
        atoms = len(molecule)
        shapes = {"charges": (atoms,), "moments": (atoms, 3), "polarisabilities": (atoms,)}
        for name, values in arrays.items():
            if values.shape != shapes.get(name, ()) or not np.isfinite(values).all():
                raise ValueError(f"{name!r} does not fit {atoms} atoms")
        return cls(
            molecule,
            float(arrays["energy_eV"]),
            arrays["charges"],
            float(arrays["potential_error"]),
            DispersionCoefficients(arrays["moments"], arrays["polarisabilities"]),
        )


def _surroundings(molecule: Molecule) -> NDArray[np.float64]:
    """(m, m) for each atom the distances to all, sorted within each element."""
    distances = molecule.distances()
    elements = sorted(set(molecule.numbers.tolist()))
    parts = [np.sort(distances[:, molecule.numbers == number], axis=1) for number in elements]
    return np.concatenate(parts, axis=1)


def equalised(molecule: Molecule, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average values of atoms that symmetry, or nearly that, makes equal; sums stay as they are.

    Atoms that are like a third one are taken for equal to each other as well: averages then are
    over whole groups, which keep their charge.

    Parameters
    ----------
    molecule
        Of m atoms.
    values
        (m, …) a row for each.
    """
    around = _surroundings(molecule)
    apart = np.abs(around[:, None] - around[None]).max(axis=2)
    same = (apart < _EQUAL) & (molecule.numbers[:, None] == molecule.numbers[None])
    groups = connected_components(same, directed=False)[1]
    same = groups[:, None] == groups[None]
    weights = same / same.sum(axis=1, keepdims=True)
    averaged: NDArray[np.float64] = np.tensordot(weights, values, 1)
    return averaged


def matched(reference: Molecule, other: Molecule) -> NDArray[np.int64]:
    """Return the atom of the reference that each atom of another such molecule is most like.

    Parameters
    ----------
    reference, other
        Molecules with the same atoms in any order, of nearly the same shape or mirrored.

    Returns
    -------
    (m,) array
    """
    apart = np.abs(_surroundings(other)[:, None] - _surroundings(reference)[None]).sum(axis=2)
    apart[other.numbers[:, None] != reference.numbers[None]] = 1e6
    found: NDArray[np.int64] = linear_sum_assignment(apart)[1].astype(np.int64)
    return found
