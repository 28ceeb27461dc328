"""The same crystals in other codes and in ours, each at the accuracy that the other reaches."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madelung as md
from benchmarks.sums.other_codes import PEERS, Matrix, Peer
from benchmarks.support.crystal_data import JARVIS, has_data, read_crystals
from benchmarks.support.records import ROOT
from benchmarks.support.timing import contest, ratio

__all__ = ["compare_executors", "compare_peers", "small_crystals", "true_sums"]

Row = dict[str, Any]
POTENTIALS = {"Coulomb": md.Coulomb(), "London": md.London()}
LARGEST = 20
# Tolerances that are tried for the accuracy that a peer reaches, coarse to fine.
LADDER = 10.0 ** np.arange(-1.0, -14.25, -0.25)
TRUTH = 1e-14
# The true sums themselves are that uncertain, as the oracle shows; smaller errors are all alike.
RESOLUTION = 1e-15


@dataclass(frozen=True)
class Errors:
    """Largest error of each crystal's matrix.

    Parameters
    ----------
    largest
        (crystals,) largest absolute differences from the true sums.
    """

    largest: NDArray[np.float64]

    @classmethod
    def of(cls, matrices: Sequence[Matrix], truth: Sequence[Matrix]) -> Errors:
        """Compare matrices with the true ones."""
        pairs = zip(matrices, truth, strict=True)
        return cls(np.array([np.abs(matrix - exact).max() for matrix, exact in pairs]))

    @property
    def median(self) -> float:
        """Median over the crystals."""
        return float(np.median(self.largest))

    @property
    def worst(self) -> float:
        """Largest of all."""
        return float(self.largest.max())

    def is_within(self, other: Errors) -> bool:
        """Whether neither the median nor the worst is larger than the other's."""
        median = self.median <= max(other.median, RESOLUTION)
        return median and self.worst <= max(other.worst, RESOLUTION)


def small_crystals(folder: Path, count: int, seed: int) -> tuple[list[md.Crystal], str]:
    """Choose real crystals of at most 20 atoms, with Minkowski-reduced cells, which peers need."""
    if has_data(folder):
        found = list(read_crystals(folder / JARVIS, LARGEST))
        chosen = np.random.default_rng(seed).choice(len(found), size=count, replace=False)
        crystals = [found[int(index)] for index in np.sort(chosen)]
        origin = f"JARVIS-DFT, at most {LARGEST} atoms, drawn at random"
    else:
        from madelung.crystals.examples import EXAMPLE_NAMES

        crystals = [md.example(name) for name in EXAMPLE_NAMES[:count]]
        origin = "examples of the package"
    return [_reduced(crystal) for crystal in crystals], origin


def _reduced(crystal: md.Crystal) -> md.Crystal:
    from ase.geometry import minkowski_reduce

    cell, _ = minkowski_reduce(crystal.cell)
    reduced = md.Crystal(np.asarray(cell), crystal.positions, crystal.numbers)
    return reduced.wrapped()


def ours(
    crystals: Any, potentials: Any, tolerance: float, executor: str = "native", **options: Any
) -> md.CompleteSums:
    """Sum on one thread; that a tolerance is below float64's reach is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", md.ToleranceWarning)
        return md.complete_sums(
            crystals, potentials, tolerance=tolerance, executor=executor, threads=1, **options
        )


def exact_values(crystals: list[md.Crystal], potentials: list[Any]) -> list[Matrix]:
    """Return (potentials, n, n) sums at 1e-14, by another splitting than the one that is timed."""
    splitting = [2.0 * np.pi / crystal.volume ** (2 / 3) for crystal in crystals]
    return list(ours(crystals, potentials, TRUTH, splitting=splitting).values)


def true_sums(crystals: list[md.Crystal], potential: str) -> tuple[list[Matrix], float | None]:
    """Return exact sums, and their largest error on pairs that ball arithmetic checked.

    The error is None where python-flint is not installed.
    """
    truth = [matrices[0] for matrices in exact_values(crystals, [POTENTIALS[potential]])]
    if importlib.util.find_spec("flint") is None:
        return truth, None
    errors = [
        _oracle_error(crystal, matrix, potential)
        for crystal, matrix in zip(crystals, truth, strict=True)
    ]
    return truth, max(errors)


def _oracle_error(crystal: md.Crystal, matrix: Matrix, potential: str) -> float:
    """Largest error of the first diagonal entry and the first and last pair of atoms."""
    if str(ROOT / "tests/support") not in sys.path:
        sys.path.append(str(ROOT / "tests/support"))
    from fractions import Fraction

    import oracles

    law = oracles.InversePower(Fraction({"Coulomb": 1, "London": 6}[potential]))
    lattice = oracles.LatticeSums([[Fraction(entry) for entry in row] for row in crystal.cell])
    last = len(crystal) - 1
    errors = []
    for i, j in {(0, 0), (0, min(1, last)), (0, last)}:
        ends = zip(crystal.positions[i], crystal.positions[j], strict=True)
        exact = lattice.sum([Fraction(b) - Fraction(a) for a, b in ends], law)
        errors.append(abs(float(exact - oracles.ball(float(matrix[i, j])))))
    return max(errors)


def matched_tolerance(
    crystals: list[md.Crystal], potential: str, truth: list[Matrix], peer: Errors
) -> tuple[float, Errors]:
    """Find the coarsest tolerance at which our true errors are within the peer's."""
    for tolerance in LADDER:
        sums = ours(crystals, POTENTIALS[potential], float(tolerance))
        errors = Errors.of([matrices[0] for matrices in sums.values], truth)
        if errors.is_within(peer):
            break
    return float(tolerance), errors


