"""Linear combinations of potentials, and the named ones: Lennard-Jones, Morse, Buckingham."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from madelung.common.arrays import is_tensor
from madelung.sums.base import Combination, Naming, checked_parameter
from madelung.sums.exponentials import Pauli
from madelung.sums.inverse_powers import InversePower, London

if TYPE_CHECKING:
    from torch import Tensor

    Scalar = float | Tensor

__all__ = ["Buckingham", "LennardJones", "Morse"]


class LennardJones(Combination):
    """Lennard-Jones's potential, v(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6).

    Parameters
    ----------
    epsilon
        Depth of the well in eV.
    sigma
        Distance in Å at which the potential is zero.

    Raises
    ------
    PotentialError
        If a parameter is not finite, or sigma is not positive.
    """

    naming = Naming(
        "lennard-jones",
        "4 EPSILON ((SIGMA/r)^12 - (SIGMA/r)^6)",
        ("epsilon", "sigma"),
        label="Lennard-Jones",
        unit="eV",
        typical=(0.01, 2.4),
    )

    def __init__(self, epsilon: Scalar, sigma: Scalar) -> None:
        sigma = checked_parameter(sigma, "sigma of LennardJones")
        super().__init__(
            [(4.0 * epsilon * sigma**12, InversePower(12.0)), (-4.0 * epsilon * sigma**6, London())]
        )


class Morse(Combination):
    """Morse's potential, v(r) = D (exp(-2 alpha (r - r0)) - 2 exp(-alpha (r - r0))).

    Parameters
    ----------
    depth
        Depth D of the well in eV.
    alpha
        Decay constant in Å^-1, positive.
    r0
        Distance of the minimum in Å.

    Raises
    ------
    PotentialError
        If a parameter is not finite, or alpha is not positive.
    """

    naming = Naming(
        "morse",
        "DEPTH (exp(-2 ALPHA (r - R0)) - 2 exp(-ALPHA (r - R0)))",
        ("depth", "alpha", "r0"),
        unit="eV",
        typical=(0.4, 1.3, 2.5),
    )

    def __init__(self, depth: Scalar, alpha: Scalar, r0: Scalar) -> None:
        alpha = checked_parameter(alpha, "alpha of Morse")
        rise = _exponential(alpha * r0)
        super().__init__(
            [(depth * rise * rise, Pauli(2.0 * alpha)), (-2.0 * depth * rise, Pauli(alpha))]
        )


class Buckingham(Combination):
    """Buckingham's potential, v(r) = A exp(-r/rho) - C/r^6.

    Parameters
    ----------
    A
        Strength of the repulsion in eV.
    rho
        Its range in Å, positive.
    C
        Strength of the dispersion in eV Å^6.

    Raises
    ------
    PotentialError
        If a parameter is not finite, or rho is not positive.
    """

    naming = Naming(
        "buckingham",
        "STRENGTH exp(-r/RANGE) - C6/r^6",
        ("strength", "range", "C6"),
        unit="eV",
        typical=(1000.0, 0.3, 30.0),
    )

    def __init__(self, A: Scalar, rho: Scalar, C: Scalar) -> None:
        rho = checked_parameter(rho, "rho of Buckingham")
        super().__init__([(A, Pauli(1.0 / rho)), (-C, London())])


def _exponential(value: Scalar) -> Scalar:
    return value.exp() if is_tensor(value) else math.exp(value)
