"""Inverse powers of the distance: any exponent, Coulomb's and London's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from madelung.common.arrays import is_tensor
from madelung.common.errors import PotentialError
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

__all__ = ["Coulomb", "InversePower", "London"]

# Beyond this exponent the terms of a tiny cell leave the range of float64.
_LARGEST_EXPONENT = 64.0
# Error of a closed form's alternative, a quadrature, in machine epsilons.
_QUADRATURE_ERROR = 40.0


class InversePower(Potential):
    """Inverse power, v(r) = r^-n; for n < 3 the sum is the analytic continuation in n.

    Parameters
    ----------
    exponent
        n > 0, up to 64, not 3; a float or a PyTorch scalar.

    Raises
    ------
    PotentialError
        If the exponent is 3 (the sum has a pole there), not positive, too large, or no number.

    Notes
    -----
    With p = n/2 and E(c, x) of :mod:`madelung.sums.special`, f = t^p E(p, t r²)/Gamma(p) and
    w = pi^(3/2) t^(p - 3/2) E(3/2 - p, pi² k²/t)/(V Gamma(p)): R. E. Crandall, "Unified algorithms
    for polylogarithm, L-series, and zeta variants" (2012), and P. P. Ewald, Ann. Phys. 369, 253
    (1921) for n = 1.
    """

    naming = Naming(
        "inverse-power",
        "r^-EXPONENT, also as r12",
        ("exponent",),
        label="r^-{0:g}",
        unit="Å^-{0:g}",
        typical=(4.5,),
    )

    @property
    def kernel(self) -> int:  # type: ignore[override]
        """Number of the kernel in the native core, a faster one for the commonest exponents."""
        if is_tensor(self.exponent):
            return 6
        return {1.0: 0, 6.0: 1, 12.0: 5}.get(self.number, 6)

    def __init__(self, exponent: Scalar) -> None:
        super().__init__(checked_parameter(exponent, "the exponent of an inverse power"))
        value = self.number
        if value == 3.0:
            raise PotentialError(
                "the complete sum of r^-3 does not exist: its analytic continuation has a pole at "
                "exponent 3"
            )
        if value > _LARGEST_EXPONENT:
            raise PotentialError(
                f"exponent {value} is above {_LARGEST_EXPONENT:g}, the largest that is supported"
            )

    @property
    def exponent(self) -> Scalar:
        """The exponent n."""
        assert self.parameter is not None
        return self.parameter

    def energy(self, r: Tensor) -> Tensor:
        """Return r^-n."""
        return r ** (-self.exponent)

    def value_and_slope(self, r: Array) -> tuple[Array, Array]:
        """Return r^-n and -n r^(-n - 1)."""
        power = r**-self.number
        return power, -self.number * power / r

    def real(self, r2: Tensor, splitting: Tensor) -> Tensor:
        """Return t^p E(p, t r²)/Gamma(p)."""
        from madelung.sums.special import exponential_integral

        half = 0.5 * self.exponent
        return splitting**half * exponential_integral(half, splitting * r2) / _gamma(half)

    def reciprocal(self, k2: Tensor, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return pi^(3/2) t^(p - 3/2) E(3/2 - p, pi² k²/t)/(V Gamma(p))."""
        from madelung.sums.special import exponential_integral

        argument = math.pi**2 * k2 / splitting
        complement = 1.5 - 0.5 * self.exponent
        return self._density(splitting, volume) * exponential_integral(complement, argument)

    def background(self, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return pi^(3/2) t^(p - 3/2)/(V Gamma(p) (p - 3/2))."""
        return self._density(splitting, volume) / (0.5 * self.exponent - 1.5)

    def self_term(self, splitting: Tensor) -> Tensor:
        """Return t^p/Gamma(p + 1)."""
        half = 0.5 * self.exponent
        power: Tensor = splitting**half
        return power / (half * _gamma(half))

    def _density(self, splitting: Tensor, volume: Tensor) -> Tensor:
        half = 0.5 * self.exponent
        return math.pi**1.5 * splitting ** (half - 1.5) / (volume * _gamma(half))

    def log_derivative(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return (n + 2)/r + 2 t r."""
        return (self.number + 2.0) / r + 2.0 * splitting * r

    def relative_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return a + b t r², the errors of the prefactor and of exp(-t r²)."""
        from madelung.sums.special import has_closed_form

        half = 0.5 * self.number
        base = CLOSED_FORM_ERROR if has_closed_form(half) else _QUADRATURE_ERROR
        return base + 8.0 * half + EXPONENTIAL_ERROR * splitting * r**2


class Coulomb(InversePower):
    """Coulomb's potential, v(r) = 1/r, with a uniform neutralising background.

    Notes
    -----
    The boundary is tin foil: the sum is Ewald's, P. P. Ewald, Ann. Phys. 369, 253 (1921).
    """

    naming = Naming("coulomb", "1/r with a uniform neutralising background", unit="1/Å")

    def __init__(self) -> None:
        super().__init__(1.0)

    def __repr__(self) -> str:
        """Return the call that makes this potential."""
        return "Coulomb()"


class London(InversePower):
    """London's dispersion, v(r) = r^-6."""

    naming = Naming("london", "r^-6", unit="Å^-6")

    def __init__(self) -> None:
        super().__init__(6.0)

    def __repr__(self) -> str:
        """Return the call that makes this potential."""
        return "London()"


def _gamma(value: Scalar) -> Scalar:
    return value.lgamma().exp() if is_tensor(value) else math.gamma(value)
