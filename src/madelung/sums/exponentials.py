"""Exponentials, exp(-alpha r), and Yukawa's potential, exp(-alpha r)/r."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from madelung.sums.base import (
    CLOSED_FORM_ERROR,
    EXPONENTIAL_ERROR,
    Naming,
    Potential,
    checked_parameter,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[np.float64]
    Scalar = float | Tensor

__all__ = ["BornMayer", "Pauli", "Yukawa"]

# exp(alpha r) is only met multiplied by erfc(s + h), which is zero long before this exponent.
_LARGEST_GROWTH = 400.0


class _Exponential(Potential):
    """What exp(-alpha r) and exp(-alpha r)/r share.

    Both are summed directly where that is cheaper. Split, they are mixtures of Gaussians of rates
    above t, with P = exp(alpha r) erfc(s + h), M = exp(-alpha r) erfc(s - h), s = r sqrt(t) and
    h = alpha/(2 sqrt(t)).
    """

    direct_shape = "exponential"

    def __init__(self, alpha: Scalar) -> None:
        super().__init__(checked_parameter(alpha, f"alpha of {type(self).__name__}"))

    @property
    def alpha(self) -> Scalar:
        """The decay constant in Å^-1."""
        assert self.parameter is not None
        return self.parameter

    def _growing_and_falling(self, r: Tensor, splitting: Tensor) -> tuple[Tensor, Tensor]:
        root = splitting**0.5
        shift = self.alpha / (2.0 * root)
        phase = self.alpha * r
        growing = phase.clamp(max=_LARGEST_GROWTH).exp() * (root * r + shift).erfc()
        return growing, (-phase).exp() * (root * r - shift).erfc()

    def _pole(self, k2: Scalar) -> Scalar:
        return math.pi**2 * k2 + 0.25 * self.alpha**2

    def _direct_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        phase = self.number * r
        if direct:
            return CLOSED_FORM_ERROR + EXPONENTIAL_ERROR * phase
        return CLOSED_FORM_ERROR + EXPONENTIAL_ERROR * (phase + splitting * r**2)


class Yukawa(_Exponential):
    """Yukawa's screened potential, v(r) = exp(-alpha r)/r.

    Parameters
    ----------
    alpha
        Decay constant in Å^-1, positive; a float or a PyTorch scalar.

    Raises
    ------
    PotentialError
        If alpha is not positive and finite.

    Notes
    -----
    G. Salin and J.-M. Caillol, J. Chem. Phys. 113, 10459 (2000).
    """

    naming = Naming(
        "yukawa", "exp(-ALPHA r)/r", ("alpha",), label="exp(-{0:g} r)/r", unit="1/Å", typical=(1.2,)
    )
    kernel = 3

    def energy(self, r: Tensor) -> Tensor:
        """Return exp(-alpha r)/r."""
        return (-self.alpha * r).exp() / r

    def value_and_slope(self, r: Array) -> tuple[Array, Array]:
        """Return exp(-alpha r)/r and -(alpha + 1/r) exp(-alpha r)/r."""
        import numpy as np

        value = np.exp(-self.number * r) / r
        return value, -(self.number + 1.0 / r) * value

    def real(self, r2: Tensor, splitting: Tensor) -> Tensor:
        """Return (P + M)/(2 r)."""
        r = r2**0.5
        growing, falling = self._growing_and_falling(r, splitting)
        return 0.5 * (growing + falling) / r

    def reciprocal(self, k2: Tensor, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return pi exp(-b/t)/(V b) with b = pi² k² + alpha²/4."""
        pole = self._pole(k2)
        return math.pi * (-pole / splitting).exp() / (volume * pole)

    def background(self, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return w(0)."""
        pole = self._pole(0.0)
        return math.pi * (-pole / splitting).exp() / (volume * pole)

    def self_term(self, splitting: Tensor) -> Tensor:
        """Return 2 sqrt(t/pi) exp(-h²) - alpha erfc(h)."""
        root = splitting**0.5
        shift = self.alpha / (2.0 * root)
        return 2.0 / math.sqrt(math.pi) * root * (-(shift**2)).exp() - self.alpha * shift.erfc()

    def log_derivative(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return alpha + 1/r, and for f 3/r + 2 t r + alpha."""
        if direct:
            return self.number + 1.0 / r
        return 3.0 / r + 2.0 * splitting * r + self.number

    def relative_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return the errors of the exponentials."""
        return self._direct_error(r, splitting, direct)


class Pauli(_Exponential):
    """Born and Mayer's repulsion, v(r) = exp(-alpha r).

    Parameters
    ----------
    alpha
        Decay constant in Å^-1, positive; a float or a PyTorch scalar.

    Raises
    ------
    PotentialError
        If alpha is not positive and finite.

    Notes
    -----
    Minus the derivative of Yukawa's potential with respect to alpha, and so are all its terms.
    """

    naming = Naming(
        "pauli",
        "exp(-ALPHA r)",
        ("alpha",),
        label="exp(-{0:g} r)",
        defaults=(3.0,),
        typical=(1.5,),
        aliases=("born-mayer",),
    )
    kernel = 2

    def __init__(self, alpha: Scalar = 3.0) -> None:
        super().__init__(alpha)

    def energy(self, r: Tensor) -> Tensor:
        """Return exp(-alpha r)."""
        return (-self.alpha * r).exp()

    def value_and_slope(self, r: Array) -> tuple[Array, Array]:
        """Return exp(-alpha r) and -alpha exp(-alpha r)."""
        import numpy as np

        value = np.exp(-self.number * r)
        return value, -self.number * value

    def real(self, r2: Tensor, splitting: Tensor) -> Tensor:
        """Return (M - P)/2."""
        growing, falling = self._growing_and_falling(r2**0.5, splitting)
        return 0.5 * (falling - growing)

    def reciprocal(self, k2: Tensor, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return alpha pi exp(-b/t) (1/(t b) + 1/b²)/(2 V) with b = pi² k² + alpha²/4."""
        return self._weight(self._pole(k2), splitting, volume)

    def background(self, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return w(0)."""
        return self._weight(self._pole(0.0), splitting, volume)

    def _weight(self, pole: Scalar, splitting: Tensor, volume: Tensor) -> Tensor:
        decay = (-pole / splitting).exp()
        bracket = (1.0 / splitting + 1.0 / pole) / pole
        return 0.5 * math.pi * self.alpha * decay * bracket / volume

    def self_term(self, splitting: Tensor) -> Tensor:
        """Return erfc(h)."""
        return (self.alpha / (2.0 * splitting**0.5)).erfc()

    def log_derivative(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return alpha, and for f 3/r + 2 t r + alpha."""
        if direct:
            return self.number + 0.0 * r
        return 3.0 / r + 2.0 * splitting * r + self.number

    def relative_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return the errors of the exponentials; M - P cancels where h is small."""
        plain = self._direct_error(r, splitting, direct)
        if direct:
            return plain
        root = splitting**0.5
        return plain * (1.0 + 2.0 * root * (1.0 + root * r) / self.number)


BornMayer = Pauli
