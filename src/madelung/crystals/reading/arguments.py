"""Whatever a public function was given, as crystals.

ASE, pymatgen and readers of files are looked at only when one of their objects, or a path, is
handed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from madelung.common.errors import CrystalError
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal

__all__ = ["as_batch", "as_crystals", "each_as_crystal"]


def as_batch(crystals: Any) -> tuple[CrystalBatch, bool]:
    """Turn whatever a public function was given into a batch; see :func:`as_crystals`."""
    if isinstance(crystals, CrystalBatch):
        return crystals, False
    members, single = as_crystals(crystals)
    return CrystalBatch.from_crystals(members), single


def as_crystals(crystals: Any) -> tuple[list[Crystal], bool]:
    """Turn whatever a public function was given into a list of crystals.

    Parameters
    ----------
    crystals
        A path, ASE ``Atoms``, a pymatgen ``Structure``, a :class:`Crystal`, a
        :class:`CrystalBatch`, or an iterable of these. A path stands for one crystal, the one
        that :func:`madelung.read` returns by default.

    Returns
    -------
    crystals : list of Crystal
    was_single : bool
        Whether one crystal was given, and not a batch or an iterable.

    Raises
    ------
    CrystalError
        If an object is none of these, or one of them is no usable crystal.
    """
    members, single = each_as_crystal(crystals)
    usable = []
    for index, item in enumerate(members):
        if isinstance(item, CrystalError):
            raise CrystalError(f"item {index}: {item}") from item
        usable.append(item)
    return usable, single


def each_as_crystal(crystals: Any) -> tuple[list[Crystal | CrystalError], bool]:
    """Turn the same into a list of crystals, and of what is wrong with items that are none.

    Raises
    ------
    CrystalError
        If there is one object, and it is no usable crystal.
    """
    single = _as_crystal(crystals)
    if single is not None:
        return [single], True
    if isinstance(crystals, CrystalBatch):
        return list(crystals), False
    if not isinstance(crystals, Iterable):
        raise CrystalError(_not_a_crystal(crystals))
    members: list[Crystal | CrystalError] = []
    for item in crystals:
        try:
            members.append(_as_crystal(item) or CrystalError(_not_a_crystal(item)))
        except CrystalError as problem:
            members.append(problem)
    return members, False


def _as_crystal(item: Any) -> Crystal | None:
    if isinstance(item, Crystal):
        return item
    if isinstance(item, str | os.PathLike):
        from madelung.crystals.reading import files as io

        return io.read(item)
    if hasattr(item, "get_atomic_numbers") and hasattr(item, "get_pbc"):
        return Crystal.from_ase(item)
    if hasattr(item, "lattice") and hasattr(item, "frac_coords"):
        return Crystal.from_pymatgen(item)
    return None


def _not_a_crystal(item: Any) -> str:
    return (
        f"cannot make a crystal of an object of type {type(item).__name__!r}; give a path, ASE "
        "Atoms, a pymatgen Structure, a Crystal, or a sequence of these"
    )
