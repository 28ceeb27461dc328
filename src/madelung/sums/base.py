"""What a pair potential has to state to be summed over a lattice, and linear combinations."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from madelung.common.arrays import is_tensor
from madelung.common.errors import PotentialError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[np.float64]
    Scalar = float | Tensor

__all__ = [
    "CLOSED_FORM_ERROR",
    "EXPONENTIAL_ERROR",
    "Combination",
    "Naming",
    "Potential",
    "as_combination",
    "checked_parameter",
    "evaluate",
    "scalar_value",
]

# Errors in machine epsilons that terms state; measured ones are about four times smaller.
CLOSED_FORM_ERROR = 16.0
"""Of a closed form."""
EXPONENTIAL_ERROR = 6.0
"""Of exp(-x), for each unit of x."""


@dataclass(frozen=True)
class Naming:
    """How a potential is asked for by name, and shown.

    Parameters
    ----------
    name
        Its name on the command line and in files, in small letters: ``"born-mayer"``.
    formula
        What it is, in a few words or signs, with the parameters in capitals.
    parameters
        Names of the parameters, in the order in which the class takes them.
    label
        Title of a sum, in which ``{0:g}`` is the first parameter; the class's name if empty.
    unit
        Unit of the sum, in the same way; empty for a pure number.
    defaults
        Parameters where none is given; empty if they must be given.
    aliases
        Other names of the same potential.
    typical
        Parameters of a typical one, on which its tests are run.
    """

    name: str
    formula: str
    parameters: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""
    defaults: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    typical: tuple[float, ...] = ()

    @property
    def usage(self) -> str:
        """Name and parameters as they are written: ``"yukawa:ALPHA"``."""
        return ":".join([self.name, *map(str.upper, self.parameters)])


class Potential(ABC):
    """A pair potential with at most one parameter.

    It is split with a splitting t (Å^-2) into a real-space term f(r), a reciprocal-space term
    w(k), a background w0 and a self term L0,

        S(i, j) = sum over images f(r) + 2 sum over half of k != 0 of w(k) cos(2 pi k.d)
                  + w0 - [the two sites coincide] L0,

    where k is a reciprocal vector without the factor 2 pi. A class states these four, what an
    error bound must know about them, how it is named and, if there is one, its kernel in the
    native core.

    Parameters
    ----------
    parameter
        The number that fixes the potential; a float, or a PyTorch scalar, through which the sums
        can then be differentiated. None if the potential has no parameter.

    Notes
    -----
    Distances are in Å; a value is in the units of the formula (Å^-n for r^-n, none for exp(-r)).
    All terms take and return float64 tensors of any broadcastable shapes.
    """

    naming: ClassVar[Naming]
    """How it is asked for by name."""
    kernel: int | None = None
    """Number of the kernel in the native core, None if the core does not know it."""
    direct_shape: ClassVar[str | None] = None
    """``"exponential"`` or ``"gaussian"`` if the potential itself may be summed in real space."""
    has_real_part: ClassVar[bool] = True
    """Whether f is anything but zero when the potential is split."""

    def __init__(self, parameter: Scalar | None = None) -> None:
        self.parameter = parameter

    def __repr__(self) -> str:
        """Return the call that makes this potential."""
        value = self.parameter_value
        return f"{type(self).__name__}({'' if value is None else repr(value)})"

    @property
    def parameter_value(self) -> float | None:
        """The parameter as a float, None if there is none."""
        return None if self.parameter is None else scalar_value(self.parameter)

    @property
    def number(self) -> float:
        """The parameter as a float, for bounds; zero if there is none."""
        return 0.0 if self.parameter is None else scalar_value(self.parameter)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this potential from others; tensors count by identity, floats by value."""
        mark = ("tensor", id(self.parameter)) if is_tensor(self.parameter) else self.parameter
        return type(self), mark

    @property
    def family(self) -> type[Potential]:
        """The class that states the terms: for London's dispersion the inverse power."""
        return next(kind for kind in type(self).__mro__ if "energy" in vars(kind))

    def __call__(self, r: float | NDArray[np.float64] | Tensor) -> Any:
        """Return v(r) for one distance, an array or a tensor of distances in Å."""
        return evaluate(self.energy, r)

    def value_and_slope(self, r: Array) -> tuple[Array, Array]:
        """Return v(r) and v'(r) at an array of distances in Å.

        By default PyTorch differentiates :meth:`energy`; a potential may state both instead, so
        that molecules need no PyTorch.
        """
        import torch

        place = torch.tensor(r, dtype=torch.float64, requires_grad=True)
        value = self.energy(place)
        (slope,) = torch.autograd.grad(value.sum(), place)
        return value.detach().numpy(), slope.numpy()

    @abstractmethod
    def energy(self, r: Tensor) -> Tensor:
        """Return v(r) at distances r > 0 in Å."""

    @abstractmethod
    def real(self, r2: Tensor, splitting: Tensor) -> Tensor:
        """Return f at squared distances r2 > 0 in Å²; falling and nowhere negative."""

    @abstractmethod
    def reciprocal(self, k2: Tensor, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return w at squared reciprocal lengths k2 > 0 in Å^-2; falling and nowhere negative."""

    @abstractmethod
    def background(self, splitting: Tensor, volume: Tensor) -> Tensor:
        """Return w0, what the reciprocal space gives at k = 0."""

    @abstractmethod
    def self_term(self, splitting: Tensor) -> Tensor:
        """Return L0, the long-range part at r = 0."""

    def reciprocal_rate(self, splitting: Tensor) -> Tensor:
        """Return the rate a such that w(k) exp(a k²) is a falling function of k."""
        return math.pi**2 / splitting

    @abstractmethod
    def log_derivative(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return a bound on abs(f'(r) / f(r)), or on abs(v'/v) if the sum is direct, in Å^-1."""

    @abstractmethod
    def relative_error(self, r: Tensor, splitting: Tensor, direct: bool) -> Tensor:
        """Return a bound on the relative rounding error of f (or v), in machine epsilons."""

    def reciprocal_error(self, k2: Tensor, splitting: Tensor) -> Tensor:
        """Return a bound on the relative rounding error of w, in machine epsilons.

        k² itself carries a relative error of some ten epsilons from the reduced reciprocal basis.
        """
        return 64.0 + 32.0 * self.reciprocal_rate(splitting) * k2

    # Arithmetic makes linear combinations.

    def __mul__(self, factor: Scalar) -> Combination:
        """Return this potential times a number."""
        return Combination([(factor, self)])

    __rmul__ = __mul__

    def __neg__(self) -> Combination:
        """Return this potential with the opposite sign."""
        return self * -1.0

    def __add__(self, other: Potential | Combination) -> Combination:
        """Return the sum of two potentials."""
        return self * 1.0 + other

    def __sub__(self, other: Potential | Combination) -> Combination:
        """Return the difference of two potentials."""
        return self * 1.0 - other


def evaluate(energy: Callable[[Tensor], Tensor], r: Any) -> Any:
    """Apply an energy function to a float, an array or a tensor, and return what came in."""
    if is_tensor(r):
        return energy(r)
    import torch

    values = energy(torch.as_tensor(r, dtype=torch.float64))
    if values.requires_grad:
        return values
    return float(values) if values.dim() == 0 else values.numpy()


def scalar_value(value: Scalar) -> float:
    """Return a float or scalar tensor as a float."""
    return float(value.detach()) if is_tensor(value) else float(value)


def checked_parameter(value: Any, what: str) -> Scalar:
    """Return a parameter as a float or a float64 tensor if it is positive and finite."""
    if is_tensor(value):
        if value.numel() != 1:
            raise PotentialError(f"{what} must be one number, not {value.numel()}")
        value = value.double() if value.dim() == 0 else value.double().reshape(())
        number = scalar_value(value)
    else:
        try:
            number = value = float(value)
        except (TypeError, ValueError) as problem:
            raise PotentialError(f"{what} must be a number, not {value!r}") from problem
    if not (math.isfinite(number) and number > 0.0):
        raise PotentialError(f"{what} must be positive and finite, not {number}")
    return value


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

    naming: ClassVar[Naming]
    """How it is asked for by name; combinations made by arithmetic have none."""

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
            f"{value!r} is not a potential; give one, such as madelung.Coulomb(), or a "
            "combination of them"
        )
    return value
