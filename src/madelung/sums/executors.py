"""Which executor carries a request of sums out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import MadelungError
from madelung.common.native import native_core
from madelung.sums.request import SumOutcome, SumRequest

__all__ = ["Executor", "choose_executor"]


_LOGGER = logging.getLogger("madelung")


Executor = Callable[[SumRequest, NDArray[np.float64]], SumOutcome]


def choose_executor(name: str, request: SumRequest) -> Executor:
    """Return the function that carries a request out.

    Raises
    ------
    ValueError
        If the name is none of "auto", "native" and "torch", or the core cannot do the request.
    MadelungError
        If the native core is asked for by name and not installed.
    """
    if name not in ("auto", "native", "torch"):
        raise ValueError(f"executor must be 'auto', 'native' or 'torch', not {name!r}")
    obstacle = _obstacle_to_native(request)
    if name == "native" and obstacle:
        raise ValueError(f"the native executor cannot do this: {obstacle}; use executor='torch'")
    if name == "torch" or obstacle:
        return _torch_executor()
    if _core_is_installed():
        from madelung.sums.native_executor import run_native

        return run_native
    if name == "native":
        raise MadelungError(
            "the native core is not installed; build it with 'pip install .', or use "
            "executor='torch'"
        )
    _notice_missing_core()
    return _torch_executor()


@cache
def _core_is_installed() -> bool:
    return native_core() is not None


def _torch_executor() -> Executor:
    from madelung.sums.torch_executor import run_torch

    return run_torch


def _obstacle_to_native(request: SumRequest) -> str:
    if not request.is_on_cpu:
        return "it works on the CPU only"
    unknown = [potential for potential in request.potentials if potential.kernel is None]
    return f"it does not know {unknown[0]!r}" if unknown else ""


_noticed = False


def _notice_missing_core() -> None:
    global _noticed
    if not _noticed:
        _LOGGER.warning("the native core is not installed; sums are done by PyTorch, more slowly")
        _noticed = True
