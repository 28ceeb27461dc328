"""The native modules, where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

from madelung.common.errors import ForceFieldError

__all__ = ["native_core", "native_module", "spline_core", "uf3_core"]


@cache
def native_core() -> Any:
    """Return the module of sums and networks; None where it is not installed."""
    return native_module("madelung.common._core")


@cache
def uf3_core() -> Any:
    """Return the module of UF3 potentials, ``madelung.common._uf3``.

    Raises
    ------
    ForceFieldError
        If the package was installed without a compiler.
    """
    return _required("madelung.common._uf3", "UF3 potentials")


@cache
def spline_core() -> Any:
    """Return the module of spline MEAM and EAM potentials, ``madelung.common._splines``.

    Raises
    ------
    ForceFieldError
        If the package was installed without a compiler.
    """
    return _required("madelung.common._splines", "spline potentials")


def _required(name: str, purpose: str) -> Any:
    module = native_module(name)
    if module is None:
        raise ForceFieldError(
            f"{purpose} need the compiled core, and this installation has none; install a C++20 "
            "compiler and then the package again"
        )
    return module


def native_module(name: str) -> Any:
    """Return a native module by its full name; None where it is not installed."""
    return None if importlib.util.find_spec(name) is None else importlib.import_module(name)
