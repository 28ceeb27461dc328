"""Potentials by name, as the command line and configuration files write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from madelung.common.errors import PotentialError
from madelung.sums.base import Combination, Potential
from madelung.sums.combinations import Buckingham, LennardJones, Morse
from madelung.sums.potentials import Coulomb, Gaussian, InversePower, London, Pauli, Yukawa

__all__ = ["NamedPotential", "potential_from_name", "potentials_from_names"]


@dataclass(frozen=True)
class NamedPotential:
    """A potential with the name it was asked for.

    Parameters
    ----------
    name
        What :func:`potential_from_name` makes this potential from, such as ``"pauli:3"``.
    label
        A short title for tables and plots, such as ``"exp(-3 r)"``.
    unit
        Unit of the sums, such as ``"1/Å"``; empty for a pure number.
    potential
        The potential itself.
    """

    name: str
    label: str
    unit: str
    potential: Potential | Combination

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class _Kind:
    make: Callable[..., Any]
    parameters: tuple[str, ...]
    label: str
    unit: str
    defaults: tuple[float, ...] = ()


_KINDS = {
    "coulomb": _Kind(Coulomb, (), "Coulomb", "1/Å"),
    "london": _Kind(London, (), "London", "Å^-6"),
    "pauli": _Kind(Pauli, ("alpha",), "exp(-{0:g} r)", "", (3.0,)),
    "born-mayer": _Kind(Pauli, ("alpha",), "exp(-{0:g} r)", ""),
    "yukawa": _Kind(Yukawa, ("alpha",), "exp(-{0:g} r)/r", "1/Å"),
    "gaussian": _Kind(Gaussian, ("rate",), "exp(-{0:g} r²)", ""),
    "inverse-power": _Kind(InversePower, ("exponent",), "r^-{0:g}", "Å^-{0:g}"),
    "lennard-jones": _Kind(LennardJones, ("epsilon", "sigma"), "Lennard-Jones", "eV"),
    "morse": _Kind(Morse, ("depth", "alpha", "r0"), "Morse", "eV"),
    "buckingham": _Kind(Buckingham, ("strength", "range", "C6"), "Buckingham", "eV"),
}


def potential_from_name(text: str) -> NamedPotential:
    """Make a potential from its name and parameters.

    Parameters
    ----------
    text
        A name, then each parameter after a colon: ``coulomb``, ``london``, ``pauli:ALPHA`` (3.0
        if left out), ``born-mayer:ALPHA``, ``yukawa:ALPHA``, ``gaussian:RATE``,
        ``inverse-power:N`` or ``rN`` (``r12``), ``lennard-jones:EPSILON:SIGMA``,
        ``morse:DEPTH:ALPHA:R0``, ``buckingham:STRENGTH:RANGE:C6``. Units: eV and Å.

    Returns
    -------
    NamedPotential

    Raises
    ------
    PotentialError
        If the name is unknown, a parameter is missing, superfluous, no number or not allowed.
    """
    name, *words = text.strip().split(":")
    name = name.strip().lower().replace("_", "-")
    if name.startswith("r") and name[1:].replace(".", "", 1).isdigit() and not words:
        name, words = "inverse-power", [name[1:]]
    kind = _KINDS.get(name)
    if kind is None:
        raise PotentialError(f"unknown potential {text!r}; choose from {', '.join(_KINDS)}, rN")
    numbers = [_as_number(word, text) for word in words] or list(kind.defaults)
    if len(numbers) != len(kind.parameters):
        form = ":".join([name, *(parameter.upper() for parameter in kind.parameters)])
        raise PotentialError(f"{text!r} has the wrong number of parameters; write {form}")
    try:
        potential = kind.make(*numbers)
    except PotentialError as problem:
        raise PotentialError(f"{text!r}: {problem}") from None
    return NamedPotential(
        name=":".join([name, *map(_as_text, numbers)]),
        label=kind.label.format(*numbers),
        unit=kind.unit.format(*numbers),
        potential=potential,
    )


def potentials_from_names(text: str) -> list[NamedPotential]:
    """Make potentials from a list of names separated by commas.

    Raises
    ------
    PotentialError
        If the list is empty, or :func:`potential_from_name` refuses one of its items.
    """
    names = [name for name in text.split(",") if name.strip()]
    if not names:
        raise PotentialError("no potential is named; write for example coulomb,london,pauli:3.0")
    return [potential_from_name(name) for name in names]


def _as_text(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)


def _as_number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise PotentialError(f"{text!r}: {word!r} is no number") from None
