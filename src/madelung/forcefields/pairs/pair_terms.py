"""Pair potentials of species pairs as text."""

from __future__ import annotations

from madelung.common.errors import ForceFieldError, PotentialError
from madelung.crystals.elements import ATOMIC_NUMBERS, ELEMENT_SYMBOLS
from madelung.sums.base import Combination, Potential, as_combination, scalar_value
from madelung.sums.names import potential_from_name
from madelung.sums.potentials import POTENTIALS

__all__ = ["SpeciesPair", "parse_pair", "parse_potential", "potential_text"]

SpeciesPair = tuple[int, int]


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
        If a term is none that :data:`madelung.sums.potentials.POTENTIALS` lists.
    """
    parts = []
    for factor, term in as_combination(potential).terms:
        family = term.family
        if family not in POTENTIALS:
            raise ForceFieldError(f"{term!r} has no name, so that it cannot be written to a file")
        number = f":{term.number!r}" if family.naming.parameters else ""
        parts.append(f"{scalar_value(factor)!r}*{family.naming.name}{number}")
    return ", ".join(parts)
