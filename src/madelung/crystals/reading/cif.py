"""Crystals from CIF files.

Gemmi reads the syntax and knows the space groups; what the values mean for a crystal is decided
here: a site must hold one whole atom of a known element at a known place, or the file is refused.
Definitions: International Tables for Crystallography, volume G; core CIF dictionary 2.4 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.crystals.occupancy import OCCUPANCY_ROUNDING
from madelung.crystals.reading.cif_species import Species, listed_oxidation_numbers, read_species
from madelung.crystals.reading.cif_symmetry import choose_expansion
from madelung.crystals.reading.cif_tags import column, known_elements, value
from madelung.crystals.reading.symmetry import coincidence_distance

__all__ = ["cif_blocks", "cif_builders", "crystal_from_block"]

_EXACT_COSINES = {60.0: 0.5, 90.0: 0.0, 120.0: -0.5}


@dataclass(frozen=True)
class _Site:
    label: str
    species: Species
    fractional: tuple[float, float, float]
    occupancy: float


def cif_builders(text: str, source: str) -> list[Callable[[], Crystal]]:
    """Return a function for each data block with atoms that makes its crystal."""
    return [partial(crystal_from_block, block, label) for label, block in cif_blocks(text, source)]


def cif_blocks(text: str, source: str) -> list[tuple[str, Any]]:
    """Split the text of a CIF into the data blocks that hold atoms.

    Parameters
    ----------
    text
        The file's text.
    source
        The file's name, for messages.

    Returns
    -------
    list of (str, gemmi.cif.Block)
        Each block with the name by which messages call it.

    Raises
    ------
    CrystalError
        If the text is no CIF (the message gives the line), or no block holds atoms.
    """
    from gemmi import cif

    try:
        blocks = list(cif.read_string(text))
    except (RuntimeError, ValueError) as error:
        where = str(error).replace("string:", "line ", 1).strip()
        raise crystal_error(source, f"no readable CIF: {where}; mend that line") from None
    holding = [block for block in blocks if column(block, "atom_site", "fract_x")]
    if holding:
        named = len(blocks) > 1
        return [(f"{source} (block {b.name})" if named else source, b) for b in holding]
    if any(column(block, "atom_site", "Cartn_x") for block in blocks):
        text = (
            "its atoms have Cartesian coordinates only; give fractional ones (_atom_site_fract_x)"
        )
        raise crystal_error(source, text)
    raise crystal_error(source, "the CIF lists no atoms (_atom_site_fract_x); give atom sites")


def crystal_from_block(block: Any, source: str) -> Crystal:
    """Build the full cell of one CIF block.

    Parameters
    ----------
    block
        A ``gemmi.cif.Block``.
    source
        The file and block, for messages.

    Returns
    -------
    Crystal
        All the atoms of the cell: symmetry comes from the list of operations, or else from the
        Hall or Hermann-Mauguin name, or else from the number of the space group; a file that gives
        none of these is taken as P 1. Deuterium and tritium are read as hydrogen. ``charges`` are
        the oxidation numbers, where each species has one.

    Raises
    ------
    CrystalError
        If the cell, a site or the symmetry is missing, contradictory or disordered.
    """
    cell = _read_cell(block, source)
    sites = _read_sites(block, source)
    _refuse_partial_occupancy(sites, source)
    _refuse_missing_elements(block, sites, source)
    labels = [site.label for site in sites]
    numbers = np.array([ATOMIC_NUMBERS[site.species.symbol] for site in sites])
    listed = np.array([site.fractional for site in sites])

    def check(fractional: NDArray[np.float64], parents: NDArray[np.int64]) -> None:
        _refuse_shared_positions(cell, fractional, parents, sites, source)

    fractional, parents = choose_expansion(block, cell, listed, numbers, labels, check, source)
    charges = [site.species.charge for site in sites]
    known = all(charge is not None for charge in charges)
    return Crystal(
        cell=cell,
        positions=fractional @ cell,
        numbers=numbers[parents],
        pbc=np.ones(3, dtype=bool),
        source=source,
        charges=np.array(charges, dtype=np.float64)[parents] if known else None,
    )


def _number(raw: str, what: str, source: str) -> float:
    from gemmi import cif

    number = float(cif.as_number(raw))
    if not math.isfinite(number):
        raise crystal_error(source, f"{what} is {raw!r}, and must be a number; give its value")
    return number


def _read_cell(block: Any, source: str) -> NDArray[np.float64]:
    parameters = []
    for item in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        raw = value(block, "cell", item)
        if raw is None:
            raise crystal_error(source, f"_cell_{item} is missing; give the whole cell")
        parameters.append(_number(raw, f"_cell_{item}", source))
    a, b, c, *angles = parameters
    if min(a, b, c) <= 0.0 or min(angles) <= 0.0 or max(angles) >= 180.0:
        text = f"the cell {parameters} is impossible; lengths must be > 0, angles between 0 and 180"
        raise crystal_error(source, text)
    alpha, beta, gamma = (
        _EXACT_COSINES.get(angle, math.cos(math.radians(angle))) for angle in angles
    )
    sine = math.sqrt(1.0 - gamma * gamma)
    across = (alpha - beta * gamma) / sine
    height = 1.0 - beta * beta - across * across
    if height <= 1e-12:
        text = f"the cell angles {angles} enclose no volume; correct them"
        raise crystal_error(source, text)
    return np.array(
        [
            [a, 0.0, 0.0],
            [b * gamma, b * sine, 0.0],
            [c * beta, c * across, c * math.sqrt(height)],
        ]
    )


def _read_sites(block: Any, source: str) -> list[_Site]:
    axes = [column(block, "atom_site", f"fract_{axis}") for axis in "xyz"]
    count = len(axes[0])
    defaults = {
        "label": "?",
        "type_symbol": "?",
        "occupancy": "?",
        "disorder_group": ".",
        "attached_hydrogens": ".",
        "calc_flag": ".",
    }
    columns = {
        item: column(block, "atom_site", item) or [defaults[item]] * count for item in defaults
    }
    for item, cells in [*columns.items(), *zip(("fract_y", "fract_z"), axes[1:], strict=True)]:
        if len(cells) != count:
            text = f"_atom_site_{item} has {len(cells)} values for {count} sites; give one a site"
            raise crystal_error(source, text)
    oxidation = listed_oxidation_numbers(block)
    elements = known_elements(block)
    sites = []
    for row in range(count):
        entry = {item: cells[row] for item, cells in columns.items()}
        label = entry["label"] if entry["label"] not in {"?", "."} else f"in row {row + 1}"
        _refuse_incomplete_site(entry, label, source)
        x, y, z = (
            _number(axes[axis][row], f"site {label}: _atom_site_fract_{'xyz'[axis]}", source)
            for axis in range(3)
        )
        species = read_species(entry["type_symbol"], entry["label"], elements, oxidation)
        if isinstance(species, str):
            raise crystal_error(source, f"site {label}: {species}")
        sites.append(_Site(label, species, (x, y, z), _occupancy(entry, label, source)))
    return sites


def _occupancy(entry: dict[str, str], label: str, source: str) -> float:
    # The dictionary's default is 1; programs print '?' where they were told nothing.
    if entry["occupancy"] in {"?", "."}:
        return 1.0
    return _number(entry["occupancy"], f"site {label}: _atom_site_occupancy", source)


def _refuse_incomplete_site(entry: dict[str, str], label: str, source: str) -> None:
    if entry["disorder_group"] not in {".", "?", "0", "1"}:
        text = f"belongs to disorder group {entry['disorder_group']}; keep one group"
        raise crystal_error(source, f"site {label} {text}, and remove the others")
    if entry["attached_hydrogens"] not in {".", "?", "0"}:
        text = f"has {entry['attached_hydrogens']} hydrogen atoms without a place; add their sites"
        raise crystal_error(source, f"site {label} {text}")
    if entry["calc_flag"].lower() == "dum":
        raise crystal_error(source, f"site {label} is marked as a dummy (dum); remove it")


def _refuse_partial_occupancy(sites: list[_Site], source: str) -> None:
    for site in sites:
        if abs(site.occupancy - 1.0) <= OCCUPANCY_ROUNDING:
            continue
        step = np.array([other.fractional for other in sites]) - site.fractional
        near = np.abs(step - np.round(step)).max(axis=1) < 1e-3
        shared = [other for other, same in zip(sites, near, strict=True) if same]
        listed = " + ".join(f"{s.occupancy:g} {s.species.symbol} ({s.label})" for s in shared)
        raise crystal_error(
            source,
            f"site {site.label}: partial occupancy: {listed}; a sum needs one whole atom at each "
            "site: make an ordered structure (a supercell, or one choice for the site)",
        )


def _refuse_missing_elements(block: Any, sites: list[_Site], source: str) -> None:
    missing = sorted(known_elements(block, formula_only=True) - {s.species.symbol for s in sites})
    if missing:
        raise crystal_error(
            source,
            f"its formula contains {', '.join(missing)}, but no site does; add the missing sites, "
            "or correct _chemical_formula_sum",
        )


def _refuse_shared_positions(
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    parents: NDArray[np.int64],
    sites: list[_Site],
    source: str,
) -> None:
    tolerance = coincidence_distance(cell)
    wrapped = fractional - np.floor(fractional)
    owners = parents
    margins = tolerance * np.linalg.norm(np.linalg.inv(cell), axis=0)
    for axis in range(3):
        low = wrapped[:, axis] < margins[axis]
        wrapped = np.concatenate([wrapped, wrapped[low] + np.eye(3)[axis]])
        owners = np.concatenate([owners, owners[low]])
    pairs = _close_pairs(wrapped @ cell, tolerance)
    for first, second in np.sort(owners[pairs], axis=1):
        one, other = sites[first], sites[second]
        # A file without symmetry that lists an atom twice says so plainly; it is taken at its word.
        plain = len(parents) == len(sites) and one.species.symbol == other.species.symbol
        if plain or first == second:
            continue
        raise crystal_error(
            source,
            f"sites {one.label} ({one.species.symbol}) and {other.label} ({other.species.symbol}) "
            "stand at the same position: a mixed site, or a site that symmetry already makes; keep "
            "one of them",
        )


# Up to here all distances are computed faster than SciPy is imported.
_FEW_POINTS = 600


def _close_pairs(points: NDArray[np.float64], tolerance: float) -> NDArray[np.intp]:
    """(m, 2) pairs of points that are at most a tolerance apart."""
    if len(points) > _FEW_POINTS:
        from scipy.spatial import cKDTree

        return cKDTree(points).query_pairs(tolerance, output_type="ndarray")
    squares = sum((column[:, None] - column) ** 2 for column in points.T)
    return np.argwhere(np.triu(squares <= tolerance**2, k=1))
