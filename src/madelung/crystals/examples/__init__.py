"""Well-known experimental crystal structures that come with the package, as CIF files.

Each file names its source and gives oxidation numbers.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.errors import CrystalError

if TYPE_CHECKING:
    from madelung.crystals.crystal import Crystal

__all__ = ["EXAMPLE_NAMES", "example", "example_path"]

EXAMPLE_NAMES: tuple[str, ...] = ("CaF2", "CsCl", "NaCl", "SiO2", "SrTiO3", "TiO2", "ZnS")
"""Fluorite, caesium chloride, rock salt, alpha quartz, strontium titanate, rutile, sphalerite."""


def example_path(name: str) -> Path:
    """Return the path of an example's CIF file.

    Parameters
    ----------
    name
        One of :data:`EXAMPLE_NAMES`.

    Raises
    ------
    CrystalError
        If there is no example of this name.
    """
    if name not in EXAMPLE_NAMES:
        raise CrystalError(
            f"there is no example crystal {name!r}; choose one of {', '.join(EXAMPLE_NAMES)}"
        )
    return Path(str(files(__name__) / f"{name}.cif"))


def example(name: str) -> Crystal:
    """Return an example crystal: its conventional cell, with oxidation states as charges.

    Parameters
    ----------
    name
        One of :data:`EXAMPLE_NAMES`.

    Raises
    ------
    CrystalError
        If there is no example of this name.
    """
    from madelung.crystals.reading.files import read

    return read(example_path(name))
