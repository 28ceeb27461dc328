"""The symmetry that a CIF block states, in whichever of the dictionaries' items it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.checks import crystal_error
from madelung.crystals.reading.cif_tags import CifBlock
from madelung.crystals.reading.space_group_names import (
    groups_of_magnetic_name,
    groups_of_name,
    groups_of_number,
    is_full_symbol,
    is_standard_setting,
    number_of_schoenflies,
    with_setting_code,
)
from madelung.crystals.reading.symmetry import (
    Operations,
    operations_from_generators,
    operations_from_group,
    operations_from_triplets,
)

__all__ = ["stated_readings"]

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_MAGNETIC_OPERATIONS = "_space_group_symop_magn_operation_xyz"
_MAGNETIC_CENTRINGS = "_space_group_symop_magn_centering_xyz"
_GENERATORS = ("_space_group_symop_generator_xyz", "_symmetry_generator_xyz")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAMES = (
    "_space_group_name_h_m_alt",
    "_symmetry_space_group_name_h_m",
    "_space_group_name_h_m_full",
    "_space_group_name_h_m_ref",
    "_space_group_name_h_m",
    "_symmetry_space_group_name_h_m_alt",
    "_symmetry_space_group_name_h_m_full",
)
_MAGNETIC_NAMES = ("_space_group_magn_name_bns", "_space_group_magn_name_og")
_MAGNETIC_TRANSFORM = "_space_group_magn_transform_bns_pp_abc"
_NUMBERS = (
    "_space_group_it_number",
    "_symmetry_int_tables_number",
    "_symmetry_space_group_number",
)
_SCHOENFLIES = ("_space_group_name_schoenflies", "_symmetry_space_group_name_schoenflies")
_SETTING_CODE = "_space_group_it_coordinate_system_code"
_UNDERSTOOD = frozenset(
    {*_OPERATIONS, *_GENERATORS, *_HALL, *_NAMES, *_NUMBERS, *_SCHOENFLIES}
    | {_MAGNETIC_OPERATIONS, _MAGNETIC_CENTRINGS, _SETTING_CODE}
)
# Names of rows, and what an understood group or list says better.
_BESIDE = re.compile(
    r"_symmetry_(cell_setting|equiv_pos_site_id|equiv_id|equiv_pos_id)"
    r"|_space_group_(id|crystal_system|bravais_type|centring_type|laue_class|reference_setting)"
    r"|_space_group_(patterson_name_h_m|point_group_\w+|transform_\w+|wyckoff_\w+)"
    r"|_space_group_symop_(id|sg_id|operation_description|generator_id|magn_id)"
    r"|_space_group_symop_magn_(operation|centering)_(id|mxmymz|timereversal|description)"
    r"|_space_group_magn_(point_group_\w+|transform_\w+|number_\w+|name_\w+|id|og_\w+)"
)
_ROWS = re.compile(r"\w+_(id|mxmymz|site_id)$")


@dataclass(eq=False)
class _Stated:
    """What a block states, read item by item."""

    lists: list[Operations] = field(default_factory=list)
    named: list[Any] = field(default_factory=list)
    hall: Operations | None = None
    full_symbol: bool = False
    # Items that are present and not understood, as the file spells them, with their values.
    unclear: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[Operations]:
        """Operations of the named groups: several where the name leaves the setting open."""
        if self.hall is not None:
            return [self.hall]
        several = len(self.named) > 1 and not self.lists
        return [
            operations_from_group(
                group.operations(),
                f"space group {group.xhm()!r}",
                several and is_standard_setting(group),
            )
            for group in self.named
        ]


def stated_readings(
    block: CifBlock, cell: NDArray[np.float64], source: str, warnings: list[str]
) -> list[Operations]:
    """Return the symmetry that a block states; several where it can be read in several ways.

    A list of operations comes before a Hall name, that before a Hermann-Mauguin name, a magnetic
    name (BNS, OG), the number of the space group, and its Schoenflies symbol.

    Parameters
    ----------
    block
        The block.
    cell
        (3, 3) lattice vectors as rows, in Å.
    source
        The file and block, for messages.
    warnings
        Takes what should be known of the block.

    Raises
    ------
    CrystalError
        If the block is of a modulated structure, or states symmetry in an item that is not
        understood, and nothing that is understood says more than the identity.
    """
    _refuse_modulated(block, source)
    stated = _read(block, cell, source)
    lists = [part for part in stated.lists if len(part) > 1] or stated.lists[:1]
    groups = stated.groups
    if lists and len(lists[0]) > 1:
        if stated.unclear:
            warnings.append(f"not understood, beside a list of operations: {stated.unclear[0]}")
        # A list cut down to fewer operations than its group has is as common as a stale name.
        listed = lists[0]
        fuller = [group for group in groups if len(group) > len(listed)]
        return [*lists, *fuller] if len(fuller) == len(groups) else lists
    if stated.unclear and (lists or len(groups) != 1):
        raise crystal_error(
            source,
            f"its symmetry is stated as {stated.unclear[0]}, which is not understood; give the "
            "list of symmetry operations (_space_group_symop_operation_xyz)",
        )
    if stated.unclear:
        warnings.append(f"not understood, beside {groups[0].name}: {stated.unclear[0]}")
    return _without_list(stated, lists, groups, source, warnings)


def _without_list(
    stated: _Stated,
    lists: list[Operations],
    groups: list[Operations],
    source: str,
    warnings: list[str],
) -> list[Operations]:
    """Return the readings of a block whose list of operations holds the identity at most."""
    fuller = [group for group in groups if len(group) > 1]
    if lists and stated.full_symbol and fuller:
        # The full symbol is no program's left-over; the identity alone is many a program's filler.
        warnings.append(
            f"its list of operations holds the identity alone, and {groups[0].name} was taken"
        )
        return fuller
    if lists:
        return [lists[0], *fuller] if len(fuller) == len(groups) else lists
    if groups:
        return groups
    if stated.beside:
        raise crystal_error(
            source,
            f"it states {stated.beside[0]} and no space group; give the list of symmetry "
            "operations (_space_group_symop_operation_xyz)",
        )
    warnings.append("it states no symmetry, and was read as P 1: every atom of the cell is listed")
    return [operations_from_triplets(["x,y,z"], source)]


def _refuse_modulated(block: CifBlock, source: str) -> None:
    for key, column in block.columns.items():
        superspace = "_ssg" in key and key.startswith(("_space_group", "_symmetry"))
        dimension = key == "_cell_modulation_dimension" and column.raw[0].strip("'\"") != "0"
        if column.is_known and (superspace or dimension or key.startswith("_cell_wave_vector_")):
            raise crystal_error(
                source,
                f"a modulated structure ({column.tag}), which no single cell holds; give a "
                "commensurate approximant, or its average structure without superspace items",
            )


def _read(block: CifBlock, cell: NDArray[np.float64], source: str) -> _Stated:
    stated = _Stated()
    _read_lists(block, stated, source)
    _read_names(block, stated, cell)
    _read_numbers(block, stated, cell)
    _read_code(block, stated)
    for key, column in block.columns.items():
        if not key.startswith(("_symmetry", "_space_group")) or not column.is_known:
            continue
        if _BESIDE.fullmatch(key):
            trivial = column.texts()[0].strip().lower() in {"triclinic", "anorthic", "p", "1"}
            if not (trivial or _ROWS.fullmatch(key)):
                stated.beside.append(_shown(column.tag, column.texts()[0]))
        elif key not in _UNDERSTOOD and key not in _MAGNETIC_NAMES:
            stated.unclear.append(_shown(column.tag, column.texts()[0]))
    return stated


def _shown(tag: str, text: str) -> str:
    return f"{tag} {text[:60]!r}"


def _known(block: CifBlock, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Return tag and first value of the items among these that are known."""
    found = [block.columns[key] for key in keys if key in block.columns]
    return [(column.tag, column.texts()[0].strip()) for column in found if column.is_known]


