"""Dispersion coefficients of the atoms of a molecule from its density: exchange-hole dipoles.

A. D. Becke and E. R. Johnson, J. Chem. Phys. 127, 154108 (2007): an electron and its exchange hole
are a dipole, whose moments, shared among the atoms, give C6, C8 and C10 of each pair. The hole is
that of A. D. Becke and M. R. Roussel, Phys. Rev. A 39, 3761 (1989). Equations 3 to 5 of
docs/theory/polymorphs.md; atomic units throughout, as the papers have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.units import BOHR, HARTREE

__all__ = ["FREE_POLARISABILITIES", "DispersionCoefficients", "hole_distances"]

FREE_POLARISABILITIES = {
    1: 0.6668, 5: 3.03, 6: 1.76, 7: 1.10, 8: 0.802, 9: 0.557, 14: 5.38, 15: 3.63, 16: 2.90,
    17: 2.18, 35: 3.05, 53: 5.35,
}  # fmt: skip
"""Polarisabilities of free atoms in Å³, by atomic number (CRC Handbook, 2018)."""
_BISECTIONS = 60
_SMALLEST_CURVATURE = 1e-14
# Beyond this the hole's reduced distance is no longer told from it by a density that is positive.
_LARGEST = 100.0


@dataclass(frozen=True, eq=False)
class DispersionCoefficients:
    """What the dispersion between m atoms follows from, in atomic units.

    Parameters
    ----------
    moments
        (m, 3) mean squares of the dipole, quadrupole and octopole moments of electron and hole.
    polarisabilities
        (m,) of the atoms in the molecule.
    """

    moments: NDArray[np.float64]
    polarisabilities: NDArray[np.float64]

    def pairs(
        self, other: DispersionCoefficients
    ) -> tuple[dict[int, NDArray[np.float64]], NDArray[np.float64]]:
        """Return C6, C8 and C10 of all pairs, and their critical distances.

        Returns
        -------
        coefficients : dict of (m, k) arrays
            By the power, in eV Å^power.
        critical : (m, k) array
            Mean of √(C8/C6), √(C10/C8) and ⁴√(C10/C6), in Å.
        """
        one, two, three = (self.moments[:, at, None] for at in range(3))
        first, second, third = (other.moments[None, :, at] for at in range(3))
        left, right = self.polarisabilities[:, None], other.polarisabilities[None]
        scale = left * right / (one * right + first * left)
        coefficients = {
            6: scale * one * first,
            8: scale * 1.5 * (one * second + two * first),
            10: scale * (2.0 * (one * third + three * first) + 4.2 * two * second),
        }
        critical = (
            np.sqrt(coefficients[8] / coefficients[6])
            + np.sqrt(coefficients[10] / coefficients[8])
            + (coefficients[10] / coefficients[6]) ** 0.25
        ) / 3.0
        units = {power: value * HARTREE * BOHR**power for power, value in coefficients.items()}
        return units, critical * BOHR

    def __getitem__(self, atoms: NDArray[np.int64]) -> DispersionCoefficients:
        """Return those of some atoms, in any order."""
        return DispersionCoefficients(self.moments[atoms], self.polarisabilities[atoms])


def hole_distances(
    density: NDArray[np.float64],
    gradient_square: NDArray[np.float64],
    laplacian: NDArray[np.float64],
    kinetic: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the distance b of the exchange hole's centre from its electron, at some points.

    Parameters
    ----------
    density
        (p,) of the electrons of one spin, positive.
    gradient_square, laplacian
        (p,) of this density.
    kinetic
        (p,) Σ|∇ψ|² over the orbitals of this spin, without a factor of a half.

    Notes
    -----
    x exp(-2x/3)/(x - 2) = (2/3) π^(2/3) ρ^(5/3)/Q with Q = (∇²ρ - 2D)/6 and
    D = Σ|∇ψ|² - |∇ρ|²/(4ρ); b³ = x³ exp(-x)/(8πρ). The left side falls from infinity to zero
    above 2, and from zero to minus infinity below: one root for each value.
    """
    excess = kinetic - gradient_square / (4.0 * density)
    curvature = (laplacian - 2.0 * excess) / 6.0
    tiny = np.abs(curvature) < _SMALLEST_CURVATURE
    curvature = np.where(tiny, _SMALLEST_CURVATURE, curvature)
    wanted = 2.0 / 3.0 * np.pi ** (2.0 / 3.0) * density ** (5.0 / 3.0) / curvature
    low = np.where(wanted > 0.0, 2.0, 0.0)
    high = np.where(wanted > 0.0, _LARGEST, 2.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            value = middle * np.exp(-2.0 * middle / 3.0) / (middle - 2.0)
        above = value > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    root = 0.5 * (low + high)
    found: NDArray[np.float64] = root * np.cbrt(np.exp(-root) / (8.0 * np.pi * density))
    return found
