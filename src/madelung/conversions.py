"""Crystals from and to the objects of ASE and pymatgen.

Neither library is imported before one of its objects has to be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from madelung.arrays import crystal_error, to_numpy
from madelung.crystal import Crystal
from madelung.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES

__all__ = [
    "OCCUPANCY_ROUNDING",
    "from_ase",
    "from_pymatgen",
    "refuse_partial_occupancy",
    "to_ase",
    "to_pymatgen",
]

OCCUPANCY_ROUNDING = 1e-3
"""Departure from 1 that a full occupancy may have: files print three or four digits."""


def from_ase(atoms: Any, source: str | None = None) -> Crystal:
    """Build a crystal from ASE ``Atoms``.

    Parameters
    ----------
    atoms
        ASE ``Atoms``. Initial charges, where set, become the crystal's charges.
    source
        Where the atoms came from, for messages.

    Raises
    ------
    CrystalError
        If ``atoms.info["occupancy"]`` or the array ``occupancy`` says that a site is not fully
        occupied by one species (ASE itself keeps the majority species), or the atoms are no
        usable crystal.
    """
    _refuse_recorded_occupancy(atoms, source)
    charges = atoms.get_initial_charges() if atoms.has("initial_charges") else None
    return Crystal(
        cell=np.asarray(atoms.get_cell()),
        positions=atoms.get_positions(),
        numbers=atoms.get_atomic_numbers(),
        pbc=atoms.get_pbc(),
        source=source,
        charges=charges,
    )


def to_ase(crystal: Crystal) -> Any:
    """Return ASE ``Atoms``; charges become initial charges, tensors lose their graph."""
    from ase import Atoms

    return Atoms(
        numbers=crystal.numbers,
        positions=to_numpy(crystal.positions),
        cell=to_numpy(crystal.cell),
        pbc=crystal.pbc,
        charges=crystal.charges,
    )


def from_pymatgen(structure: Any, source: str | None = None) -> Crystal:
    """Build a crystal from a pymatgen ``Structure``.

    Parameters
    ----------
    structure
        Ordered pymatgen ``Structure``. Oxidation states, where every site has one, become the
        crystal's charges.
    source
        Where the structure came from, for messages.

    Raises
    ------
    CrystalError
        If a site is not fully occupied by one element, or the structure is no usable crystal.
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
    return Crystal(
        cell=structure.lattice.matrix,
        positions=structure.cart_coords,
        numbers=np.array(numbers, dtype=np.int64),
        pbc=getattr(structure.lattice, "pbc", True),
        source=source,
        charges=np.array(charges, dtype=np.float64) if known else None,
    )


def to_pymatgen(crystal: Crystal) -> Any:
    """Return a pymatgen ``Structure``; tensors lose their graph.

    Raises
    ------
    CrystalError
        If the cell has no volume.
    """
    from pymatgen.core import Lattice, Species, Structure

    species: list[Any] = crystal.symbols
    if crystal.charges is not None:
        species = [
            Species(symbol, float(charge))
            for symbol, charge in zip(species, crystal.charges, strict=True)
        ]
    periodic = tuple(bool(direction) for direction in crystal.pbc)
    return Structure(
        Lattice(to_numpy(crystal.cell), pbc=periodic),
        species,
        to_numpy(crystal.scaled_positions),
    )


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
    if len(parts) == 1 and abs(next(iter(parts.values())) - 1.0) <= OCCUPANCY_ROUNDING:
        return
    listed = " + ".join(f"{part:g} {species}" for species, part in parts.items())
    raise crystal_error(
        source,
        f"{place}: partial occupancy ({listed or 'empty'}); a sum needs one whole atom at each "
        "site: make an ordered structure (a supercell, or one choice for the site)",
    )


def _refuse_recorded_occupancy(atoms: Any, source: str | None) -> None:
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
