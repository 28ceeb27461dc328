"""Crystals from CIF files.

Gemmi reads the syntax and knows the space groups; what the values mean for a crystal is decided
here: a site must hold one whole atom of a known element at a known place, or the file is refused.
Definitions: International Tables for Crystallography, volume G; core CIF dictionary 2.4 and 3.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.crystals.occupancy import is_full, left_out
from madelung.crystals.reading.cif_species import Species, listed_oxidation_numbers, read_species
from madelung.crystals.reading.cif_symmetry import choose_expansion
from madelung.crystals.reading.cif_tags import (
    CifBlock,
    column,
    formula_counts,
    known_elements,
    site_column,
    value,
)
from madelung.crystals.reading.places import close_pairs, coincidence_distance, settle_places

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


def cif_blocks(text: str, source: str) -> list[tuple[str, CifBlock]]:
    """Split the text of a CIF into the data blocks that hold atoms.

    Parameters
    ----------
    text
        The file's text.
    source
        The file's name, for messages.

    Returns
    -------
    list of (str, CifBlock)
        Each block with the name by which messages call it.

    Raises
    ------
    CrystalError
        If the text is no CIF (the message gives the line), or no block holds atoms.
    """
    blocks = _parsed(text, source)
    holding = [block for block in blocks if column(block, "atom_site", "fract_x")]
    if holding and len(blocks) == 1:
        return [(source, holding[0])]
    if holding:
        names = [block.name for block in holding]
        # A name that several blocks share is told apart by its number among them.
        numbers = [names[: place + 1].count(name) for place, name in enumerate(names)]
        shown = [
            name if names.count(name) == 1 else f"{name}, {number} of {names.count(name)}"
            for name, number in zip(names, numbers, strict=True)
        ]
        return [(f"{source} (block {name})", b) for name, b in zip(shown, holding, strict=True)]
    if any(column(block, "atom_site", "Cartn_x") for block in blocks):
        text = (
            "its atoms have Cartesian coordinates only; give fractional ones (_atom_site_fract_x)"
        )
        raise crystal_error(source, text)
    raise crystal_error(source, "the CIF lists no atoms (_atom_site_fract_x); give atom sites")


# Gemmi takes some 40 bytes of memory for each word.
_MOST_WORDS = 6_000_000
# What looks like a sign of ASCII, and is none.
_LOOK_ALIKES = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{HYPHEN}": "-", "\N{NO-BREAK SPACE}": " "}
)


def _parsed(text: str, source: str) -> list[CifBlock]:
    from gemmi import cif

    words = text.count(" ") + text.count("\n") + text.count("\t")
    if words > _MOST_WORDS:
        raise crystal_error(source, f"more than {_MOST_WORDS} words; take the structure out of it")
    try:
        try:
            blocks = list(cif.read_string(text, check_level=0))
        except (RuntimeError, ValueError):
            if text.isascii():
                raise
            # Letters beyond ASCII may stand in quotes alone; no item that is read here has any.
            plain = re.sub(r"[^\x00-\x7f]", "_", text.translate(_LOOK_ALIKES))
            blocks = list(cif.read_string(plain, check_level=0))
    except (RuntimeError, ValueError) as error:
        where = str(error).replace("string:", "line ", 1).strip()
        raise crystal_error(source, f"no readable CIF: {where}; mend that line") from None
    return [CifBlock.of(block) for block in blocks]


def crystal_from_block(block: CifBlock, source: str) -> Crystal:
    """Build the full cell of one CIF block.

    Parameters
    ----------
    block
        One of :func:`cif_blocks`.
    source
        The file and block, for messages.

    Returns
    -------
    Crystal
        All the atoms of the cell: symmetry comes from the list of operations, or else from the
        Hall, Hermann-Mauguin, magnetic (BNS) or Schoenflies name, or from the number of the space
        group. ``warnings`` say what was odd: a file without symmetry (read as P 1), copies of
        atoms, repeated items, empty sites, a formula that contradicts the atoms. Deuterium and
        tritium are read as hydrogen. ``charges`` are the oxidation numbers, where each species has
        one.

    Raises
    ------
    CrystalError
        If the cell, a site or the symmetry is missing, contradictory or disordered.
    """
    cell = _read_cell(block, source)
    warnings = list(block.warnings)
    sites = _whole_sites(_read_sites(block, source), warnings, source)
    _refuse_partial_occupancy(sites, source)
    _refuse_missing_elements(block, sites, source)
    labels = [site.label for site in sites]
    numbers = np.array([ATOMIC_NUMBERS[site.species.symbol] for site in sites])
    listed = np.array([site.fractional for site in sites])

    def check(fractional: NDArray[np.float64], parents: NDArray[np.int64]) -> None:
        _refuse_shared_positions(cell, fractional, parents, sites, source)

    fractional, parents = choose_expansion(
        block, cell, listed, numbers, labels, check, source, warnings
    )
    charges = [site.species.charge for site in sites]
    known = all(charge is not None for charge in charges)
    crystal = Crystal(
        cell=cell,
        positions=fractional @ cell,
        numbers=numbers[parents],
        pbc=np.ones(3, dtype=bool),
        source=source,
        charges=np.array(charges, dtype=np.float64)[parents] if known else None,
        warnings=tuple(warnings),
    )
    crystal = settle_places(crystal)
    return replace(crystal, warnings=(*crystal.warnings, *_contradictions(block, crystal)))


def _number(raw: str, what: str, source: str) -> float:
    from gemmi import cif

    number = float(cif.as_number(raw))
    if not math.isfinite(number):
        raise crystal_error(source, f"{what} is {raw!r}, and must be a number; give its value")
    return number


def _read_cell(block: CifBlock, source: str) -> NDArray[np.float64]:
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
    across = (alpha - beta * gamma) / sine if sine > 0.0 else 1.0
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


def _read_sites(block: CifBlock, source: str) -> list[_Site]:
    axes = [site_column(block, f"fract_{axis}") for axis in "xyz"]
    count = len(axes[0])
    defaults = {
        "label": "?",
        "type_symbol": "?",
        "occupancy": "?",
        "disorder_group": ".",
        "attached_hydrogens": ".",
        "calc_flag": ".",
    }
    columns = {item: site_column(block, item) or [defaults[item]] * count for item in defaults}
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


def _whole_sites(sites: list[_Site], warnings: list[str], source: str) -> list[_Site]:
    """Leave out the sites that hold nothing."""
    warnings.extend(left_out([site.label for site in sites if site.occupancy == 0.0]))
    remaining = [site for site in sites if site.occupancy != 0.0]
    if not remaining:
        raise crystal_error(source, "all its sites have occupancy 0; give at least one atom")
    return remaining


def _contradictions(block: CifBlock, crystal: Crystal) -> list[str]:
    """Compare the formula and Z with the atoms; hydrogen, which many files leave out, aside."""
    raw = value(block, "chemical_formula", "sum")
    formula = {symbol: count for symbol, count in formula_counts(block).items() if symbol != "H"}
    if raw is None or not formula:
        return [] if raw is None else [f"its formula {raw!r} is not understood, nor compared"]
    atoms = Counter(symbol for symbol in crystal.symbols if symbol != "H")
    units = value(block, "cell", "formula_units_Z")
    stated = _number_or_none(units)
    ratios = [atoms[symbol] / count for symbol, count in formula.items()]
    same = atoms.keys() == formula.keys() and max(ratios) - min(ratios) <= 0.02 * max(ratios)
    ratio = sum(ratios) / len(ratios)
    # Some programs write the formula of the whole cell beside Z.
    divided = all(count % (stated or 1.0) == 0.0 for count in atoms.values())
    whole = divided and abs(ratio - 1.0) < 0.02
    if same and (stated is None or abs(ratio - stated) <= 0.02 * stated or whole):
        return []
    beside = "" if units is None else f" with Z = {units}"
    return [f"its formula {raw!r}{beside} contradicts the atoms that were read: {crystal.formula}"]


def _number_or_none(raw: str | None) -> float | None:
    from gemmi import cif

    number = math.nan if raw is None else float(cif.as_number(raw))
    return number if math.isfinite(number) and number > 0.0 else None


def _refuse_partial_occupancy(sites: list[_Site], source: str) -> None:
    for site in sites:
        if is_full(site.occupancy):
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


def _refuse_missing_elements(block: CifBlock, sites: list[_Site], source: str) -> None:
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
    pairs = close_pairs(wrapped @ cell, tolerance)
    for first, second in np.sort(owners[pairs], axis=1):
        one, other = sites[first], sites[second]
        # Without symmetry, a copy of an atom can only be one; settle_places merges it.
        plain = len(parents) == len(sites) and one.species.symbol == other.species.symbol
        if plain or first == second:
            continue
        raise crystal_error(
            source,
            f"sites {one.label} ({one.species.symbol}) and {other.label} ({other.species.symbol}) "
            "stand at the same position: a mixed site, or a site that symmetry already makes; keep "
            "one of them",
        )
