"""Carries sums out with the native core; imported only where that exists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError
from madelung.common.native import native_core
from madelung.sums.request import SumOutcome, SumRequest

__all__ = ["native_gradient", "run_native"]

_core: Any = native_core()


def run_native(request: SumRequest, tolerances: NDArray[np.float64]) -> SumOutcome:
    """Sum the potentials of a request with the native core, on the CPU.

    Parameters
    ----------
    request
        Crystals and potentials; every potential has a kernel in the core.
    tolerances
        (B, P) errors that are allowed.

    Returns
    -------
    SumOutcome
        Its values are an array if the request has no tensors, and otherwise a tensor that can be
        differentiated once.

    Raises
    ------
    CrystalError
        If a cell is so thin that its cutoffs take in too many lattice points.
    """
    if request.has_tensors:
        from madelung.sums.autograd import run_native_on_tensors

        return run_native_on_tensors(_core, request, tolerances)
    parameters = np.array([potential.number for potential in request.potentials])
    arguments = request.native_arguments(request.cells, request.positions, parameters, tolerances)
    try:
        values, certificates = request.call(_core.forward, *arguments)
    except RuntimeError as problem:
        raise CrystalError(str(problem)) from None
    return SumOutcome(np.asarray(values), np.asarray(certificates))


def native_gradient(
    request: SumRequest, tolerances: NDArray[np.float64], cotangent: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Differentiate a combination of sums with the native core.

    Parameters
    ----------
    request
        Crystals and potentials, none of them tensors.
    tolerances
        (B, P) errors that are allowed.
    cotangent
        What each sum is multiplied by, in the flat layout or for one crystal (P, n, n).

    Returns
    -------
    by_position : (N, 3) array
    by_cell : (B, 3, 3) array
        At fixed Cartesian positions.

    Raises
    ------
    CrystalError
        If a cell is so thin that its cutoffs take in too many lattice points.
    """
    parameters = np.array([potential.number for potential in request.potentials])
    arguments = request.native_arguments(request.cells, request.positions, parameters, tolerances)
    flat = np.ascontiguousarray(cotangent.reshape(len(request.potentials), -1))
    try:
        by_position, by_cell, _ = request.call(_core.gradient, *arguments, flat)
    except RuntimeError as problem:
        raise CrystalError(str(problem)) from None
    return np.asarray(by_position), np.asarray(by_cell)
