"""The pair potentials whose complete lattice sums are known, each stated once.

A potential v(r) is split with a splitting t (Å^-2) into a real-space term f(r), a reciprocal-space
term w(k), a background w0 and a self term L0,

    S(i, j) = sum over images f(r) + 2 sum over half of k != 0 of w(k) cos(2 pi k.d)
              + w0 - [the two sites coincide] L0,

where k is a reciprocal vector without the factor 2 pi. A class states these four, what an error
bound must know about them, and its kernel number in the native core. To add a potential, derive
from :class:`Potential` and state its terms; nothing else has to change.

The terms are PyTorch expressions, but this module does not import PyTorch: it comes in with the
tensors that the terms are evaluated on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from madelung.common.arrays import is_tensor
from madelung.common.errors import PotentialError
from madelung.sums.base import Potential, checked_parameter

if TYPE_CHECKING:
    from torch import Tensor

    Scalar = float | Tensor

__all__ = [
    "BornMayer",
    "Coulomb",
    "Gaussian",
    "InversePower",
    "London",
    "Pauli",
    "Potential",
    "Yukawa",
]

# Beyond this exponent the terms of a tiny cell leave the range of float64.
_LARGEST_EXPONENT = 64.0
# exp(alpha r) is only met multiplied by erfc(s + h), which is zero long before this exponent.
_LARGEST_GROWTH = 400.0
# Errors in units of the machine epsilon: of a closed form, of one by quadrature, and of exp(-x)
# for each unit of x. Measured errors are about four times smaller.
_CLOSED_FORM_ERROR = 16.0
_QUADRATURE_ERROR = 40.0
_EXPONENTIAL_ERROR = 6.0


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
        base = _CLOSED_FORM_ERROR if has_closed_form(half) else _QUADRATURE_ERROR
        return base + 8.0 * half + _EXPONENTIAL_ERROR * splitting * r**2


class Coulomb(InversePower):
    """Coulomb's potential, v(r) = 1/r, with a uniform neutralising background.

    Notes
    -----
    The boundary is tin foil: the sum is Ewald's, P. P. Ewald, Ann. Phys. 369, 253 (1921).
    """

    def __init__(self) -> None:
        super().__init__(1.0)

    def __repr__(self) -> str:
        """Return the call that makes this potential."""
        return "Coulomb()"


class London(InversePower):
    """London's dispersion, v(r) = r^-6."""

    def __init__(self) -> None:
        super().__init__(6.0)

    def __repr__(self) -> str:
        """Return the call that makes this potential."""
        return "London()"


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
            return _CLOSED_FORM_ERROR + _EXPONENTIAL_ERROR * phase
        return _CLOSED_FORM_ERROR + _EXPONENTIAL_ERROR * (phase + splitting * r**2)


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

    kernel = 3

    def energy(self, r: Tensor) -> Tensor:
        """Return exp(-alpha r)/r."""
        return (-self.alpha * r).exp() / r

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

    kernel = 2

    def __init__(self, alpha: Scalar = 3.0) -> None:
        super().__init__(alpha)

    def energy(self, r: Tensor) -> Tensor:
        """Return exp(-alpha r)."""
        return (-self.alpha * r).exp()

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
        return _CLOSED_FORM_ERROR + _EXPONENTIAL_ERROR * self.number * r**2


def _gamma(value: Scalar) -> Scalar:
    return value.lgamma().exp() if is_tensor(value) else math.gamma(value)
