"""The native modules, where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

from madelung.common.errors import ForceFieldError

__all__ = ["native_core", "spline_core", "uf3_core"]


@cache
def native_core() -> Any:
    """Return the module of sums and networks, ``madelung._core``; None where there is none."""
    return _installed("madelung._core")


@cache
def uf3_core() -> Any:
    """Return the module of UF3 potentials, ``madelung._uf3``.

    Raises
    ------
    ForceFieldError
        If the package was installed without a compiler.
    """
    return _required("madelung._uf3", "UF3 potentials")


@cache
def spline_core() -> Any:
    """Return the module of spline MEAM and EAM potentials, ``madelung._spline_meam``.

    Raises
    ------
    ForceFieldError
        If the package was installed without a compiler.
    """
    return _required("madelung._spline_meam", "spline potentials")


def _required(name: str, purpose: str) -> Any:
    module = _installed(name)
    if module is None:
        raise ForceFieldError(
            f"{purpose} need the compiled core, and this installation has none; install a C++20 "
            "compiler and then the package again"
        )
    return module


def _installed(name: str) -> Any:
    return None if importlib.util.find_spec(name) is None else importlib.import_module(name)
