"""Which element a site holds: sites that are not fully occupied by one are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import crystal_error
from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES

__all__ = [
    "OCCUPANCY_ROUNDING",
    "elements_of_sites",
    "is_full",
    "left_out",
    "occupied_sites",
    "refuse_partial_occupancy",
]


OCCUPANCY_ROUNDING = 1e-3
"""Departure from 1 that a full occupancy may have: files print three or four digits."""


def is_full(occupancy: float) -> bool:
    """Return whether a site of this occupancy holds a whole atom."""
    # 1 - .999 is 1e-3 and a little more, in float64.
    return abs(occupancy - 1.0) <= OCCUPANCY_ROUNDING * (1.0 + 1e-9)


def left_out(sites: Sequence[str]) -> tuple[str, ...]:
    """Return a warning that sites of occupancy 0 were left out, if there are any."""
    if not sites:
        return ()
    named = ", ".join(sites[:5]) + (" ..." if len(sites) > 5 else "")
    return (f"{len(sites)} sites of occupancy 0 were left out: {named}",)


def refuse_partial_occupancy(occupancies: Any, place: str, source: str | None) -> None:
    """Raise CrystalError unless one species fills the site.

    Parameters
    ----------
    occupancies
        Mapping from each species at the site to its occupancy.
    place
        What to call the site in the message.
    source
        Where the crystal came from, for the message.
    """
    try:
        parts = {str(species): float(part) for species, part in occupancies.items()}
    except (AttributeError, TypeError, ValueError):
        raise crystal_error(
            source, f"{place}: occupancy {occupancies!r} is not understood; give numbers by species"
        ) from None
    if len(parts) == 1 and is_full(next(iter(parts.values()))):
        return
    listed = " + ".join(f"{part:g} {species}" for species, part in parts.items())
    raise crystal_error(
        source,
        f"{place}: partial occupancy ({listed or 'empty'}); a sum needs one whole atom at each "
        "site: make an ordered structure (a supercell, or one choice for the site)",
    )


def occupied_sites(
    symbols: Sequence[str], info: Any, arrays: Mapping[str, Any], source: str | None
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which sites hold an atom, by what ASE keeps of their occupancies.

    Parameters
    ----------
    symbols
        (n,) elements of the sites.
    info, arrays
        Those of ASE's ``Atoms``: ``info["occupancy"]`` has a mapping for each kind of site, and the
        arrays ``occupancy`` or ``occupancies`` a number for each site.
    source
        Where the crystal came from, for messages.

    Returns
    -------
    occupied : (n,) bool array
    warnings : tuple of str
        That sites of occupancy 0 are left out, if there are any.

    Raises
    ------
    CrystalError
        If a site is partially occupied, or none is occupied.
    """
    occupied = np.ones(len(symbols), dtype=bool)
    recorded = info.get("occupancy") if isinstance(info, Mapping) else None
    if isinstance(recorded, Mapping):
        kinds = [str(kind) for kind in arrays.get("spacegroup_kinds", [])]
        for kind, occupancies in recorded.items():
            sites = [site for site, own in enumerate(kinds) if own == str(kind)]
            if sites and _is_empty(occupancies):
                occupied[sites] = False
                continue
            place = f"site {sites[0]} (counted from 0)" if sites else f"kind {kind}"
            refuse_partial_occupancy(occupancies, place, source)
    for parts in (arrays[name] for name in ("occupancy", "occupancies") if name in arrays):
        if len(parts) != len(symbols):
            raise crystal_error(source, f"{len(parts)} occupancies for {len(symbols)} sites")
        for index, part in enumerate(parts):
            if part == 0:
                occupied[index] = False
            else:
                place = f"site {index} (counted from 0)"
                refuse_partial_occupancy({str(symbols[index]): part}, place, source)
    return occupied, _left_out_of(occupied, symbols, source)


def _is_empty(occupancies: Any) -> bool:
    """Whether a mapping of species to occupancies has none above zero."""
    return isinstance(occupancies, Mapping) and not any(occupancies.values())


def _left_out_of(
    occupied: NDArray[np.bool_], symbols: Sequence[str], source: str | None
) -> tuple[str, ...]:
    if not occupied.any():
        raise crystal_error(source, "all its sites have occupancy 0; give at least one atom")
    return left_out([f"{symbols[site]} {site}" for site in np.flatnonzero(~occupied).tolist()])


def elements_of_sites(
    structure: Any, source: str | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, NDArray[np.bool_], tuple[str, ...]]:
    """Return what the sites of a pymatgen ``Structure`` hold.

    Returns
    -------
    numbers : (m,) array
        Atomic numbers of the occupied sites.
    charges : (m,) array or None
        Oxidation states, if every occupied site has one.
    occupied : (n,) bool array
        Which of all sites these are.
    warnings : tuple of str
        That sites of occupancy 0 are left out, if there are any.

    Raises
    ------
    CrystalError
        If a site is partially occupied, or holds no element, or none is occupied.
    """
    numbers, charges = [], []
    # pymatgen keeps nothing of a species with occupancy 0.
    occupied = np.array([len(site.species) > 0 for site in structure])
    warnings = _left_out_of(occupied, ["site" for _ in structure], source)
    for index, site in enumerate(structure):
        if not occupied[index]:
            continue
        place = f"site {index} (counted from 0)"
        refuse_partial_occupancy(site.species, place, source)
        (species,) = site.species
        symbol = getattr(species, "symbol", str(species))
        symbol = HYDROGEN_ISOTOPES.get(symbol, symbol)
        if symbol not in ATOMIC_NUMBERS:
            raise crystal_error(
                source, f"{place}: {species} is no chemical element; give every site an element"
            )
        numbers.append(ATOMIC_NUMBERS[symbol])
        charges.append(getattr(species, "oxi_state", None))
    known = bool(charges) and all(charge is not None for charge in charges)
    return (
        np.array(numbers, dtype=np.int64),
        np.array(charges, dtype=np.float64) if known else None,
        occupied,
        warnings,
    )