def _triplets(block: CifBlock, key: str) -> list[str]:
    column = block.columns.get(key)
    return [] if column is None or not column.is_known else column.texts()


def _read_lists(block: CifBlock, stated: _Stated, source: str) -> None:
    for key in _OPERATIONS:
        triplets = _triplets(block, key)
        if triplets:
            stated.lists.append(operations_from_triplets(triplets, source))
    magnetic = _triplets(block, _MAGNETIC_OPERATIONS)
    if magnetic:
        centrings = _triplets(block, _MAGNETIC_CENTRINGS)
        # Time reversal, the fourth part, moves no atom.
        plain = [",".join(text.split(",")[:3]) for text in magnetic]
        moved = [",".join(text.split(",")[:3]) for text in centrings]
        stated.lists.append(operations_from_generators(plain, moved, source))
    for key in _GENERATORS:
        triplets = _triplets(block, key)
        if triplets:
            stated.lists.append(operations_from_generators([], triplets, source))


def _read_names(block: CifBlock, stated: _Stated, cell: NDArray[np.float64]) -> None:
    import gemmi

    for tag, text in _known(block, _HALL):
        try:
            if stated.hall is None:
                group = gemmi.symops_from_hall(text)
                stated.hall = operations_from_group(group, f"Hall symbol {text!r}")
        except (RuntimeError, ValueError):
            stated.unclear.append(_shown(tag, text))
    for tag, text in _known(block, _NAMES):
        groups = groups_of_name(text, cell)
        if not groups:
            stated.unclear.append(_shown(tag, text))
        elif not stated.named:
            stated.named = groups
            stated.full_symbol = is_full_symbol(text, cell)
    if stated.named or stated.hall is not None or stated.lists:
        return
    transform = _known(block, [_MAGNETIC_TRANSFORM])
    for tag, text in _known(block, _MAGNETIC_NAMES):
        groups = groups_of_magnetic_name(text, cell)
        standard = all(re.sub(r"\s", "", value) == "a,b,c;0,0,0" for _, value in transform)
        if groups and standard:
            stated.named = stated.named or groups
        else:
            stated.unclear.append(_shown(*((tag, text) if standard else transform[0])))


def _read_numbers(block: CifBlock, stated: _Stated, cell: NDArray[np.float64]) -> None:
    import gemmi

    unclear_name = bool(stated.unclear)
    for keys, number_of in ((_NUMBERS, _plain_number), (_SCHOENFLIES, number_of_schoenflies)):
        for tag, text in _known(block, keys):
            number = number_of(text)
            if number is None:
                stated.unclear.append(_shown(tag, text))
                continue
            settings = [group for group in gemmi.spacegroup_table() if group.number == number]
            # A number means the standard setting, unless it stands beside a name of another one.
            if not (stated.named or stated.hall) and (not unclear_name or len(settings) == 1):
                stated.named = groups_of_number(number, cell)


def _plain_number(text: str) -> int | None:
    plain = re.fullmatch(r"0*(\d{1,3})", text)
    return int(plain[1]) if plain and 1 <= int(plain[1]) <= 230 else None


def _read_code(block: CifBlock, stated: _Stated) -> None:
    for tag, text in _known(block, [_SETTING_CODE]):
        if not stated.named or stated.hall is not None:
            continue
        chosen = with_setting_code(stated.named, text)
        if chosen:
            stated.named = chosen
        else:
            stated.unclear.append(_shown(tag, text))
