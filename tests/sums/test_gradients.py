"""Derivatives against exact difference quotients of the oracle, and against physics.

The oracle takes exact rational input and returns as many digits as it is asked for, so that a
central difference with a step of 2^-33 is good to some eighteen digits and no noise of a difference
hides an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from judging import EXECUTORS, PRESENT, needs_core
from numpy.typing import NDArray
from oracles import LatticeSums
from strategies import seeds
from structures import Choice, Structure, make_structure, size_of

torch = pytest.importorskip("torch")
Floats = NDArray[np.float64]
executors = pytest.mark.parametrize("executor", EXECUTORS)

# Below what float64 can hold: the executors then go down to their rounding.
TIGHT = 1e-14
STEP = Fraction(1, 2**33)
PARAMETERS: dict[str, float | None] = {
    "Coulomb": None,
    "London": None,
    "InversePower 12": 12.0,
    "InversePower 5": 5.0,
    "InversePower 2.3": 2.3,
    "Pauli": 3.0,
    "Pauli wide": 0.4,
    "Yukawa": 2.0,
    "Yukawa wide": 0.3,
    "Gaussian": 0.2,
    "Gaussian narrow": 2.5,
}
names = pytest.mark.parametrize("name", PARAMETERS)
cells = st.builds(
    make_structure,
    st.sampled_from(["symmetric", "plain", "skewed", "left-handed", "scrambled"]),
    st.sampled_from(["random", "outside", "coincident"]),
    st.integers(1, 3),
    seeds,
)


def natural(structure: Structure) -> Structure:
    """Scale to 30 Å^3 per cell: gradients that are lost under the tolerance test nothing."""
    factor = 30 ** (1 / 3) / size_of(structure.cell)
    return Structure(
        structure.cell * factor,
        structure.positions * factor,
        structure.cell_kind,
        structure.site_kind,
        structure.seed,
    )


@dataclass(frozen=True)
class Gradient:
    """Loss and its derivatives in positions, cell (at fixed positions) and parameter."""

    loss: float
    positions: Floats
    cell: Floats
    parameter: float | None


def cotangent_for(structure: Structure, seed: int) -> Floats:
    """Draw weights, not symmetric, of all entries."""
    count = len(structure.positions)
    return np.random.default_rng(seed).normal(size=(count, count))


def make_potential(name: str, parameter: Any) -> Any:
    import madelung

    arguments = () if parameter is None else (parameter,)
    return getattr(madelung, name.split()[0])(*arguments)


def package_loss(
    structure: Structure, name: str, weights: Floats, executor: str
) -> tuple[Any, list[Any]]:
    """Return the weighted sum with its graph, and the leaves: positions, cell, parameter."""
    import madelung

    leaves = [
        torch.tensor(array, dtype=torch.float64, requires_grad=True)
        for array in (structure.positions, structure.cell)
    ]
    value = PARAMETERS[name]
    if value is not None:
        leaves.append(torch.tensor(value, dtype=torch.float64, requires_grad=True))
    crystal = madelung.Crystal(leaves[1], leaves[0], np.full(len(structure.positions), 6))
    potential = make_potential(name, leaves[2] if value is not None else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", madelung.ToleranceWarning)
        result = madelung.complete_sums(crystal, potential, tolerance=TIGHT, executor=executor)
    return (result.values[0] * torch.as_tensor(weights)).sum(), leaves


def package_gradient(structure: Structure, name: str, weights: Floats, executor: str) -> Gradient:
    """Differentiate the weighted sum with the package."""
    loss, leaves = package_loss(structure, name, weights, executor)
    loss.backward()
    grads = [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]
    parameter = float(grads[2]) if len(grads) > 2 else None
    return Gradient(float(loss.detach()), grads[0], grads[1], parameter)


def oracle_loss(
    structure: Structure,
    name: str,
    weights: Floats,
    accuracy: float,
    shift: tuple[Floats, Floats, float],
    amount: Fraction,
) -> Fraction:
    """Return the weighted sum at exactly shifted inputs, as the middle of a small ball."""

    def shifted(array: Floats, by: Floats) -> list[list[Fraction]]:
        pairs = zip(array.tolist(), by.tolist(), strict=True)
        return [[Fraction(x) + amount * Fraction(y) for x, y in zip(*rows, strict=True)]
                for rows in pairs]  # fmt: skip

    positions, cell = shifted(structure.positions, shift[0]), shifted(structure.cell, shift[1])
    value = PARAMETERS[name]
    parameters = () if value is None else (Fraction(value) + amount * Fraction(shift[2]),)
    potential = Choice(name.split()[0], parameters).primitive()  # type: ignore[arg-type]
    sums, total = LatticeSums(cell), Fraction(0)
    for i in range(len(positions)):
        for j in range(i + 1):
            if i == j > 0:
                continue
            weight = np.trace(weights) if i == j else weights[i, j] + weights[j, i]
            vector = [b - a for a, b in zip(positions[i], positions[j], strict=True)]
            mantissa, exponent = sums.sum(vector, potential, accuracy).mid().man_exp()
            total += Fraction(float(weight)) * int(mantissa) * Fraction(2) ** int(exponent)
    return total


def oracle_derivative(
    structure: Structure,
    name: str,
    weights: Floats,
    scale: float,
    shift: tuple[Floats, Floats, float],
) -> float:
    """Central difference along a direction, with an error of some 1e-10 of the scale."""
    accuracy = max(scale, 1e-30) * 1e-10 * float(STEP)
    ends = [
        oracle_loss(structure, name, weights, accuracy, shift, amount) for amount in (STEP, -STEP)
    ]
    return float((ends[0] - ends[1]) / (2 * STEP))


def directions(
    structure: Structure, name: str, seed: int
) -> dict[str, tuple[Floats, Floats, float]]:
    """Draw a direction of each kind of input alone."""
    rng = np.random.default_rng(seed)
    positions, cell = np.zeros_like(structure.positions), np.zeros((3, 3))
    found = {"cell": (positions, rng.normal(size=(3, 3)), 0.0)}
    if len(positions) > 1:
        found["positions"] = (rng.normal(size=positions.shape), cell, 0.0)
    if PARAMETERS[name] is not None:
        found["parameter"] = (positions, cell, 1.0)
    return found


@pytest.mark.slow
@names
@examples(4)
@given(structure=cells.map(natural), seed=seeds)
def test_gradients_are_the_oracles(name: str, structure: Structure, seed: int) -> None:
    """Of all executors, since the oracle takes longer than they do."""
    if structure.site_kind == "coincident":
        # Copies moved by lattice vectors do not stay on top of each other when the cell changes.
        places = structure.positions[np.arange(len(structure.positions)) // 2]
        structure = Structure(structure.cell, places, "given", "coincident", structure.seed)
    weights = cotangent_for(structure, seed)
    gradients = {
        executor: package_gradient(structure, name, weights, executor) for executor in PRESENT
    }
    for kind, shift in directions(structure, name, seed).items():
        along = shift[("positions", "cell", "parameter").index(kind)]
        scales = {
            # Slopes that vanish by symmetry are zero up to the rounding of their terms.
            executor: max(
                float(np.linalg.norm(getattr(one, kind)) * np.linalg.norm(along)),
                1e-5 * (1 + abs(one.loss)),
            )
            for executor, one in gradients.items()
        }
        exact = oracle_derivative(structure, name, weights, min(scales.values()), shift)
        for executor, scale in scales.items():
            found = float(np.sum(getattr(gradients[executor], kind) * along))
            assert abs(found - exact) <= 1e-8 * max(scale, abs(exact)), (
                f"{kind} of {name} at {structure}, weights of seed {seed}, executor {executor}: "
                f"{found!r}, exact {exact!r}, scale {scale!r}"
            )


@pytest.mark.slow
@needs_core
@names
@examples(10)
@given(structure=cells.map(natural), seed=seeds)
def test_both_executors_agree(name: str, structure: Structure, seed: int) -> None:
    weights = cotangent_for(structure, seed)
    native, other = (
        package_gradient(structure, name, weights, executor) for executor in ("native", "torch")
    )
    for kind in ("positions", "cell", "parameter"):
        one, two = getattr(native, kind), getattr(other, kind)
        if one is not None:
            scale = float(np.abs(two).max()) + 1e-3 * (1 + abs(other.loss))
            assert np.abs(one - two).max() <= 1e-9 * scale, kind


def physics(function: Callable[..., None]) -> Callable[..., None]:
    """Run a law over potentials, executors and structures."""
    wrapped = given(structure=cells.map(natural), seed=seeds)(function)
    return names(executors(examples(8)(wrapped)))


@pytest.mark.slow
@physics
def test_forces_sum_to_zero(executor: str, name: str, structure: Structure, seed: int) -> None:
    gradient = package_gradient(structure, name, cotangent_for(structure, seed), executor)
    scale = np.abs(gradient.positions).sum() + 1e-2 * (1 + abs(gradient.loss))
    assert np.abs(gradient.positions.sum(axis=0)).max() <= 1e-11 * scale


@pytest.mark.slow
@physics
def test_stress_is_symmetric(executor: str, name: str, structure: Structure, seed: int) -> None:
    """Rotating cell and positions together changes nothing."""
    gradient = package_gradient(structure, name, cotangent_for(structure, seed), executor)
    lever = sum(
        np.abs(array).max() * np.abs(slope).sum()
        for array, slope in (
            (structure.cell, gradient.cell),
            (structure.positions, gradient.positions),
        )
    )
    virial = structure.cell.T @ gradient.cell + structure.positions.T @ gradient.positions
    assert np.abs(virial - virial.T).max() <= 1e-10 * (lever + 1e-2)


@pytest.mark.slow
@physics
def test_virial_theorem(executor: str, name: str, structure: Structure, seed: int) -> None:
    """Scaling all lengths: r^-n gains -n; a decay in 1/r (or 1/r^2) makes up for the rest."""
    gradient = package_gradient(structure, name, cotangent_for(structure, seed), executor)
    trace = np.sum(structure.cell * gradient.cell)
    trace += np.sum(structure.positions * gradient.positions)
    kind, parameter = name.split()[0], PARAMETERS[name] or 0.0
    power = {"Coulomb": 1.0, "London": 6.0, "Yukawa": 1.0, "InversePower": parameter}.get(kind, 0.0)
    expected = -power * gradient.loss
    if kind in ("Pauli", "Yukawa", "Gaussian"):
        dimension = 2 if kind == "Gaussian" else 1
        expected += dimension * parameter * (gradient.parameter or 0.0)
    lever = np.abs(structure.cell * gradient.cell).sum()
    lever += np.abs(structure.positions * gradient.positions).sum()
    assert abs(trace - expected) <= 1e-10 * (lever + abs(expected) + 1e-2)


@pytest.mark.slow
@names
@examples(2)
@given(
    structure=st.builds(
        make_structure, st.just("skewed"), st.just("random"), st.integers(2, 3), seeds
    ).map(natural),
    seed=seeds,
)
def test_second_derivatives_of_the_torch_executor(
    name: str, structure: Structure, seed: int
) -> None:
    """Differentiate the slope along a direction once more along it."""
    rng, weights = np.random.default_rng(seed), cotangent_for(structure, seed)
    loss, leaves = package_loss(structure, name, weights, "torch")
    along = [torch.as_tensor(rng.normal(size=tuple(leaf.shape))) for leaf in leaves]

    def slope(value: Any) -> Any:
        slopes = torch.autograd.grad(value, leaves, create_graph=True)
        return sum((one * way).sum() for one, way in zip(slopes, along, strict=True))

    curvature = float(slope(slope(loss)).detach())
    shift = (along[0].numpy(), along[1].numpy(), float(along[2]) if len(along) > 2 else 0.0)
    step = Fraction(1, 2**30)
    left, middle, right = (
        oracle_loss(structure, name, weights, 1e-29 * (1 + abs(curvature)), shift, amount)
        for amount in (-step, Fraction(0), step)
    )
    exact = float((left - 2 * middle + right) / step**2)
    assert curvature == pytest.approx(exact, rel=1e-7, abs=1e-9)
