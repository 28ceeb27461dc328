"""Linear combinations of potentials, and the named ones: Lennard-Jones, Morse, Buckingham."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from madelung.errors import PotentialError
from madelung.sums.base import (
    Potential,
    checked_parameter,
    evaluate,
    is_tensor,
    scalar_value,
)
from madelung.sums.potentials import InversePower, London, Pauli

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Scalar = float | Tensor

__all__ = ["Buckingham", "Combination", "LennardJones", "Morse"]


class Combination:
    """A linear combination of potentials, v(r) = sum of c_m v_m(r).

    Parameters
    ----------
    terms
        Pairs (c_m, v_m) of a coefficient (a float or a PyTorch scalar) and a potential.

    Raises
    ------
    PotentialError
        If a coefficient is not finite or a term is no potential.

    Examples
    --------
    >>> 2.0 * Coulomb() - London()
    Combination(2.0*Coulomb() - 1.0*London())
    """

    def __init__(self, terms: Sequence[tuple[Scalar, Potential]]) -> None:
        self.terms = [(_checked_coefficient(factor), _checked_term(term)) for factor, term in terms]

    def __repr__(self) -> str:
        """Return the combination as a formula."""
        text = ""
        for factor, term in self.terms:
            value = scalar_value(factor)
            sign = "-" if value < 0.0 else "+"
            joint = ("-" if value < 0.0 else "") if not text else f" {sign} "
            text += f"{joint}{abs(value)!r}*{term!r}"
        return f"{type(self).__name__}({text})"

    def __call__(self, r: float | NDArray[np.float64] | Tensor) -> Any:
        """Return v(r) for one distance, an array or a tensor of distances in Å."""
        return evaluate(self.energy, r)

    def energy(self, r: Tensor) -> Tensor:
        """Return v(r) at distances r > 0 in Å."""
        total = 0.0 * r
        for factor, term in self.terms:
            total = total + factor * term.energy(r)
        return total

    def __mul__(self, factor: Scalar) -> Combination:
        """Return this combination times a number."""
        return Combination([(factor * own, term) for own, term in self.terms])

    __rmul__ = __mul__

    def __neg__(self) -> Combination:
        """Return this combination with the opposite sign."""
        return self * -1.0

    def __add__(self, other: Potential | Combination) -> Combination:
        """Return the sum of two potentials."""
        return Combination([*self.terms, *as_combination(other).terms])

    def __sub__(self, other: Potential | Combination) -> Combination:
        """Return the difference of two potentials."""
        return self + -other


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

    def __init__(self, A: Scalar, rho: Scalar, C: Scalar) -> None:
        rho = checked_parameter(rho, "rho of Buckingham")
        super().__init__([(A, Pauli(1.0 / rho)), (-C, London())])


def as_combination(potential: Potential | Combination) -> Combination:
    """Return a potential as a combination of one term.

    Raises
    ------
    PotentialError
        If the object is no potential.
    """
    if isinstance(potential, Combination):
        return potential
    return Combination([(1.0, potential)])


def _exponential(value: Scalar) -> Scalar:
    return value.exp() if is_tensor(value) else math.exp(value)


def _checked_coefficient(value: Any) -> Scalar:
    if is_tensor(value):
        if value.numel() != 1:
            raise PotentialError(f"a coefficient must be one number, not {value.numel()}")
        value = value.double().reshape(())
    else:
        try:
            value = float(value)
        except (TypeError, ValueError) as problem:
            raise PotentialError(f"a coefficient must be a number, not {value!r}") from problem
    if not math.isfinite(scalar_value(value)):
        raise PotentialError(f"a coefficient must be finite, not {scalar_value(value)}")
    return value


def _checked_term(value: Any) -> Potential:
    if not isinstance(value, Potential):
        raise PotentialError(
            f"{value!r} is not a potential; give Coulomb(), London(), InversePower(n), "
            "Pauli(alpha), Yukawa(alpha), Gaussian(rate), or a combination of them"
        )
    return value
