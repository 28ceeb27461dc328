"""Potentials by name, as the command line and configuration files write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from madelung.common.errors import PotentialError
from madelung.sums.base import Combination, Potential
from madelung.sums.potentials import POTENTIALS, POTENTIALS_BY_NAME

__all__ = ["NamedPotential", "potential_from_name", "potential_usages", "potentials_from_names"]


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


def potential_from_name(text: str) -> NamedPotential:
    """Make a potential from its name and parameters.

    Parameters
    ----------
    text
        A name, then each parameter after a colon: ``coulomb``, ``yukawa:0.5``; ``r12`` is short
        for ``inverse-power:12``. :func:`potential_usages` lists all. Units: eV and Å.

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
    kind = POTENTIALS_BY_NAME.find(name)
    naming = kind.naming
    numbers = [_as_number(word, text) for word in words] or list(naming.defaults)
    if len(numbers) != len(naming.parameters):
        raise PotentialError(f"{text!r} has the wrong number of parameters; write {naming.usage}")
    # What a potential's own class takes is known to its naming alone.
    make: Callable[..., Potential | Combination] = kind
    try:
        potential = make(*numbers)
    except PotentialError as problem:
        raise PotentialError(f"{text!r}: {problem}") from None
    return NamedPotential(
        name=":".join([name, *map(_as_text, numbers)]),
        label=(naming.label or kind.__name__).format(*numbers),
        unit=naming.unit.format(*numbers),
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


def potential_usages() -> list[tuple[str, str]]:
    """Return how each potential is written, ``"yukawa:ALPHA"``, and what it is."""
    return [
        (", ".join([kind.naming.usage, *kind.naming.aliases]), kind.naming.formula)
        for kind in POTENTIALS
    ]


def _as_text(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)


def _as_number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise PotentialError(f"{text!r}: {word!r} is no number") from None