def compare_peers(
    crystals: list[md.Crystal], turns: int, step: Callable[[str], None]
) -> tuple[list[Row], dict[str, float | None]]:
    """Time every peer against ours; return a row each, and the errors of the true sums."""
    truths: dict[str, list[Matrix]] = {}
    checks: dict[str, float | None] = {}
    for potential in POTENTIALS:
        truths[potential], checks[potential] = true_sums(crystals, potential)
    rows = []
    for peer in PEERS:
        for potential in peer.potentials:
            step(f"{peer.name}, {potential}")
            row: Row = {"peer": peer.name, "setting": peer.setting, "potential": potential}
            if peer.is_installed:
                row |= _against(peer, potential, crystals, truths[potential], turns)
            else:
                row["status"] = "not installed"
            rows.append(row)
    return rows, checks


def _against(
    peer: Peer, potential: str, crystals: list[md.Crystal], truth: list[Matrix], turns: int
) -> Row:
    """Time one peer and ours on one potential, at the accuracy that the peer reaches."""
    try:
        prepared = [
            peer.prepare(crystal, potential, exact)
            for crystal, exact in zip(crystals, truth, strict=True)
        ]
        reached = Errors.of([run() for run in prepared], truth)
    except Exception as problem:
        return {"status": f"failed: {type(problem).__name__}: {problem}"}
    law = POTENTIALS[potential]
    tolerance, errors = matched_tolerance(crystals, potential, truth, reached)
    timings = contest(
        {
            "peer": lambda: [run() for run in prepared],
            "ours": lambda: ours(crystals, law, tolerance),
            "singly": lambda: [ours(crystal, law, tolerance) for crystal in crystals],
        },
        turns,
    )
    scale = 1e6 / len(crystals)
    return {
        "status": "compared" if errors.is_within(reached) else "compared; ours is less exact",
        "peer_microseconds": scale * timings["peer"].median,
        "peer_error_median": reached.median,
        "peer_error_worst": reached.worst,
        "tolerance": tolerance,
        "microseconds": scale * timings["ours"].median,
        "error_median": errors.median,
        "error_worst": errors.worst,
        "ratio": ratio(timings["peer"], timings["ours"]),
        "microseconds_singly": scale * timings["singly"].median,
        "ratio_singly": ratio(timings["peer"], timings["singly"]),
    }


def compare_executors(
    crystals: list[md.Crystal], turns: int, step: Callable[[str], None]
) -> list[Row]:
    """Time our PyTorch executor against the native core, three potentials at one tolerance."""
    potentials = [md.Coulomb(), md.London(), md.Pauli(3.0)]
    truth = exact_values(crystals, potentials)
    rows = []
    for tolerance in (1e-3, 1e-6, 1e-10):
        step(f"our PyTorch executor, {tolerance:.0e}")
        runs = {
            executor: partial(ours, crystals, potentials, tolerance, executor)
            for executor in ("torch", "native")
        }
        errors = {name: Errors.of(list(run().values), truth) for name, run in runs.items()}
        timings = contest(runs, turns)
        scale = 1e6 / len(crystals)
        rows.append(
            {
                "tolerance": tolerance,
                "torch_microseconds": scale * timings["torch"].median,
                "torch_error_worst": errors["torch"].worst,
                "microseconds": scale * timings["native"].median,
                "error_worst": errors["native"].worst,
                "ratio": ratio(timings["torch"], timings["native"]),
            }
        )
    return rows
