"""Interaction of the molecules of a crystal: complete sums of charges and damped dispersion.

Equations 1 and 2 of docs/theory/polymorphs.md. Nothing within a molecule is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PolymorphError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs
from madelung.polymorphs.dispersion_coefficients import DispersionCoefficients
from madelung.polymorphs.molecules import Molecule
from madelung.sums.complete import complete_sums
from madelung.sums.inverse_powers import Coulomb, InversePower

__all__ = ["DAMPING", "CertifiedEnergy", "dispersion_energy", "electrostatic_energy"]

DAMPING = (0.4073, 2.4150)
"""Becke and Johnson's a1, and a2 in Å, for B86bPBE (A. Otero-de-la-Roza and E. R. Johnson)."""
_NEAR = 18.0
_NEUTRAL = 1e-6
# What float64 can hold of sums whose largest terms are those within molecules.
_SMALLEST_TOLERANCE = 2e-12


@dataclass(frozen=True)
class CertifiedEnergy:
    """An energy of a cell in eV, and a bound on the error of its sums."""

    value: float
    certificate: float


def _within(molecules: Sequence[Molecule]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(P, 2) pairs of atoms of one molecule, each once, and their distances."""
    pairs, distances = [np.empty((0, 2), dtype=np.int64)], [np.empty(0)]
    for molecule in molecules:
        left, right = np.triu_indices(len(molecule), 1)
        pairs.append(np.column_stack([molecule.atoms[left], molecule.atoms[right]]))
        distances.append(molecule.distances()[left, right])
    return np.concatenate(pairs), np.concatenate(distances)


def electrostatic_energy(
    crystal: Crystal, molecules: Sequence[Molecule], charges: NDArray[np.float64],
    *, tolerance: float = 1e-7,
) -> CertifiedEnergy:  # fmt: skip
    """Return the Coulomb energy between the molecules of a cell, with a tin-foil boundary.

    Parameters
    ----------
    crystal, molecules
        A crystal of n atoms and what it consists of.
    charges
        (n,) in e, of the crystal's atoms.
    tolerance
        Error that is allowed of each sum of 1/r, in 1/Å.

    Raises
    ------
    PolymorphError
        If a molecule has a charge: its energy would be that with a background.
    """
    for molecule in molecules:
        own = float(charges[molecule.atoms].sum())
        if abs(own) > _NEUTRAL:
            raise PolymorphError(
                f"{crystal.source or crystal.formula}: a molecule {molecule.formula} has the "
                f"charge {own:.2g} e; molecules have to be neutral"
            )
    sums = complete_sums(crystal, Coulomb(), tolerance=tolerance)
    pairs, distances = _within(molecules)
    within = (charges[pairs[:, 0]] * charges[pairs[:, 1]] / distances).sum()
    total = 0.5 * charges @ sums.values[0] @ charges - within
    bound = 0.5 * float(np.abs(charges).sum()) ** 2 * float(sums.certificate[0])
    return CertifiedEnergy(COULOMB_CONSTANT * float(total), COULOMB_CONSTANT * bound)


def dispersion_energy(
    crystal: Crystal,
    molecules: Sequence[Molecule],
    coefficients: DispersionCoefficients,
    *,
    damping: tuple[float, float] = DAMPING,
    tolerance: float = 1e-7,
) -> CertifiedEnergy:
    """Return the complete sum of -C_n/(r^n + d^n), n = 6, 8, 10, between the molecules of a cell.

    Parameters
    ----------
    crystal, molecules
        A crystal of n atoms and what it consists of.
    coefficients
        Of the crystal's n atoms.
    damping
        a1, and a2 in Å: d is a1 times the critical distance of a pair, plus a2.
    tolerance
        Error in eV that is allowed of the sums of each power.

    Notes
    -----
    Damping is of short reach: up to 18 Å it is added up, and beyond what the complete sum of r^-n
    leaves is taken as it is, of which damping would take less than the part (d/18 Å)^n.
    """
    powers, critical = coefficients.pairs(coefficients)
    damped = damping[0] * critical + damping[1]
    first, second, distances = search_pairs(crystal.positions, crystal.cell, _NEAR, "ijd")
    apart = distances > 0.0
    first, second, distances = first[apart], second[apart], distances[apart]
    pairs, inner = _within(molecules)
    total, bound = 0.0, 0.0
    for power, strength in powers.items():
        scale, own = damped**power, distances**power
        asked = max(2.0 * tolerance / float(strength.sum()), _SMALLEST_TOLERANCE)
        sums = complete_sums(crystal, InversePower(float(power)), tolerance=asked)
        beyond = sums.values[0].copy()
        np.subtract.at(beyond, (first, second), 1.0 / own)
        near = strength[first, second] / (own + scale[first, second])
        within = strength[pairs[:, 0], pairs[:, 1]]
        within = within / (inner**power + scale[pairs[:, 0], pairs[:, 1]])
        total -= 0.5 * float((strength * beyond).sum() + near.sum()) - float(within.sum())
        errors = sums.certificate[0] + scale / _NEAR**power * np.abs(beyond)
        bound += 0.5 * float((strength * errors).sum())
    return CertifiedEnergy(total, bound)
