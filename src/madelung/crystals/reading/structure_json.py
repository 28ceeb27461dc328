"""Crystals from JSON: of ASE (databases and ``Atoms.todict``), of pymatgen, and of JARVIS-tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from madelung.common.errors import CrystalError
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES
from madelung.crystals.occupancy import left_out, occupied_sites, refuse_partial_occupancy
from madelung.crystals.reading.places import settled

__all__ = ["json_builders"]

_KINDS = (
    "an object with 'numbers', 'positions' and 'cell' (ASE), 'lattice' and 'sites' (pymatgen) or "
    "'lattice_mat', 'coords' and 'elements' (JARVIS), a list of such objects, or an ASE database"
)


# Each value takes some 50 bytes of memory once it is read.
_MOST_VALUES = 4_000_000


def json_builders(text: str, source: str) -> list[Callable[[], Crystal]]:
    """Find the crystals of a JSON file.

    Parameters
    ----------
    text
        The file's text.
    source
        The file's name, for messages.

    Returns
    -------
    list of functions
        One for each crystal, that builds it.

    Raises
    ------
    CrystalError
        If the text is no JSON, or holds no crystal in a form that is known.
    """
    if text.count(",") > _MOST_VALUES:
        raise crystal_error(
            source, f"more than {_MOST_VALUES} values; open the file as a data set, or split it"
        )
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise crystal_error(source, f"no readable JSON: {where}; write it again") from None
    except (RecursionError, ValueError):
        raise crystal_error(
            source,
            "the JSON is nested too deeply, or its numbers are too long; give a plain structure",
        ) from None
    if isinstance(content, list):
        entries = [(f"{source} (entry {index})", item) for index, item in enumerate(content)]
    elif isinstance(content, dict) and isinstance(content.get("ids"), list):
        entries = [(f"{source} (id {row})", content.get(str(row))) for row in content["ids"]]
    elif isinstance(content, dict) and isinstance(content.get("1"), dict):
        entries = [(source, content["1"])]
    else:
        entries = [(source, content)]
    if not entries:
        raise crystal_error(source, f"the JSON holds no crystal; give {_KINDS}")
    return [partial(settled, partial(_build, item, name)) for name, item in entries]


def _build(item: Any, source: str) -> Crystal:
    if isinstance(item, Mapping) and isinstance(item.get("structure"), Mapping):
        item = item["structure"]
    if isinstance(item, Mapping) and isinstance(item.get("atoms"), Mapping):
        item = item["atoms"]
    try:
        if isinstance(item, Mapping) and "lattice" in item and "sites" in item:
            return _from_pymatgen_dictionary(item, source)
        if isinstance(item, Mapping) and "numbers" in item and "positions" in item:
            return _from_ase_dictionary(item, source)
        if isinstance(item, Mapping) and "lattice_mat" in item and "coords" in item:
            return _from_jarvis_dictionary(item, source)
    except CrystalError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        text = f"an incomplete structure ({type(error).__name__}: {error}); write it again"
        raise crystal_error(source, text) from None
    raise crystal_error(source, f"the JSON is no crystal; give {_KINDS}")


def _plain_array(value: Any) -> Any:
    """Undo ASE's ways of writing arrays and cells in JSON."""
    if isinstance(value, Mapping):
        if "__ndarray__" in value:
            shape, _, flat = value["__ndarray__"]
            return np.array(flat).reshape(shape)
        return _plain_array(value["array"] if "array" in value else value["cell"])
    return value


def _from_ase_dictionary(item: Mapping[str, Any], source: str) -> Crystal:
    whole = _all_sites(item, source)
    names = ("occupancy", "occupancies", "spacegroup_kinds")
    arrays = {name: np.atleast_1d(_plain_array(item[name])) for name in names if name in item}
    own, notes = occupied_sites(whole.symbols, item.get("info"), arrays, source)
    charges = whole.charges if whole.charges is None else whole.charges[own]
    return replace(
        whole,
        positions=whole.positions[own],
        numbers=whole.numbers[own],
        charges=charges,
        warnings=notes,
    )


def _all_sites(item: Mapping[str, Any], source: str) -> Crystal:
    cell = _plain_array(item.get("cell", np.zeros((3, 3))))
    charges = item.get("initial_charges")
    return Crystal(
        cell=np.diag(cell) if np.shape(cell) == (3,) else cell,
        positions=_plain_array(item["positions"]),
        numbers=_plain_array(item["numbers"]),
        pbc=_plain_array(item.get("pbc", False)),
        source=source,
        charges=None if charges is None else _plain_array(charges),
    )


def _from_pymatgen_dictionary(item: Mapping[str, Any], source: str) -> Crystal:
    lattice = item["lattice"]
    numbers, charges, fractional = [], [], []
    empty: list[int] = []
    for index, site in enumerate(item["sites"]):
        place = f"site {index} (counted from 0)"
        species = site["species"]
        parts = {str(entry["element"]): entry.get("occu", 1.0) for entry in species}
        if parts and not any(parts.values()):
            empty.append(index)
            continue
        refuse_partial_occupancy(parts, place, source)
        numbers.append(_atomic_number(species[0]["element"], place, source))
        charges.append(species[0].get("oxidation_state"))
        fractional.append(site["abc"])
    cell = Crystal(lattice["matrix"], [[0.0, 0.0, 0.0]], np.array([1]), source=source).cell
    coordinates = Crystal(np.eye(3), fractional, np.array(numbers), source=source).positions
    known = all(charge is not None for charge in charges)
    return Crystal(
        cell=cell,
        positions=coordinates @ cell,
        numbers=np.array(numbers),
        pbc=lattice.get("pbc", True),
        source=source,
        charges=np.array(charges, dtype=np.float64) if known else None,
        warnings=left_out([str(index) for index in empty]),
    )


def _from_jarvis_dictionary(item: Mapping[str, Any], source: str) -> Crystal:
    """Read what ``jarvis.core.atoms.Atoms.to_dict`` gives."""
    numbers = [
        _atomic_number(symbol, f"site {index} (counted from 0)", source)
        for index, symbol in enumerate(item["elements"])
    ]
    cell = Crystal(item["lattice_mat"], [[0.0, 0.0, 0.0]], np.array([1]), source=source).cell
    places = Crystal(np.eye(3), item["coords"], np.array(numbers), source=source).positions
    positions = places if item.get("cartesian", False) else places @ cell
    return Crystal(cell=cell, positions=positions, numbers=np.array(numbers), source=source)


def _atomic_number(symbol: Any, place: str, source: str) -> int:
    plain = HYDROGEN_ISOTOPES.get(symbol, symbol)
    if plain not in ATOMIC_NUMBERS:
        text = f"{place}: {symbol!r} is no chemical element; give every site an element"
        raise crystal_error(source, text)
    return ATOMIC_NUMBERS[plain]
