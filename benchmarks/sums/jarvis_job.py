"""Measures the job of JARVIS's size: time, gradient, certificates, memory, threads."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.job_data import save_job
from benchmarks.support.records import ROOT
from benchmarks.support.timing import Timing, contest, ratio

__all__ = ["POTENTIALS", "CoreCall", "measure_certificates", "measure_memory", "measure_times"]

Row = dict[str, Any]
POTENTIALS = (md.Coulomb(), md.London(), md.Pauli(3.0))
TOLERANCES = (1e-3, 1e-6, 1e-10)
TIGHTEST, TRUTH = 1e-10, 1e-14


def core() -> Any:
    """Return the native core."""
    return importlib.import_module("madelung.common._core")


@dataclass(frozen=True)
class CoreCall:
    """Arguments of the native core for one batch, without the number of threads.

    Parameters
    ----------
    arguments
        Cells, positions, offsets, kernels, parameters, tolerances, splittings.
    """

    arguments: tuple[Any, ...]

    @classmethod
    def of(cls, batch: md.CrystalBatch, tolerance: float) -> CoreCall:
        """Put the arguments together."""
        shape = (len(batch), len(POTENTIALS))
        return cls(
            (
                np.ascontiguousarray(batch.cells),
                np.ascontiguousarray(batch.positions),
                batch.offsets,
                np.array([potential.kernel for potential in POTENTIALS], dtype=np.int32),
                np.array([potential.number for potential in POTENTIALS]),
                np.full(shape, tolerance),
                np.zeros(len(batch)),
            )
        )

    @property
    def pairs(self) -> int:
        """Number of ordered pairs of atoms."""
        return int((np.diff(self.arguments[2]) ** 2).sum())

    def forward(self, threads: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (potentials, pairs) sums and (crystals, potentials) certificates."""
        values, certificates = core().forward(*self.arguments, threads)
        return np.asarray(values), np.asarray(certificates)

    def gradient(self, cotangent: NDArray[np.float64]) -> None:
        """Differentiate in positions, cells and parameters."""
        core().gradient(*self.arguments, 1, cotangent)


def public(batches: list[md.CrystalBatch], tolerance: float) -> None:
    """Run the job through the public function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", md.ToleranceWarning)
        for batch in batches:
            md.complete_sums(batch, POTENTIALS, tolerance=tolerance, threads=1)


def measure_times(
    batches: list[md.CrystalBatch], turns: int, step: Callable[[str], None]
) -> list[Row]:
    """Time the public function, the core of every instruction set and the gradient."""
    generator = np.random.default_rng(0)
    rows = []
    for tolerance in TOLERANCES:
        step(f"job at {tolerance:.0e}")
        calls = [CoreCall.of(batch, tolerance) for batch in batches]
        cotangents = [generator.normal(size=(len(POTENTIALS), call.pairs)) for call in calls]
        rows.append({"tolerance": tolerance, **_times(batches, calls, cotangents, turns)})
    return rows


def _times(
    batches: list[md.CrystalBatch],
    calls: list[CoreCall],
    cotangents: list[NDArray[np.float64]],
    turns: int,
) -> Row:
    tolerance = float(calls[0].arguments[5][0, 0])
    best, *others = core().instruction_sets()

    def forward(name: str = best) -> None:
        core().set_instruction_set(name)
        for call in calls:
            call.forward()
        core().set_instruction_set(best)

    def gradient() -> None:
        for call, cotangent in zip(calls, cotangents, strict=True):
            call.gradient(cotangent)

    runs: dict[str, Callable[[], None]] = {
        "public": lambda: public(batches, tolerance),
        best: forward,
        "gradient": gradient,
        **{name: partial(forward, name) for name in others},
    }
    timings = contest(runs, turns)
    return {
        "public_seconds": timings["public"].median,
        "core_seconds": timings[best].median,
        "gradient_in_forwards": ratio(timings["gradient"], timings[best]),
        **{f"core_seconds_{name}": timings[name].median for name in (best, *others)},
        **_walls(calls, turns),
    }


def _walls(calls: list[CoreCall], turns: int) -> Row:
    """Wall time of the core on one and on two threads."""

    def run(threads: int) -> None:
        for call in calls:
            call.forward(threads)

    walls: dict[str, Timing] = contest(
        {"one": lambda: run(1), "two": lambda: run(2)}, turns, time.perf_counter
    )
    return {
        "wall_seconds_1_thread": walls["one"].median,
        "wall_seconds_2_threads": walls["two"].median,
        "faster_by_2_threads": ratio(walls["one"], walls["two"]),
    }


def measure_certificates(batches: list[md.CrystalBatch]) -> Row:
    """Compare certificates at 1e-10 with true errors, the differences from sums at 1e-14."""
    ratios: list[NDArray[np.float64]] = []
    errors: list[NDArray[np.float64]] = []
    missed = violated = 0
    for batch in batches:
        call = CoreCall.of(batch, TIGHTEST)
        values, certificates = call.forward()
        exact, uncertain = CoreCall.of(batch, TRUTH).forward()
        starts = np.concatenate([[0], np.cumsum(np.diff(batch.offsets) ** 2)[:-1]])
        largest = np.maximum.reduceat(np.abs(values - exact), starts, axis=1).T
        violated += int((largest > certificates + uncertain).sum())
        missed += int((certificates > TIGHTEST).sum())
        ratios.append(certificates / np.maximum(largest, np.finfo(np.float64).tiny))
        errors.append(largest)
    together = np.concatenate(ratios)
    names = [type(potential).__name__ for potential in POTENTIALS]
    return {
        "median": float(np.median(together)),
        **{
            f"median_{name}": float(value)
            for name, value in zip(names, np.median(together, axis=0), strict=True)
        },
        "worst_error": float(np.concatenate(errors).max()),
        "median_error": float(np.median(np.concatenate(errors))),
        "certificates": int(together.size),
        "not_reached": missed,
        "violated": violated,
    }


def measure_memory(batches: list[md.CrystalBatch]) -> Row:
    """Run the job in a process of its own and return what its memory grew to."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.npz"
        save_job(job, batches)
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.sums.memory_of_job", str(job)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
    result: Row = json.loads(answer.stdout)
    return result
