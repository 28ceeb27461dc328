"""Pair potentials of species pairs as text, and directly summed in molecules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError, PotentialError
from madelung.crystals.elements import ATOMIC_NUMBERS, ELEMENT_SYMBOLS
from madelung.sums.base import Combination, Potential, as_combination, scalar_value
from madelung.sums.names import potential_from_name
from madelung.sums.potentials import Gaussian, InversePower, Pauli, Yukawa

__all__ = ["SpeciesPair", "pair_values", "parse_pair", "parse_potential", "potential_text"]

Array = NDArray[np.float64]
SpeciesPair = tuple[int, int]

_PRIMITIVES: Mapping[type[Potential], str] = {
    InversePower: "inverse-power",
    Pauli: "pauli",
    Yukawa: "yukawa",
    Gaussian: "gaussian",
}


def parse_pair(text: str) -> SpeciesPair:
    """Return the atomic numbers, ascending, of a pair such as ``"Na-Cl"``.

    Raises
    ------
    ForceFieldError
        If it is no pair of elements.
    """
    symbols = text.split("-")
    if len(symbols) != 2 or not all(symbol in ATOMIC_NUMBERS for symbol in symbols):
        raise ForceFieldError(f"{text!r} is no pair of elements; write for example Na-Cl")
    low, high = sorted(ATOMIC_NUMBERS[symbol] for symbol in symbols)
    return low, high


def pair_text(pair: SpeciesPair) -> str:
    """Return a pair as text, such as ``"Na-Cl"``."""
    return "-".join(ELEMENT_SYMBOLS[number] for number in pair)


def parse_potential(text: str) -> Combination:
    """Make a potential from names separated by commas, each with a factor if wanted.

    Parameters
    ----------
    text
        Such as ``"lennard-jones:0.0104:3.4"`` or ``"1280*pauli:3.1, -10.6*london"``; the names are
        those of :func:`madelung.sums.names.potential_from_name`.

    Raises
    ------
    ForceFieldError
        If a name, a parameter or a factor cannot be used.
    """
    total: Combination | None = None
    for part in text.split(","):
        factor, star, name = part.rpartition("*")
        try:
            potential = potential_from_name(name).potential
            term = (float(factor) if star else 1.0) * as_combination(potential)
        except (PotentialError, ValueError) as error:
            raise ForceFieldError(f"potential {text!r}: {error}") from None
        total = term if total is None else total + term
    assert total is not None
    return total


def potential_text(potential: Potential | Combination) -> str:
    """Return the text from which :func:`parse_potential` makes the same potential.

    Raises
    ------
    ForceFieldError
        If a term is none of the package's own potentials.
    """
    parts = []
    for factor, term in as_combination(potential).terms:
        name = next((name for kind, name in _PRIMITIVES.items() if isinstance(term, kind)), None)
        if name is None:
            raise ForceFieldError(f"{term!r} has no name, so that it cannot be written to a file")
        parts.append(f"{scalar_value(factor)!r}*{name}:{term.number!r}")
    return ", ".join(parts)


def pair_values(potential: Potential, r: Array) -> tuple[Array, Array]:
    """Return v(r) and its derivative at distances in Å.

    Raises
    ------
    ForceFieldError
        If the potential is none of the package's own.
    """
    number = potential.number
    if isinstance(potential, InversePower):
        power = r**-number
        return power, -number * power / r
    if isinstance(potential, Gaussian):
        value = np.exp(-number * r**2)
        return value, -2.0 * number * r * value
    if isinstance(potential, Pauli):
        value = np.exp(-number * r)
        return value, -number * value
    if isinstance(potential, Yukawa):
        value = np.exp(-number * r) / r
        return value, -(number + 1.0 / r) * value
    raise ForceFieldError(f"{potential!r} is not summed in molecules; put them into a cell")
