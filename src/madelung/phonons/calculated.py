"""Phonons that somebody has calculated, in any file that is read."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import ArrayLike

from madelung.common.compression import without_compression
from madelung.common.errors import PhononError
from madelung.phonons.displaced_frames import FRAME_SUFFIXES, read_displaced_frames
from madelung.phonons.files import read_phonopy
from madelung.phonons.harmonic_crystal import HarmonicCrystal

__all__ = ["read_calculated"]


def read_calculated(
    path: str | os.PathLike[str],
    *,
    unit_cell: str | os.PathLike[str] | None = None,
    supercell: ArrayLike | None = None,
    born: str | os.PathLike[str] | None = None,
) -> HarmonicCrystal:
    """Read force constants from files of phonopy or from extxyz frames of displaced supercells.

    Parameters
    ----------
    path, unit_cell, supercell, born
        As :func:`read_phonopy` or :func:`read_displaced_frames` take them; the suffix decides
        (``.extxyz`` and ``.xyz`` are frames).

    Raises
    ------
    PhononError
        If the file cannot be read, or does not determine force constants.
    """
    place = Path(path)
    if not without_compression(place.name).lower().endswith(FRAME_SUFFIXES):
        return read_phonopy(path, unit_cell=unit_cell, supercell=supercell, born=born)
    if unit_cell is None:
        raise PhononError(
            f"{place}: does not say from where its atoms are displaced; name the unit cell's file"
        )
    return read_displaced_frames(path, unit_cell=unit_cell, supercell=supercell, born=born)
