"""What must not change a sum, or must change it in a known way, does so within the certificates.

Structures are rounded to a grid of powers of two, so that every transformation here is exact in
float64 and the certificates alone have to cover the differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from examples import examples
from hypothesis import assume, example, given
from hypothesis import strategies as st
from judging import EXECUTORS, package_sums
from numpy.typing import NDArray
from strategies import seeds, structures
from structures import Choice, Structure, make_structure, size_of, unimodular

from madelung.crystals.checks import LARGEST_LENGTH

Floats = NDArray[np.float64]
TOLERANCES = st.sampled_from([1e-4, 1e-8, 1e-11])
executors = pytest.mark.parametrize("executor", EXECUTORS)


def quantum_of(structure: Structure) -> float:
    """Return 2^-24 of the size of the cell, the precision that the transformations leave room."""
    return float(2.0 ** (np.floor(np.log2(size_of(structure.cell))) - 24))


def assume_exact(structure: Structure, times: int) -> None:
    """Leave out cells so badly chosen that so many times their vectors are no float64 any more."""
    largest = times * np.abs(structure.cell).max() + np.abs(structure.positions).max()
    assume(largest < 2.0**53 * quantum_of(structure))


def on_grid(structure: Structure) -> Structure:
    """Round to the precision that the transformations leave room."""
    quantum = quantum_of(structure)
    cell = np.round(structure.cell / quantum) * quantum
    positions = np.round(structure.positions / quantum) * quantum
    return replace(structure, cell=cell, positions=positions)


def potentials_for(structure: Structure) -> list[Choice]:
    """Every potential, with decays of about the size of the cell (exact in few digits)."""
    decay = 2.0 ** -np.floor(np.log2(size_of(structure.cell))) * 3
    return [
        Choice("Coulomb"),
        Choice("London"),
        Choice("InversePower", (12.0,)),
        Choice("InversePower", (4.5,)),
        Choice("Pauli", (decay,)),
        Choice("Yukawa", (decay,)),
        Choice("Gaussian", (decay**2,)),
    ]


def evaluate(structure: Structure, choices: list[Choice], **options: Any) -> tuple[Floats, Floats]:
    """Return values (P, n, n) and certificates (P, 1, 1)."""
    # What is larger is refused.
    assume(max(np.abs(structure.cell).max(), np.abs(structure.positions).max()) < LARGEST_LENGTH)
    result = package_sums(structure, choices, **options)
    return np.asarray(result.values), np.asarray(result.certificate)[:, None, None]


def assert_same(
    structure: Structure, one: tuple[Floats, Floats], other: tuple[Floats, Floats]
) -> None:
    """Values agree within the sum of the certificates."""
    excess = np.abs(one[0] - other[0]) - (one[1] + other[1])
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[worst] <= 0, (
        f"on_grid({structure}): entry {worst} is {one[0][worst]!r} and {other[0][worst]!r}, "
        f"certificates {one[1][worst[0]]} and {other[1][worst[0]]}"
    )


def check(
    transform: Callable[[Structure, np.random.Generator], Structure],
    structure: Structure,
    seed: int,
    **options: Any,
) -> None:
    """Check that a transformation changes nothing."""
    before = on_grid(structure)
    after = transform(before, np.random.default_rng(seed))
    choices = potentials_for(before)
    assert_same(
        structure, evaluate(before, choices, **options), evaluate(after, choices, **options)
    )


def case(function: Callable[..., None]) -> Callable[..., None]:
    """Run a property over structures, seeds and tolerances."""
    wrapped = given(structure=structures(most=4), seed=seeds, tolerance=TOLERANCES)(function)
    return executors(examples(12)(wrapped))


def integer_rotation(rng: np.random.Generator) -> tuple[Floats, int]:
    """Draw a rotation times the integer that makes all its entries whole."""
    a, b, c, d = (int(x) for x in rng.integers(-4, 5, size=4))
    a = a or 1
    rows = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d],
    ]
    return np.array(rows, dtype=float), a * a + b * b + c * c + d * d


@pytest.mark.slow
@case
def test_rotation(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    matrix, factor = integer_rotation(np.random.default_rng(seed))
    before = on_grid(structure)
    grown = replace(before, cell=before.cell * factor, positions=before.positions * factor)
    turned = replace(before, cell=before.cell @ matrix, positions=before.positions @ matrix)
    choices, options = potentials_for(grown), {"tolerance": tolerance, "executor": executor}
    assert_same(
        structure, evaluate(grown, choices, **options), evaluate(turned, choices, **options)
    )


@pytest.mark.slow
@case
def test_inversion(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    def transform(before: Structure, _: np.random.Generator) -> Structure:
        return replace(before, cell=-before.cell, positions=-before.positions)

    check(transform, structure, seed, tolerance=tolerance, executor=executor)


# Multiples of the cell as it was given were too large to be held exactly here.
FAR = example(
    structure=make_structure("wildly scrambled", "outside", 3, 9090), seed=91452, tolerance=1e-8
)


@pytest.mark.slow
@case
@FAR
def test_translation(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    def transform(before: Structure, rng: np.random.Generator) -> Structure:
        assume_exact(before, 3)
        shift = rng.integers(-3, 4, size=3) * np.abs(before.cell).max()
        return replace(before, positions=before.positions + shift)

    check(transform, structure, seed, tolerance=tolerance, executor=executor)


@pytest.mark.slow
@case
def test_wrapping(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    def transform(before: Structure, rng: np.random.Generator) -> Structure:
        assume_exact(before, 27)
        steps = rng.integers(-9, 10, size=(len(before.positions), 3))
        return replace(before, positions=before.positions + steps @ before.cell)

    check(transform, structure, seed, tolerance=tolerance, executor=executor)


@pytest.mark.slow
@case
def test_change_of_cell(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    def transform(before: Structure, rng: np.random.Generator) -> Structure:
        cell = unimodular(rng, 30) @ before.cell
        # Cells that are flat up to rounding are refused, and rightly so.
        flatness = size_of(cell) ** 3 / np.prod(np.linalg.norm(cell, axis=1))
        assume(flatness > 1e-12)
        return replace(before, cell=cell)

    check(transform, structure, seed, tolerance=tolerance, executor=executor)


@pytest.mark.slow
@case
def test_permutation(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    before, rng = on_grid(structure), np.random.default_rng(seed)
    order = rng.permutation(len(before.positions))
    after = replace(before, positions=before.positions[order])
    choices, options = potentials_for(before), {"tolerance": tolerance, "executor": executor}
    values, certificate = evaluate(before, choices, **options)
    permuted = values[:, order][:, :, order], certificate
    assert_same(structure, permuted, evaluate(after, choices, **options))


@pytest.mark.slow
@case
def test_symmetry(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    values, certificate = evaluate(
        structure, potentials_for(structure), tolerance=tolerance, executor=executor
    )
    assert_same(structure, (values, certificate), (values.swapaxes(1, 2), certificate))
    diagonal = np.diagonal(values, axis1=1, axis2=2)[:, None, :]
    assert_same(
        structure, (diagonal, certificate), (diagonal[:, :, :1] + 0 * diagonal, certificate)
    )


@pytest.mark.slow
@case
def test_supercells_add_up(
    executor: str, structure: Structure, seed: int, tolerance: float
) -> None:
    before, rng = on_grid(structure), np.random.default_rng(seed)
    count, times = len(before.positions), rng.integers(1, 4, size=3)
    steps = np.stack(np.meshgrid(*map(np.arange, times)), axis=-1).reshape(-1, 3)
    images = (before.positions[:, None] + steps @ before.cell).reshape(-1, 3)
    after = replace(before, cell=before.cell * times[:, None], positions=images)
    choices, options = potentials_for(before), {"tolerance": tolerance, "executor": executor}
    whole = evaluate(before, choices, **options)
    parts, certificate = evaluate(after, choices, **options)
    first_images = parts[:, :: len(steps)].reshape(len(choices), count, count, len(steps))
    assert_same(structure, whole, (first_images.sum(axis=3), certificate * len(steps)))


@pytest.mark.slow
@case
def test_independent_of_the_splitting(
    executor: str, structure: Structure, seed: int, tolerance: float
) -> None:
    rng, choices = np.random.default_rng(seed), potentials_for(structure)
    natural = np.pi / size_of(structure.cell) ** 2
    options = {"tolerance": tolerance, "executor": executor}
    chosen = evaluate(structure, choices, **options)
    forced = evaluate(structure, choices, splitting=natural * 2 ** rng.uniform(-1, 3), **options)
    assert_same(structure, chosen, forced)


@pytest.mark.slow
@case
def test_scaling(executor: str, structure: Structure, seed: int, tolerance: float) -> None:
    """``r^-n`` scales exactly with powers of two."""
    before, power = on_grid(structure), int(np.random.default_rng(seed).integers(-6, 7))
    factor = 2.0**power
    after = replace(before, cell=before.cell * factor, positions=before.positions * factor)
    exponents = np.array([1.0, 6.0, 12.0, 5.0])
    choices = [Choice("InversePower", (exponent,)) for exponent in exponents]
    options = {"tolerance": tolerance, "executor": executor}
    back = factor ** exponents[:, None, None]
    values, certificate = evaluate(after, choices, **options)
    assert_same(
        structure, evaluate(before, choices, **options), (values * back, certificate * back)
    )


@pytest.mark.slow
@executors
@examples(10)
@given(batch=st.lists(structures(most=4), min_size=2, max_size=4), tolerance=TOLERANCES)
def test_batches(executor: str, batch: list[Structure], tolerance: float) -> None:
    """A list gives what its members give alone."""
    choices = [Choice("Coulomb"), Choice("London"), Choice("Pauli", (3.0,))]
    options = {"tolerance": tolerance, "executor": executor}
    together = package_sums(batch, choices, **options)
    assert list(together.offsets) == [
        0, *np.cumsum([len(structure.positions) ** 2 for structure in batch])
    ]  # fmt: skip
    for index, structure in enumerate(batch):
        alone = evaluate(structure, choices, **options)
        values, certificate = together.values[index], together.certificate[index]
        assert_same(structure, alone, (values, certificate[:, None, None]))
        flat = together.flat[:, together.offsets[index] : together.offsets[index + 1]]
        assert np.array_equal(flat.reshape(values.shape), values)
