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

__all__ = ["as_batch", "as_crystals"]


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
    single = _as_crystal(crystals)
    if single is not None:
        return [single], True
    if isinstance(crystals, CrystalBatch):
        return list(crystals), False
    if not isinstance(crystals, Iterable):
        raise CrystalError(_not_a_crystal(crystals))
    members = []
    for index, item in enumerate(crystals):
        crystal = _as_crystal(item)
        if crystal is None:
            raise CrystalError(f"item {index}: {_not_a_crystal(item)}")
        members.append(crystal)
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
