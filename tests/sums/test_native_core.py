"""The native core by itself: its instruction sets, threads, batches and the headers made for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from places import CORE

core = pytest.importorskip("madelung.common._core", reason="the native core is not built")

# Every kernel, with parameters that make exponentials and Gaussians both split and direct.
KERNELS = [(0, 0.0), (1, 0.0), (2, 3.0), (2, 0.3), (3, 1.2), (3, 0.2), (4, 2.0), (4, 0.02)]
KERNELS += [(5, 0.0), (6, 2.5), (6, 7.0)]


def make_batch(sizes: list[int], seed: int) -> tuple[Any, ...]:
    """Random crystals of some sizes, atoms at least 1.2 Å apart on a distorted grid."""
    generator = np.random.default_rng(seed)
    cells, positions = [], []
    for size in sizes:
        side = int(np.ceil(size ** (1 / 3)))
        cell = 2.4 * side * (np.eye(3) + generator.normal(scale=0.1, size=(3, 3)))
        grid = np.indices((side,) * 3).reshape(3, -1).T[:size] / side
        cells.append(cell)
        positions.append(grid @ cell + generator.uniform(-0.3, 0.3, size=(size, 3)))
    offsets = np.cumsum([0, *sizes]).astype(np.int64)
    return np.array(cells), np.concatenate(positions), offsets


def arguments(batch: tuple[Any, ...], tolerance: float, threads: int = 1) -> tuple[Any, ...]:
    """What both functions of the core take."""
    count = len(batch[0])
    kernels = np.array([kernel for kernel, _ in KERNELS], dtype=np.int32)
    parameters = np.array([parameter for _, parameter in KERNELS])
    tolerances = np.full((count, len(KERNELS)), tolerance)
    return (*batch, kernels, parameters, tolerances, np.zeros(count), threads)


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the instruction set back that the core had chosen."""
    chosen = core.instruction_set()
    yield
    core.set_instruction_set(chosen)


@pytest.mark.slow
@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
def test_instruction_sets_agree(tolerance: float) -> None:
    """Sums differ by no more than their certificates, gradients by rounding."""
    batch = make_batch([1, 2, 3, 4, 5, 8, 9, 33, 70], seed=0)
    sizes = np.diff(batch[2]) ** 2
    cotangent = np.random.default_rng(1).normal(size=(len(KERNELS), int(sizes.sum())))
    results = {}
    for name in core.instruction_sets():
        core.set_instruction_set(name)
        assert core.instruction_set() == name
        results[name] = (
            core.forward(*arguments(batch, tolerance)),
            core.gradient(*arguments(batch, 1e-12), cotangent),
        )
    (values, certificates), gradients = results["portable"]
    for (other_values, other_certificates), other_gradients in results.values():
        allowed = np.repeat((certificates + other_certificates).T, sizes, axis=1)
        assert (np.abs(values - other_values) <= allowed).all()
        for one, other in zip(gradients, other_gradients, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(one).max())


def test_an_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot run the instruction set 'abacus'"):
        core.set_instruction_set("abacus")


def test_threads_and_neighbours_change_nothing() -> None:
    """Each crystal's result is the same to the last bit, alone, in a batch, on any thread."""
    sizes = [3, 1, 12, 40, 2, 7] * 5
    batch = make_batch(sizes, seed=2)
    values, certificates = core.forward(*arguments(batch, 1e-8, threads=1))
    for threads in (2, 5):
        again, bounds = core.forward(*arguments(batch, 1e-8, threads))
        np.testing.assert_array_equal(again, values)
        np.testing.assert_array_equal(bounds, certificates)
    starts = np.cumsum([0, *np.square(sizes)])
    for index in (0, 3, 17, 29):
        atoms = slice(batch[2][index], batch[2][index + 1])
        offsets = np.array([0, sizes[index]], dtype=np.int64)
        alone = (batch[0][index : index + 1], batch[1][atoms], offsets)
        lonely, _ = core.forward(*arguments(alone, 1e-8))
        np.testing.assert_array_equal(lonely, values[:, starts[index] : starts[index + 1]])


@pytest.mark.slow
def test_large_cell_agrees_with_its_primitive_cell() -> None:
    """1,000 atoms (many tiles and blocks of waves): sums over images of an atom add up."""
    cell, positions, _ = make_batch([8], seed=3)
    steps = np.indices((5, 5, 5)).reshape(3, -1).T
    large = (5.0 * cell, np.concatenate([positions + step @ cell[0] for step in steps]))
    values, bounds = core.forward(*arguments((cell, positions, np.array([0, 8])), 1e-9))
    many, looser = core.forward(*arguments((*large, np.array([0, 1000])), 1e-9))
    folded = many.reshape(len(KERNELS), 1000, 125, 8).sum(axis=2)[:, :8]
    error = np.abs(folded - values.reshape(len(KERNELS), 8, 8)).max(axis=(1, 2))
    assert (error <= bounds[0] + 125 * looser[0]).all()


def broken(changed: dict[int, NDArray[Any]]) -> tuple[Any, ...]:
    """Arguments of two crystals with some of them replaced."""
    good = list(arguments(make_batch([2, 3], seed=4), 1e-6))
    for index, value in changed.items():
        good[index] = value
    return tuple(good)


@pytest.mark.parametrize(
    "changed",
    [
        {2: np.array([0, 2, 6])},
        {2: np.array([0, 5, 5])},
        {2: np.array([1, 2, 5])},
        {3: np.arange(2, dtype=np.int32)},
        {3: np.full(len(KERNELS), 7, dtype=np.int32)},
        {5: np.full((3, len(KERNELS)), 1e-6)},
        {6: np.zeros(5)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(changed: dict[int, NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        core.forward(*broken(changed))


def test_a_flat_cell_is_refused() -> None:
    with pytest.raises(RuntimeError, match="crystal 1: its cell has no volume"):
        core.forward(*broken({0: np.array([np.eye(3), np.zeros((3, 3))])}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("index", [0, 1])
def test_numbers_that_are_not_finite_are_refused(index: int, value: float) -> None:
    array = make_batch([2, 3], seed=4)[index].copy()
    array[-1] = value
    with pytest.raises(ValueError, match="not finite"):
        core.forward(*broken({index: array}))


def test_a_cell_too_thin_is_refused_before_memory_runs_out() -> None:
    with pytest.raises(RuntimeError, match=r"crystal 1: .* lattice points"):
        core.forward(*broken({0: np.array([np.eye(3), np.diag([1e-6, 1e-6, 1e3])])}))


@pytest.mark.parametrize(
    ("script", "header"),
    [("fit_coefficients.py", "coefficients.hpp"), ("fit_quadrature.py", "gauss_legendre.hpp")],
)
def test_headers_are_what_their_scripts_print(script: str, header: str) -> None:
    made = subprocess.run(
        [sys.executable, str(CORE / "generate" / script)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == (CORE / "sums" / header).read_text(encoding="utf-8")
