"""The Gaussian, exp(-g r²)."""

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

__all__ = ["Gaussian"]


class Gaussian(Potential):
    """Gaussian, v(r) = exp(-g r²).

    Parameters
    ----------
    rate
        g in Å^-2, positive; a float or a PyTorch scalar.

    Raises
    ------
    PotentialError
        If the rate is not positive and finite.

    Notes
    -----
    A Gaussian is summed in one space only: in real space if g >= t, and otherwise, by Poisson's
    sum, in reciprocal space.
    """

    naming = Naming("gaussian", "exp(-RATE r²)", ("rate",), label="exp(-{0:g} r²)", typical=(0.4,))
    kernel = 4
    direct_shape = "gaussian"
    has_real_part = False

    def __init__(self, rate: Scalar) -> None:
        super().__init__(checked_parameter(rate, "the rate of a Gaussian"))

    @property
    def rate(self) -> Scalar:
        """The rate g in Å^-2."""
        assert self.parameter is not None
        return self.parameter

    def energy(self, r: Tensor) -> Tensor:
        """Return exp(-g r²)."""
        return (-self.rate * r**2).exp()

    def value_and_slope(self, r: Array) -> tuple[Array, Array]:
        """Return exp(-g r²) and -2 g r exp(-g r²)."""
        import numpy as np

        value = np.exp(-self.number * r**2)
        return value, -2.0 * self.number * r * value

    def real(self, r2: Tensor, splitting: Tensor) -> Tensor:
        """Return zero: what is not summed directly is summed in reciprocal space."""
        return 0.0 * r2 * self.rate

    def reciprocal(self, k2: Tensor, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return (pi/g)^(3/2) exp(-pi² k²/g)/V."""
        return (math.pi / self.rate) ** 1.5 * (-(math.pi**2) * k2 / self.rate).exp() / volume

    def background(self, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return w(0)."""
        return (math.pi / self.rate) ** 1.5 / volume

    def self_term(self, splitting: Tensor) -> Tensor:
        """Return one, the whole of v(0)."""
        return 1.0 + 0.0 * splitting

    def reciprocal_rate(self, splitting: Tensor) -> Tensor:
        """Return pi²/g."""
        return math.pi**2 / self.number + 0.0 * splitting

    def log_derivative(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return 2 g r."""
        return 2.0 * self.number * r

    def relative_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return a + b g r²."""
        return CLOSED_FORM_ERROR + EXPONENTIAL_ERROR * self.number * r**2
