"""Time per pair of atoms in larger and larger cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import madelung as md
from benchmarks.sums.comparison_of_codes import ours
from benchmarks.support.timing import contest, ratio

__all__ = ["measure_scaling", "supercell"]

Row = dict[str, Any]
# Of rutile (6 atoms), so that the supercells are nearly cubes.
REPEATS = ((2, 2, 2), (2, 2, 4), (3, 3, 4), (4, 4, 5), (5, 5, 7), (6, 6, 9))
DISPLACEMENT = 0.05
TOLERANCE = 1e-6
LARGEST_FOR_TORCH = 500


def supercell(counts: tuple[int, int, int], seed: int) -> md.Crystal:
    """Repeat rutile, and displace every atom so that no symmetry is left."""
    crystal = md.example("TiO2").repeat(counts)
    shifts = np.random.default_rng(seed).normal(scale=DISPLACEMENT, size=(len(crystal), 3))
    return md.Crystal(crystal.cell, crystal.positions + shifts, crystal.numbers)


def measure_scaling(largest: int, turns: int, seed: int, step: Callable[[str], None]) -> list[Row]:
    """Time three potentials at 1e-6, natively and, for smaller cells, by PyTorch operations."""
    potentials = [md.Coulomb(), md.London(), md.Pauli(3.0)]
    rows = []
    for counts in REPEATS:
        crystal = supercell(counts, seed)
        atoms = len(crystal)
        if atoms > largest:
            break
        step(f"cell of {atoms} atoms")
        executors = ["native", *(["torch"] if atoms <= LARGEST_FOR_TORCH else [])]
        runs = {name: partial(ours, crystal, potentials, TOLERANCE, name) for name in executors}
        timings = contest(runs, turns)
        row: Row = {
            "atoms": atoms,
            "milliseconds": 1e3 * timings["native"].median,
            "nanoseconds_per_pair": 1e9 * timings["native"].median / atoms**2,
        }
        if "torch" in timings:
            row["torch_milliseconds"] = 1e3 * timings["torch"].median
            row["ratio"] = ratio(timings["torch"], timings["native"])
        rows.append(row)
    return rows
