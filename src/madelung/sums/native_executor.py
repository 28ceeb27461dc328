"""Carries sums out with the native core, ``madelung._core``; imported only where that exists."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import CrystalError
from madelung.sums.job import Job, Outcome

__all__ = ["native_gradient", "run_native"]

_core: Any = importlib.import_module("madelung._core")


def run_native(job: Job, tolerances: NDArray[np.float64]) -> Outcome:
    """Sum the potentials of a job with the native core, on the CPU.

    Parameters
    ----------
    job
        Crystals and potentials; every potential has a kernel in the core.
    tolerances
        (B, P) errors that are allowed.

    Returns
    -------
    Outcome
        Its values are an array if the job has no tensors, and otherwise a tensor that can be
        differentiated once.

    Raises
    ------
    CrystalError
        If a cell is so thin that its cutoffs take in too many lattice points.
    """
    if job.has_tensors:
        from madelung.sums.autograd import run_native_on_tensors

        return run_native_on_tensors(_core, job, tolerances)
    parameters = np.array([potential.number for potential in job.potentials])
    arguments = job.native_arguments(job.cells, job.positions, parameters, tolerances)
    try:
        values, certificates = _core.forward(*arguments)
    except RuntimeError as problem:
        raise CrystalError(str(problem)) from None
    return Outcome(np.asarray(values), np.asarray(certificates))


def native_gradient(
    job: Job, tolerances: NDArray[np.float64], cotangent: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Differentiate a combination of sums with the native core.

    Parameters
    ----------
    job
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
    parameters = np.array([potential.number for potential in job.potentials])
    arguments = job.native_arguments(job.cells, job.positions, parameters, tolerances)
    flat = np.ascontiguousarray(cotangent.reshape(len(job.potentials), -1))
    try:
        by_position, by_cell, _ = _core.gradient(*arguments, flat)
    except RuntimeError as problem:
        raise CrystalError(str(problem)) from None
    return np.asarray(by_position), np.asarray(by_cell)
