"""The certificate is never below the true error: properties over structures made to break it."""

from __future__ import annotations

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from judging import EXECUTORS, judge, package_sums
from strategies import seeds, structures, tolerances
from structures import NAMES, Choice, Structure, make_choice, make_structure, size_of


def assert_certified(
    structure: Structure, choice: Choice, tolerance: float, executor: str, seed: int
) -> None:
    """Judge a few entries; a failure prints the call that makes the structure."""
    result = package_sums(structure, [choice], tolerance=tolerance, executor=executor)
    certificate = float(result.certificate[0])
    assert bool(result.reached[0]) == (certificate <= tolerance)
    for verdict in judge(structure, choice, result.values[0], certificate, seed):
        assert not verdict.violated, (
            f"{structure}, {choice}, tolerance {tolerance:.3e}, executor {executor}: {verdict}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("executor", EXECUTORS)
@examples(60)
@given(structure=structures(), tolerance=tolerances, seed=seeds)
def test_certificate_bounds_the_error(
    executor: str, name: str, structure: Structure, tolerance: float, seed: int
) -> None:
    choice = make_choice(name, size_of(structure.cell), seed)
    assert_certified(structure, choice, tolerance, executor, seed)


COMBINATIONS = [
    Choice("LennardJones", (0.0104, 3.4)),
    Choice("Morse", (0.35, 1.4, 2.8)),
    Choice("Buckingham", (1388.77, 0.3623, 175.0)),
]


@pytest.mark.slow
@pytest.mark.parametrize("choice", COMBINATIONS, ids=lambda choice: choice.name)
@pytest.mark.parametrize("executor", EXECUTORS)
@examples(20)
@given(structure=structures(), tolerance=tolerances, seed=seeds)
def test_certificate_of_combinations(
    executor: str, choice: Choice, structure: Structure, tolerance: float, seed: int
) -> None:
    assert_certified(structure, choice, tolerance, executor, seed)


# What broke an executor once: structure, potential and tolerance.
FOUND = [
    # An atom on the border of the cell by one coordinate and a rounding error outside by another.
    (("left-handed", "special", 2, 579316496), Choice("InversePower", (12.0,)), 1.35e-10),
    (("left-handed", "special", 4, 1323253485), Choice("Yukawa", (0.0870581889252982,)), 1.26e-7),
    (("left-handed", "special", 6, 955811442), Choice("Pauli", (3.0,)), 2.8e-10),
    # Quadrature over a long range, for atoms almost on top of each other.
    (("symmetric", "near", 2, 1905671962), Choice("InversePower", (2.99,)), 9.2e-11),
    (("huge", "near", 4, 343), Choice("InversePower", (0.7,)), 1.4e-12),
    (("left-handed", "near", 3, 2110241249), Choice("InversePower", (3.01,)), 1.8e-8),
]


@pytest.mark.slow
@pytest.mark.parametrize("example", FOUND, ids=lambda example: f"{example[0]} {example[1].name}")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_found_examples(
    executor: str, example: tuple[tuple[str, str, int, int], Choice, float]
) -> None:
    arguments, choice, tolerance = example
    for seed in range(3):
        assert_certified(make_structure(*arguments), choice, tolerance, executor, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Coulomb", "London", "Pauli 3", "InversePower 12"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_certificate_is_not_far_above_the_error(executor: str, name: str) -> None:
    """On ordinary crystals the tolerance is reached, and half of the certificates are close."""
    ratios = []
    for seed in range(25):
        structure = make_structure("plain", "random", 4, seed)
        choice = make_choice(name, size_of(structure.cell), seed)
        options = {"tolerance": 1e-10, "relative_tolerance": 1e-11, "executor": executor}
        result = package_sums(structure, [choice], **options)
        assert bool(result.reached[0]), f"{structure}, {choice}: {result.certificate[0]}"
        certificate = float(result.certificate[0])
        verdicts = list(judge(structure, choice, result.values[0], certificate, seed))
        assert not any(verdict.violated for verdict in verdicts)
        ratios.append(certificate / max(verdict.error for verdict in verdicts))
    assert np.median(ratios) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_loose_tolerances_are_reached(executor: str, name: str, tolerance: float) -> None:
    """Far above the rounding, a missed tolerance is a cutoff that was chosen badly."""
    for seed in range(8):
        structure = make_structure("plain", "special", 4, seed)
        choice = make_choice(name, size_of(structure.cell), seed)
        options = {"tolerance": tolerance, "relative_tolerance": 1e-10, "executor": executor}
        result = package_sums(structure, [choice], **options)
        assert bool(result.reached[0]), f"{structure}, {choice}: {result.certificate[0]}"
