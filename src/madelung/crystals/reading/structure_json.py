"""Crystals from JSON: ASE's database files, ASE's ``Atoms.todict``, and pymatgen's structures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from madelung.common.errors import CrystalError
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS, HYDROGEN_ISOTOPES
from madelung.crystals.occupancy import refuse_partial_occupancy

__all__ = ["json_builders"]

_KINDS = (
    "an object with 'numbers', 'positions' and 'cell' (ASE) or 'lattice' and 'sites' (pymatgen), a "
    "list of such objects, or an ASE database"
)


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
    return [partial(_build, item, name) for name, item in entries]


def _build(item: Any, source: str) -> Crystal:
    if isinstance(item, Mapping) and isinstance(item.get("structure"), Mapping):
        item = item["structure"]
    try:
        if isinstance(item, Mapping) and "lattice" in item and "sites" in item:
            return _from_pymatgen_dictionary(item, source)
        if isinstance(item, Mapping) and "numbers" in item and "positions" in item:
            return _from_ase_dictionary(item, source)
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
    if isinstance(item.get("info"), Mapping) and item["info"].get("occupancy"):
        occupancies = item["info"]["occupancy"]
        for kind, parts in occupancies.items():
            refuse_partial_occupancy(parts, f"kind {kind}", source)
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
    for index, site in enumerate(item["sites"]):
        place = f"site {index} (counted from 0)"
        species = site["species"]
        parts = {str(entry["element"]): entry.get("occu", 1.0) for entry in species}
        refuse_partial_occupancy(parts, place, source)
        symbol = HYDROGEN_ISOTOPES.get(species[0]["element"], species[0]["element"])
        if symbol not in ATOMIC_NUMBERS:
            text = f"{place}: {symbol!r} is no chemical element; give every site an element"
            raise crystal_error(source, text)
        numbers.append(ATOMIC_NUMBERS[symbol])
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
    )
