"""Results of jobs as JSON, CSV, structures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.outputs import whole_file
from madelung.crystals.crystal import Crystal

if TYPE_CHECKING:
    pass

__all__ = ["write_structure"]


def write_structure(path: Path, crystal: Crystal) -> None:
    """Write an extxyz file of one structure."""
    import ase.io

    with whole_file(path) as temporary:
        ase.io.write(temporary, crystal.to_ase(), format="extxyz")
