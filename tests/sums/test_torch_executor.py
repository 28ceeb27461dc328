"""The PyTorch executor against published constants, multiple precision and numeric derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from lattice_oracle import SplitSum, direct_sum
from mpmath import mpf
from numpy.typing import NDArray

import madelung as md
from madelung.sums import torch_terms

Array = NDArray[np.float64]

SIMPLE = np.eye(3)
FACE = 0.5 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
BODY = 0.5 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
HEXAGONAL = np.array([[1.0, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, (8.0 / 3.0) ** 0.5]])


def sums(cell: Any, positions: Any, potentials: Any, **options: Any) -> md.CompleteSums:
    crystal = md.Crystal(cell=cell, positions=positions, numbers=[1] * len(positions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", md.ToleranceWarning)
        return md.complete_sums(crystal, potentials, executor="torch", **options)


@pytest.mark.parametrize(
    ("cell", "second", "distance", "constant"),
    [
        (FACE, [0.5, 0.5, 0.5], 0.5, 1.747564594633182),
        (SIMPLE, [0.5, 0.5, 0.5], 0.75**0.5, 1.762674773070988),
        (FACE, [0.25, 0.25, 0.25], 3.0**0.5 / 4.0, 1.638055053388790),
    ],
    ids=["NaCl", "CsCl", "ZnS"],
)
def test_madelung_constants(
    cell: Array, second: list[float], distance: float, constant: float
) -> None:
    result = sums(cell, np.array([[0.0, 0, 0], second]), md.Coulomb(), tolerance=1e-12)
    potential = result.values[0] @ [1.0, -1.0]
    assert -potential[0] * distance == pytest.approx(constant, abs=5e-14)
    assert result.reached.all()


@pytest.mark.parametrize(
    ("cell", "fractions", "sixth", "twelfth", "digits"),
    [
        (FACE * 2**0.5, [[0.0, 0, 0]], 14.4539210437444719, 12.1318801965445797, 2e-12),
        (BODY * 2 / 3**0.5, [[0.0, 0, 0]], 12.2536678672923228, 9.11418326807535887, 2e-12),
        (HEXAGONAL, [[0.0, 0, 0], [2 / 3, 1 / 3, 0.5]], 14.454897277842, 12.132293769099, 1e-12),
        (SIMPLE, [[0.0, 0, 0]], 8.401923974828, 6.202149045048, 1e-12),
    ],
    ids=["fcc", "bcc", "hcp", "sc"],
)
def test_lennard_jones_constants(
    cell: Array, fractions: list[list[float]], sixth: float, twelfth: float, digits: float
) -> None:
    potentials = [md.London(), md.InversePower(12)]
    result = sums(cell, np.array(fractions) @ cell, potentials, tolerance=1e-12)
    np.testing.assert_allclose(result.values[:, 0].sum(axis=1), [sixth, twelfth], atol=digits)


POTENTIALS = [
    ("power", 1.0, md.Coulomb()),
    ("power", 6.0, md.London()),
    ("power", 12.0, md.InversePower(12)),
    ("power", 5.0, md.InversePower(5)),
    ("power", 2.3, md.InversePower(2.3)),
    ("power", 7.7, md.InversePower(7.7)),
    ("pauli", 3.0, md.Pauli(3.0)),
    ("pauli", 0.25, md.Pauli(0.25)),
    ("yukawa", 1.25, md.Yukawa(1.25)),
    ("yukawa", 0.0625, md.Yukawa(0.0625)),
    ("gaussian", 0.375, md.Gaussian(0.375)),
    ("gaussian", 30.0, md.Gaussian(30.0)),
]
IDS = [repr(potential) for _, _, potential in POTENTIALS]

# Reduced cells of few binary digits, so that a scrambled cell is the same lattice exactly.
CELLS = {
    "ordinary": np.array([[3.0, 0.25, 0.0], [0.5, 3.5, -0.25], [-0.75, 0.5, 4.0]]),
    "left-handed": np.array([[-3.0, 0.25, 0.0], [0.5, 3.5, -0.25], [-0.75, 0.5, 4.0]]),
    "tiny": np.array([[0.09375, 0.0, 0.0], [0.015625, 0.125, 0.0], [0.0, 0.03125, 0.109375]]),
    "huge": np.array([[1024.0, 0.0, 64.0], [0.0, 960.0, 0.0], [128.0, 0.0, 1000.0]]),
    "long": np.array([[1.0, 0.0, 0.0], [0.25, 1.25, 0.0], [0.25, 0.5, 100.0]]),
    "needle": np.array([[0.25, 0.0, 0.0], [0.0, 0.375, 0.0], [0.0, 0.125, 60.0]]),
    "plate": np.array([[40.0, 0.0, 0.25], [3.0, 38.0, 0.0], [0.0, 0.25, 0.75]]),
}
SCRAMBLE = np.array([[10.0, 3, 13], [3, 1, 5], [-4, 0, 9]])


def scrambled(cell: Array) -> tuple[Array, Array]:
    """Return an ill-chosen cell of the lattice and the positions of four atoms, all exact."""
    fractions = np.array([[0.0, 0, 0], [0.25, 0.5, 0.75], [0.03125, 0.0, 0.0], [1.0, -2.0, 1.0]])
    images = np.array([[0.0, 0, 0], [5, -3, 2], [-4, 0, 1], [0, 7, 0]])
    ill_chosen = SCRAMBLE @ cell
    return ill_chosen, fractions @ cell + images @ ill_chosen


def test_scrambling_is_unimodular() -> None:
    assert abs(round(float(np.linalg.det(SCRAMBLE)))) == 1


# Every potential in the ordinary cell, and those of each kind of rounding in every cell.
CASES = [
    pytest.param(*potential, name, id=f"{potential[2]!r}-{name}")
    for index, potential in enumerate(POTENTIALS)
    for name in CELLS
    if name == "ordinary" or index in (0, 2, 7)
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "parameter", "potential", "name"), CASES)
def test_certificates_against_multiple_precision(
    kind: str, parameter: float, potential: md.Potential, name: str
) -> None:
    cell = CELLS[name]
    oracle = SplitSum(kind, parameter, cell)
    if len(oracle.waves()) > 3000:
        pytest.skip("too many terms for multiple precision")
    ill_chosen, positions = scrambled(cell)
    nearest = {1: [-0.25, 0.5, 0.25], 2: [-0.03125, 0.0, 0.0], 3: [0.0, 0.0, 0.0]}
    exact = {j: oracle.at([mpf(x) for x in np.array(f) @ cell]) for j, f in nearest.items()}
    for tolerance in (1e-3, 1e-7, 1e-12):
        result = sums(ill_chosen, positions, potential, tolerance=tolerance)
        for j, value in exact.items():
            error = float(abs(mpf(float(result.values[0, 0, j])) - value))
            assert error <= result.certificate[0]
        # Site 3 is an image of site 0, whose sum with itself it must equal.
        assert result.values[0, 0, 3] == result.values[0, 0, 0] == result.values[0, 3, 3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("energy", "radius", "potential"),
    [
        (lambda r: mpmath.exp(-3 * r), 22.0, md.Pauli(3.0)),
        (lambda r: mpmath.exp(-2 * r) / r, 30.0, md.Yukawa(2.0)),
        (lambda r: mpmath.exp(-r * r), 9.0, md.Gaussian(1.0)),
        (lambda r: r**-40, 25.0, md.InversePower(40)),
    ],
    ids=["Pauli", "Yukawa", "Gaussian", "InversePower"],
)
@pytest.mark.parametrize("splitting", [None, 0.5])
def test_brute_force(
    energy: Callable[[mpf], mpf], radius: float, potential: md.Potential, splitting: float | None
) -> None:
    cell = CELLS["ordinary"]
    distance = np.array([0.5, 0.25, -0.125]) @ cell
    positions = np.array([np.zeros(3), distance])
    result = sums(cell, positions, potential, tolerance=1e-12, splitting=splitting)
    for column, vector in enumerate((np.zeros(3), distance)):
        exact = direct_sum(energy, cell, [mpf(float(x)) for x in vector], radius)
        assert abs(float(result.values[0, 0, column] - exact)) <= result.certificate[0]


@pytest.mark.parametrize("splitting", [0.08, 0.4, 1.5])
def test_sums_do_not_depend_on_the_splitting(splitting: float) -> None:
    cell, positions = scrambled(CELLS["ordinary"])
    potentials = [potential for _, _, potential in POTENTIALS]
    free = sums(cell, positions, potentials, tolerance=1e-10)
    bound = sums(cell, positions, potentials, tolerance=1e-10, splitting=splitting)
    difference = np.abs(free.values - bound.values).max(axis=(1, 2))
    assert (difference <= free.certificate + bound.certificate).all()


GRADIENT_CELL = [[3.1, 0.2, -0.3], [0.4, 2.9, 0.5], [-0.2, 0.3, 3.6]]
GRADIENT_POSITIONS = [[0.1, 0.2, 0.3], [1.4, 7.1, 0.9], [-4.0, 1.1, 2.0]]
MAKERS: list[tuple[Callable[[Any], md.Potential], float]] = [
    (lambda _: md.Coulomb(), 1.0),
    (lambda _: md.London(), 1.0),
    (md.InversePower, 12.0),
    (md.InversePower, 5.0),
    (md.InversePower, 2.3),
    (md.Pauli, 3.0),
    (md.Pauli, 0.3),
    (md.Yukawa, 1.2),
    (md.Yukawa, 0.05),
    (md.Gaussian, 0.4),
    (md.Gaussian, 3.0),
]


def leaf(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "parameter"), MAKERS)
@pytest.mark.parametrize("splitting", [None, 0.5])
def test_first_derivatives(
    make: Callable[[Any], md.Potential], parameter: float, splitting: float | None
) -> None:
    def evaluate(cell: torch.Tensor, positions: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        options = {"tolerance": 1e-12, "splitting": splitting}
        return sums(cell, positions, make(value), **options).values

    inputs = (leaf(GRADIENT_CELL), leaf(GRADIENT_POSITIONS), leaf(parameter))
    # Along random directions, in which no wrong entry hides.
    assert torch.autograd.gradcheck(
        evaluate, inputs, eps=1e-5, atol=2e-6, rtol=1e-5, fast_mode=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(("make", "parameter"), [(md.Yukawa, 1.2), (md.InversePower, 5.2)])
def test_second_derivatives(make: Callable[[Any], md.Potential], parameter: float) -> None:
    def evaluate(cell: torch.Tensor, positions: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        options = {"tolerance": 1e-12, "splitting": 0.5}
        return sums(cell, positions, [md.Coulomb(), make(value)], **options).values

    inputs = (leaf(GRADIENT_CELL), leaf(GRADIENT_POSITIONS)[:2], leaf(parameter))
    assert torch.autograd.gradgradcheck(evaluate, inputs, eps=1e-5, atol=1e-4, rtol=1e-4)


def test_gradients_at_coinciding_sites_are_finite() -> None:
    positions = leaf([[0.0, 0, 0], [0.0, 0, 0], [3.0, 0.25, 0.0], [1.0, 1, 1]])
    cell = leaf(CELLS["ordinary"].tolist())
    potentials = [potential for _, _, potential in POTENTIALS]
    result = sums(cell, positions, potentials, tolerance=1e-8)
    assert torch.equal(result.values[:, 0, 0], result.values[:, 0, 2])
    for gradient in torch.autograd.grad(result.values.sum(), (cell, positions)):
        assert bool(torch.isfinite(gradient).all())


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many atoms are summed in blocks of pairs whose terms are recomputed for the gradient."""
    generator = np.random.default_rng(3)
    cell = 7.0 * np.eye(3) + generator.normal(size=(3, 3))
    fractions = generator.random((14, 3))
    outcomes = []
    for block in (torch_terms.BLOCK, 3000):
        monkeypatch.setattr(torch_terms, "BLOCK", block)
        positions = leaf((fractions @ cell).tolist())
        result = sums(cell, positions, [md.Coulomb(), md.Pauli(0.5)], tolerance=1e-9)
        weights = torch.linspace(0.0, 1.0, result.values.numel(), dtype=torch.float64)
        (gradient,) = torch.autograd.grad((weights * result.flat.reshape(-1)).sum(), positions)
        outcomes.append((result.flat.detach().numpy(), result.certificate, gradient.numpy()))
    for one, other in zip(*outcomes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_sums_are_symmetric_and_translation_adds_nothing() -> None:
    cell, positions = scrambled(CELLS["ordinary"])
    potentials = [md.Coulomb(), md.London()]
    result = sums(cell, positions, potentials, tolerance=1e-10)
    moved = sums(cell, positions + np.array([0.1, 0.2, 0.3]), potentials, tolerance=1e-10)
    np.testing.assert_array_equal(result.values, result.values.transpose(0, 2, 1))
    np.testing.assert_allclose(result.values, moved.values, atol=2e-10, rtol=1e-11)
