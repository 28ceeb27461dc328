"""Fits of spline MEAMs: derivatives by finite differences, minima, files, resuming."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from places import SHARED
from pydantic import ValidationError
from spline_potentials import random_meam, random_structure

from madelung.common.errors import ForceFieldError
from madelung.common.native import spline_core
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.splines.fit import fit_spline_meam
from madelung.forcefields.splines.lammps_files import read_meam_spline
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.minimising import (
    levenberg_marquardt,
    search,
    solve_linear,
    with_fitting_knots,
)
from madelung.forcefields.splines.objective import Objective, reference_of
from madelung.forcefields.splines.parameters import FunctionShape, Parameters
from madelung.forcefields.splines.settings import SplineMEAMSettings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._splines") is None, reason="the core is not built"
)
DATA = SHARED / "data/forcefields"


def shapes_of(potential: SplineMEAM) -> Parameters:
    """Parameters on the knots of a potential."""
    parts = (potential.pair, potential.density, potential.embedding, potential.bond)
    shapes = [
        FunctionShape(one.knots[0], one.knots[-1], len(one.knots), part not in (2, 4))
        for part, functions in enumerate((*parts, potential.angle))
        for one in functions
    ]
    return Parameters(potential.numbers, tuple(shapes))


def labelled(potential: SplineMEAM, seed: int, count: int = 6) -> list[Configuration]:
    """Structures with what a potential says of them, and a shift per atom."""
    symbols = potential.symbols
    structures = [Crystal.from_ase(random_structure(seed + n, symbols)) for n in range(count)]
    found = [potential.evaluate(one) for one in structures]
    return [
        Configuration(
            f"{n}", one, result.energy - 2.5 * len(one), result.forces, result.stress if n else None
        )
        for n, (one, result) in enumerate(zip(structures, found, strict=True))
    ]


def objective_of(seed: int) -> tuple[Objective, np.ndarray]:
    """A loss, and a point where densities are partly outside the knots."""
    potential = random_meam(seed)
    parameters = shapes_of(potential)
    reference = reference_of(labelled(potential, seed), potential.numbers, potential.cutoff)
    free = parameters.free(potential)
    free = free + 0.1 * np.random.default_rng(seed).normal(size=free.size)
    return Objective(reference, parameters, 0.01, 0.2, stress_scale=0.05), free


@given(seed=st.integers(0, 2**32 - 1))
@examples(10)
def test_parameters_hold_the_potential(seed: int) -> None:
    potential = random_meam(seed)
    parameters = shapes_of(potential)
    again = parameters.potential(parameters.free(potential))
    for name in ("pair", "density", "embedding", "bond", "angle"):
        for one, two in zip(getattr(again, name), getattr(potential, name), strict=True):
            np.testing.assert_allclose(one.values, two.values, atol=1e-9)
            np.testing.assert_allclose(one.slopes, two.slopes, atol=1e-8)
    assert again.pair[0].values[-1] == again.pair[0].slopes[1] == 0.0


@given(seed=st.integers(0, 2**32 - 1))
@examples(8)
def test_derivatives_by_coefficients(seed: int) -> None:
    """Energies, densities, forces and virials along a random direction of coefficients."""
    objective, free = objective_of(seed)
    parameters, core = objective.parameters, spline_core()
    arguments = objective.reference.system.arguments
    direction = np.random.default_rng(seed).normal(size=free.size)
    found = core.differentiate(parameters.potential(free).model, *arguments, True)
    plain = core.evaluate(parameters.potential(free).model, *arguments)
    step = 1e-6
    after, before = (
        core.evaluate(parameters.potential(free + sign * step * direction).model, *arguments)
        for sign in (1, -1)
    )
    # A potential has no energy at zero density; what is differentiated is U(n) itself.
    zero = np.array(
        [
            [one(np.zeros(())) for one in parameters.potential(free + sign * direction).embedding]
            for sign in (step, -step)
        ]
    )
    lone = (zero[0] - zero[1])[objective.reference.system.types] / (2 * step)
    for place in range(4):
        scale = np.abs(plain[place]).max() + 1
        np.testing.assert_allclose(found[place], plain[place], rtol=0, atol=1e-11 * scale)
        expected = (after[place] - before[place]) / (2 * step) + (lone if place == 0 else 0.0)
        derivative = found[4 + place] @ (parameters.coefficients @ direction)
        scale = np.abs(expected).max() + scale
        np.testing.assert_allclose(derivative, expected, rtol=0, atol=1e-5 * scale)


@given(seed=st.integers(0, 2**32 - 1))
@examples(8)
def test_gradient_of_the_loss(seed: int) -> None:
    objective, free = objective_of(seed)
    direction = np.random.default_rng(seed).normal(size=free.size)
    normal, step = objective.normal(free), 1e-6
    assert normal.loss == pytest.approx(objective.loss(free), rel=1e-10)
    slope = (objective.loss(free + step * direction) - objective.loss(free - step * direction)) / (
        2 * step
    )
    assert 2 * normal.gradient @ direction == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_pair_and_embedding_functions_are_solved_for() -> None:
    objective, free = objective_of(3)
    free, loss = solve_linear(objective, free)
    normal = objective.normal(free)
    assert loss == pytest.approx(normal.loss, rel=1e-6)
    linear = objective.parameters.linear
    assert np.abs(normal.gradient[linear]).max() < 1e-6 * np.sqrt(normal.matrix.max())
    assert np.abs(normal.gradient[~linear]).max() > 1e-3


def test_descent_finds_the_potential_again() -> None:
    objective, free = objective_of(4)
    objective = replace(objective, smoothness=0.0)
    exact = objective.parameters.free(random_meam(4))
    near = exact + 0.05 * (free - exact)
    found, loss = levenberg_marquardt(objective, near, 60, 1e-8)
    assert loss < 1e-6 * objective.loss(near)
    errors = objective.errors(objective.parameters.potential(found))
    assert errors.energy < 1e-5 and errors.force < 1e-3


def test_knots_follow_the_densities() -> None:
    objective, free = objective_of(5)
    free[~objective.parameters.linear] *= 3
    objective, free = with_fitting_knots(objective, free)
    ranges = objective.density_ranges(free)
    shapes = [objective.parameters.shapes[place] for place in objective.parameters.places(2)]
    for (least, largest), shape in zip(ranges, shapes, strict=True):
        assert shape.first < least <= largest < shape.last
    assert with_fitting_knots(objective, free)[0] is objective


@pytest.mark.slow
def test_search_betters_the_loss() -> None:
    pytest.importorskip("cma")
    objective, free = objective_of(6)
    free = np.random.default_rng(0).normal(size=free.size)
    before = solve_linear(*with_fitting_knots(objective, free))[1]
    found = search(objective, free, 5, 0)
    assert solve_linear(*with_fitting_knots(objective, found))[1] < before


def copper(count: int = 10) -> list[Configuration]:
    """Distorted copper as a random potential sees it."""
    potential, generator = random_meam(8, (29,)), np.random.default_rng(0)
    result = []
    for number in range(count):
        atoms = bulk("Cu", a=generator.uniform(3.5, 4.2), cubic=True) * (1, 1, 2)
        atoms.positions += 0.15 * generator.normal(size=atoms.positions.shape)
        found = potential.evaluate(atoms)
        result.append(
            Configuration(
                f"{number}", Crystal.from_ase(atoms), found.energy + 3.0 * len(atoms), found.forces
            )
        )
    return result


QUICK = SplineMEAMSettings(
    elements=("Cu",),
    cutoff=4.5,
    pair_knots=6,
    density_knots=5,
    embedding_knots=5,
    bond_knots=5,
    angle_knots=5,
    starts=3,
    searched=6,
    search_iterations=6,
    polished=2,
    iterations=30,
    validation=0.2,
    threads=2,
)


@pytest.mark.slow
def test_fit_writes_and_resumes(tmp_path: Path) -> None:
    data, lines = copper(), []
    unusable = Configuration("none", data[0].crystal, None, None)
    fit = fit_spline_meam([*data, unusable], QUICK, tmp_path, progress=lines.append)
    assert fit.skipped == 1 and len(fit.starts) == 3 and len(fit.polished) == 2 and lines
    assert fit.validation is not None
    read = read_meam_spline(tmp_path / "potential.meam.spline")
    for potential in (read, SplineMEAM.load(tmp_path / "potential.json")):
        found = potential.evaluate(data[0].crystal)
        expected = fit.potential.evaluate(data[0].crystal)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=1e-12, atol=1e-12)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["training"]["force"] == fit.training.force
    assert report["skipped"] == 1 and len(report["starts"]) == 3
    with pytest.raises(ForceFieldError, match="holds a fit already"):
        fit_spline_meam(data, QUICK, tmp_path)
    with pytest.raises(ForceFieldError, match="other settings"):
        other = QUICK.model_copy(update={"starts": 4})
        fit_spline_meam(data, other, tmp_path, resume=True)
    before = (tmp_path / "potential.meam.spline").read_text()
    for path in (tmp_path / "polished").iterdir():
        path.unlink()
    next((tmp_path / "starts").iterdir()).unlink()
    fit_spline_meam(data, QUICK, tmp_path, resume=True)
    assert (tmp_path / "potential.meam.spline").read_text() == before


@pytest.mark.slow
def test_fit_is_as_good_as_its_reference_energies_say(tmp_path: Path) -> None:
    """Errors and shifts are those of the written potential."""
    data = copper()
    fit = fit_spline_meam(data, QUICK.model_copy(update={"validation": 0.0}), tmp_path)
    differences, forces = [], []
    for one in data:
        found = fit.potential.evaluate(one.crystal)
        assert one.energy is not None
        differences.append((found.energy - one.energy) / len(one.crystal) + fit.shifts["Cu"])
        forces.append(found.forces - one.forces)
    assert np.sqrt(np.mean(np.square(differences))) == pytest.approx(fit.training.energy, rel=1e-6)
    assert np.sqrt(np.mean(np.square(forces))) == pytest.approx(fit.training.force, rel=1e-6)


@pytest.mark.slow
def test_fit_begins_from_a_potential(tmp_path: Path) -> None:
    data = copper()
    first = fit_spline_meam(data, QUICK, tmp_path / "a")
    again = QUICK.model_copy(update={"starts": 1, "iterations": 1, "polished": 1})
    second = fit_spline_meam(data, again, tmp_path / "b", initial=first.potential)
    assert second.training.force < 1.5 * first.training.force


def test_wrong_settings_and_data_are_refused(tmp_path: Path) -> None:
    for wrong in (
        {"elements": ("Xx",)},
        {"elements": ()},
        {"cutoff": -1.0},
        {"nothing": 1},
        {"pair_knots": 3},
    ):
        with pytest.raises(ValidationError):
            SplineMEAMSettings.model_validate({"elements": ("Cu",), "cutoff": 4.0, **wrong})
    with pytest.raises(ForceFieldError, match="a configuration with an energy or forces"):
        fit_spline_meam([], QUICK, tmp_path)


@pytest.mark.parametrize("element", ["Ni", "Cu", "Li", "Mo", "Si", "Ge"])
def test_published_potentials_have_their_measured_errors(element: str) -> None:
    measured = DATA / "mlearn_measured_SNAP_qSNAP_sMEAM.json"
    if not measured.exists():
        pytest.skip("the mlearn data are not at hand")
    expected = json.loads(measured.read_text())[f"{element}/sMEAM/test"]
    potential = read_meam_spline(DATA / f"smeam/{element}.meam.spline")
    data = list(read_configurations(DATA / f"mlearn_{element}_test.extxyz.gz"))
    reference = reference_of(data, potential.numbers, potential.cutoff)
    errors = Objective(reference, shapes_of(potential), 1, 1).errors(potential)
    assert 1000 * errors.energy == pytest.approx(expected["E_RMSE_shift"], rel=1e-3)
    assert errors.force == pytest.approx(expected["F_RMSE"], rel=1e-3)
