"""Chemical elements: symbols, atomic numbers, and the order of elements in a formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError

__all__ = [
    "ATOMIC_NUMBERS",
    "ELEMENT_SYMBOLS",
    "HYDROGEN_ISOTOPES",
    "atomic_number",
    "chemical_formula",
    "covalent_radii",
    "electropositive_rank",
]

_SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
ELEMENT_SYMBOLS: tuple[str, ...] = tuple(_SYMBOLS.split())
"""Symbol of each atomic number; the entry 0 is a placeholder and no element."""

ATOMIC_NUMBERS: dict[str, int] = {
    symbol: number for number, symbol in enumerate(ELEMENT_SYMBOLS) if number > 0
}
"""Atomic number of each symbol."""

HYDROGEN_ISOTOPES: dict[str, str] = {"D": "H", "T": "H"}
"""Symbols of isotopes that files use as if they were elements."""

# Non-metals from electropositive to electronegative, as IUPAC orders them in formulas
# (Nomenclature of Inorganic Chemistry 2005, table VI); metals come before all of them.
_NON_METALS = "He Ne Ar Kr Xe Rn B Ge Si C Sb As P N H Po Te Se S O At I Br Cl F"
_NON_METAL_RANK = {symbol: rank for rank, symbol in enumerate(_NON_METALS.split())}


def electropositive_rank(symbol: str) -> int:
    """Return the place of an element among all: -1 for metals, then non-metals in IUPAC's order."""
    return _NON_METAL_RANK.get(symbol, -1)


def chemical_formula(numbers: Iterable[int]) -> str:
    """Chemical formula of a set of atoms.

    Metals come first, in the order of the alphabet, then non-metals in IUPAC's order (NaCl, SiO2,
    SrTiO3); a compound of carbon and hydrogen is written in Hill's order (C2H6O).

    Parameters
    ----------
    numbers
        Atomic numbers, 1 to 118.

    Returns
    -------
    str
        The formula of all the atoms, not reduced: 4 Na and 4 Cl give ``Na4Cl4``.
    """
    counts = Counter(ELEMENT_SYMBOLS[int(number)] for number in numbers)
    if "C" in counts and "H" in counts:
        ordered = sorted(counts, key=lambda symbol: (symbol != "C", symbol != "H", symbol))
    else:
        ordered = sorted(counts, key=lambda symbol: (electropositive_rank(symbol), symbol))
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in ordered)


@cache
def covalent_radii() -> NDArray[np.float64]:
    """Return (119,) covalent radii in Å.

    Notes
    -----
    B. Cordero et al., Dalton Trans. 2832 (2008), through ASE.
    """
    from ase import data

    return np.asarray(data.covalent_radii, dtype=np.float64)


_NUMBERS = {symbol: number for number, symbol in enumerate(ELEMENT_SYMBOLS) if symbol}


def atomic_number(symbol: str) -> int:
    """Return the number of an element from its symbol."""
    try:
        return _NUMBERS[symbol]
    except KeyError:
        raise ForceFieldError(f"{symbol!r} is no element") from None
