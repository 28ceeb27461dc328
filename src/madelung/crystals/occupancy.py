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
    "refuse_partial_occupancy",
    "refuse_recorded_occupancy",
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


def refuse_recorded_occupancy(atoms: Any, source: str | None) -> None:
    """Raise CrystalError if ASE ``Atoms`` record a partial occupancy in ``info`` or ``arrays``."""
    recorded = atoms.info.get("occupancy")
    if isinstance(recorded, Mapping):
        kinds = [str(kind) for kind in atoms.arrays.get("spacegroup_kinds", [])]
        for kind, occupancies in recorded.items():
            site = kinds.index(str(kind)) if str(kind) in kinds else None
            place = f"kind {kind}" if site is None else f"site {site} (counted from 0)"
            refuse_partial_occupancy(occupancies, place, source)
    for name in ("occupancy", "occupancies"):
        for index, part in enumerate(atoms.arrays.get(name, [])):
            species = str(atoms.symbols[index])
            place = f"site {index} (counted from 0)"
            refuse_partial_occupancy({species: part}, place, source)


def elements_of_sites(
    structure: Any, source: str | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Return what the sites of a pymatgen ``Structure`` hold.

    Returns
    -------
    numbers : (n,) array
        Atomic numbers.
    charges : (n,) array or None
        Oxidation states, if every site has one.

    Raises
    ------
    CrystalError
        If a site is not fully occupied by one element.
    """
    numbers, charges = [], []
    for index, site in enumerate(structure):
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
    )
