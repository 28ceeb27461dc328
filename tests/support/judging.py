"""Runs the package on one example and lets the oracle judge it."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ase.geometry
import numpy as np
import pytest
from flint import arb
from oracle_parts import ball, precision
from oracles import LatticeSums
from structures import Choice, Structure, difference, is_ambiguous, selected_pairs

from madelung.crystals.crystal import Crystal

needs_core = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._core") is None, reason="the native core is not built"
)
EXECUTORS = ["torch", pytest.param("native", marks=needs_core)]
PRESENT = ["torch", *(["native"] if importlib.util.find_spec("madelung.common._core") else [])]
_KNOWN: dict[tuple[bytes, bytes, tuple[int, int], Choice], arb] = {}


@dataclass(frozen=True)
class Verdict:
    """One entry of one sum against the exact value."""

    pair: tuple[int, int]
    value: float
    certificate: float
    error: float
    violated: bool


def package_sums(
    structures: Structure | list[Structure], choices: list[Choice], **options: Any
) -> Any:
    """Evaluate with the package; a tolerance that float64 cannot hold is no failure here."""
    import madelung

    def crystal(structure: Structure) -> madelung.Crystal:
        numbers = np.full(len(structure.positions), 6)
        return madelung.Crystal(structure.cell, structure.positions, numbers)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", madelung.ToleranceWarning)
        crystals: Any = (
            [crystal(one) for one in structures]
            if isinstance(structures, list)
            else crystal(structures)
        )
        return madelung.complete_sums(crystals, [one.package() for one in choices], **options)


def exact_sum(
    sums: LatticeSums, structure: Structure, pair: tuple[int, int], choice: Choice, accuracy: float
) -> arb:
    """Return a ball that contains the sum of a potential, be it a combination.

    Both executors are judged on the same structures; the oracle is asked once.
    """
    question = (structure.cell.tobytes(), structure.positions.tobytes(), pair, choice)
    known = _KNOWN.get(question)
    if known is None or not bool(known.rad() <= ball(accuracy)):
        # Certificates of the executors differ a little.
        known = _KNOWN[question] = _summed(sums, structure, pair, choice, accuracy / 16)
    return known


def _summed(
    sums: LatticeSums, structure: Structure, pair: tuple[int, int], choice: Choice, accuracy: float
) -> arb:
    terms = choice.terms()
    vector = difference(structure, *pair)
    weight = max(1.0, sum(abs(float(coefficient)) for coefficient, _ in terms))
    balls = [
        (coefficient, sums.sum(vector, primitive, accuracy / weight))
        for coefficient, primitive in terms
    ]
    with precision(400):
        return sum((coefficient * one for coefficient, one in balls), start=arb(0))


def judge(
    structure: Structure,
    choice: Choice,
    values: np.ndarray,
    certificate: float,
    seed: int,
    most: int = 3,
    resolution: float = 1e-3,
) -> Iterator[Verdict]:
    """Compare at most so many entries of (n, n) values with the oracle.

    The oracle is asked for a small part of the certificate, the resolution; what counts as a
    violation is proven to be one.
    """
    sums = LatticeSums(structure.cell)
    for pair in selected_pairs(sums, structure, seed)[-most:]:
        if is_ambiguous(sums, difference(structure, *pair)):
            continue
        value = float(values[pair])
        if not (math.isfinite(value) and math.isfinite(certificate) and certificate > 0):
            yield Verdict(pair, value, certificate, math.inf, True)
            continue
        accuracy = max(certificate * resolution, 1e-280)
        exact = exact_sum(sums, structure, pair, choice, accuracy)
        with precision(400):
            error = abs(ball(value) - exact)
            violated = bool(error > ball(certificate))
        yield Verdict(pair, value, certificate, float(error.mid()), violated)


def assert_same_crystal(
    crystal: Crystal, atoms: Any, tolerance: float = 1e-6, *, in_order: bool = False
) -> None:
    """Compare cell, and atoms up to order and lattice vectors, with ASE's ``Atoms``."""
    parameters = ase.geometry.cell_to_cellpar
    assert np.allclose(parameters(crystal.cell), atoms.cell.cellpar(), atol=tolerance)
    assert sorted(crystal.numbers) == sorted(atoms.numbers)
    ours, theirs = crystal.scaled_positions, atoms.get_scaled_positions()
    if in_order:
        steps = ours - theirs
        assert np.abs((steps - np.round(steps)) @ crystal.cell).max() < tolerance
        assert np.array_equal(crystal.numbers, atoms.numbers)
        return
    steps = ours[:, None] - theirs[None]
    near = np.linalg.norm((steps - np.round(steps)) @ crystal.cell, axis=-1) < tolerance
    near &= crystal.numbers[:, None] == atoms.numbers[None]
    assert (near.sum(axis=0) == 1).all()
    assert (near.sum(axis=1) == 1).all()
