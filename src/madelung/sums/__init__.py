"""Complete lattice sums of pair potentials, with certified errors.

The names below are imported when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madelung.sums.base import Potential
    from madelung.sums.combinations import Buckingham, Combination, LennardJones, Morse
    from madelung.sums.complete import CompleteSums, complete_sums
    from madelung.sums.potentials import (
        BornMayer,
        Coulomb,
        Gaussian,
        InversePower,
        London,
        Pauli,
        Yukawa,
    )

__all__ = [
    "BornMayer",
    "Buckingham",
    "Combination",
    "CompleteSums",
    "Coulomb",
    "Gaussian",
    "InversePower",
    "LennardJones",
    "London",
    "Morse",
    "Pauli",
    "Potential",
    "Yukawa",
    "complete_sums",
]

_HOMES = {
    "Potential": "base",
    "Buckingham": "combinations",
    "Combination": "combinations",
    "LennardJones": "combinations",
    "Morse": "combinations",
    "CompleteSums": "complete",
    "complete_sums": "complete",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'potentials')}")
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
