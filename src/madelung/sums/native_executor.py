"""Carries sums out with the native core, ``madelung._core``; imported only where that exists."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.errors import CrystalError
from madelung.sums.job import Job, Outcome

__all__ = ["run_native"]

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
