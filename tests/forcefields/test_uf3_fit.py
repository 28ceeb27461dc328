"""Fits of UF3 potentials against dense least squares, OSQP, and potentials that are known."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import SHARED
from pydantic import ValidationError
from uf3_cases import potential_of, structures

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.uf3.features import Featurizer
from madelung.forcefields.uf3.fit import assemble, fit_uf3
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.regularisation import penalty_matrix
from madelung.forcefields.uf3.settings import (
    Regularisation,
    ThreeBodyRange,
    TwoBodyRange,
    UF3Settings,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
WEAK = Regularisation(
    ridge_one_body=0.0,
    ridge_two_body=1e-14,
    ridge_three_body=1e-14,
    curvature_two_body=0.0,
    curvature_three_body=0.0,
)
SETTINGS = UF3Settings(
    elements=("Na", "Cl"),
    two_body=TwoBodyRange(minimum=0.5, maximum=4.0, intervals=6),
    three_body=ThreeBodyRange(minimum=0.5, maximum=3.0, intervals=(4, 4, 5)),
    regularisation=WEAK,
    stress_weight=0.3,
)
SIZE = SETTINGS.basis().size


def truth() -> Any:
    """A potential that the settings can hold."""
    return potential_of(SETTINGS.basis(), np.random.default_rng(4).normal(size=SIZE))


def configurations(count: int, seed: int = 0, noise: float = 0.0) -> list[Configuration]:
    """Structures with energy, forces and stress of the known potential, and noise."""
    generator = np.random.default_rng(seed)
    potential, result = truth(), []
    for number in range(count):
        base = structures()[["crystal", "skewed", "slab"][number % 3]]
        positions = base.positions + generator.normal(size=base.positions.shape) * 0.3
        numbers = generator.choice([11, 17], len(base))
        crystal = Crystal(base.cell, positions, numbers, base.pbc)
        found = potential.evaluate(crystal)
        forces = found.forces + noise * generator.normal(size=found.forces.shape)
        stress = found.stress if crystal.pbc.all() else None
        energy = found.energy + noise * generator.normal() * len(crystal)
        group = "even" if number % 2 == 0 else "odd"
        result.append(Configuration(f"{number}", crystal, energy, forces, stress, group))
    return result


def test_a_known_potential_is_found_again() -> None:
    fit = fit_uf3(configurations(60), SETTINGS)
    assert fit.errors["energy"] < 1e-5 and fit.errors["forces"] < 1e-4
    assert set(fit.errors) == {"energy", "forces", "stress"}
    for configuration in configurations(6, seed=9):
        found = fit.potential.evaluate(configuration.crystal)
        assert configuration.energy is not None and configuration.forces is not None
        assert found.energy == pytest.approx(configuration.energy, abs=0.02)
        np.testing.assert_allclose(found.forces, configuration.forces, atol=0.1)


def weighted_rows(
    data: list[Configuration], settings: UF3Settings
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """All rows of a fit with their weights, and plain rows by quantity."""
    featurizer = Featurizer(settings.basis())
    rows: dict[str, list[Any]] = {"energy": [], "forces": [], "stress": []}
    for one in data:
        assert one.energy is not None and one.forces is not None
        features, atoms = featurizer(one.crystal, virial=True), len(one.crystal)
        rows["energy"].append((features.energy[None] / atoms, [one.energy / atoms]))
        rows["forces"].append((features.forces, one.forces.ravel()))
        if one.stress is not None:
            voigt = [
                one.stress[place] for place in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
            ]
            rows["stress"].append((features.virial / one.crystal.volume, voigt))
    shares = {
        "energy": settings.kappa,
        "forces": 1 - settings.kappa,
        "stress": settings.stress_weight,
    }
    plain = {
        name: (np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
        for name, parts in rows.items()
    }
    spreads = {name: y.std() for name, (_, y) in plain.items()}
    spreads["energy"] = np.sqrt(np.mean(unexplained(*plain["energy"], settings)[0] ** 2))
    weights = {
        name: np.sqrt(shares[name]) / (len(y) * spreads[name]) for name, (_, y) in plain.items()
    }
    matrix = np.concatenate([weights[name] * x for name, (x, _) in plain.items()])
    values = np.concatenate([weights[name] * y for name, (_, y) in plain.items()])
    return matrix, values, plain


def unexplained(x: np.ndarray, y: np.ndarray, settings: UF3Settings) -> tuple[Any, Any]:
    """What compositions leave of energies per atom, and the energies of the elements."""
    compositions = x[:, : len(settings.elements)]
    energies = np.linalg.lstsq(compositions, y, rcond=None)[0]
    return y - compositions @ energies, energies


def test_solution_is_that_of_dense_least_squares() -> None:
    settings = SETTINGS.model_copy(
        update={
            "regularisation": Regularisation(
                ridge_one_body=1e-8,
                ridge_two_body=2e-8,
                ridge_three_body=3e-8,
                curvature_two_body=4e-8,
                curvature_three_body=5e-8,
            )
        }
    )
    data = configurations(12, noise=0.1)
    fit = fit_uf3(data, settings)
    matrix, values, plain = weighted_rows(data, settings)
    penalty = penalty_matrix(settings.basis(), settings.regularisation).toarray()
    root = np.linalg.cholesky(penalty).T
    stacked = np.concatenate([matrix, root])
    centre = np.zeros(SIZE)
    centre[:2] = unexplained(*plain["energy"], settings)[1]
    expected, *_ = np.linalg.lstsq(stacked, np.append(values, root @ centre), rcond=None)
    np.testing.assert_allclose(fit.solution.coefficients, expected, rtol=0, atol=1e-6)
    for name, (x, y) in plain.items():
        error = np.sqrt(np.mean((x @ fit.solution.coefficients - y) ** 2))
        assert fit.errors[name] == pytest.approx(error, rel=1e-6)
    covariance = fit.solution.noise * np.linalg.inv(matrix.T @ matrix + penalty)
    crystals = [one.crystal for one in configurations(3, seed=5)]
    featurizer = Featurizer(settings.basis())
    rows = np.array([featurizer(one, forces=False).energy / len(one) for one in crystals])
    deviations = np.sqrt(np.einsum("kp,pq,kq->k", rows, covariance, rows))
    np.testing.assert_allclose(fit.solution.deviations(rows), deviations, rtol=1e-4)
    np.testing.assert_allclose(
        fit.energy_deviations(crystals), fit.calibration * deviations, rtol=1e-4
    )


def test_deviations_match_errors_on_the_training_data() -> None:
    """Also where most of the error is what the functions cannot describe."""
    pair_only = {"three_body": None, "regularisation": Regularisation()}
    settings = UF3Settings(**{**SETTINGS.model_dump(), **pair_only})
    data = configurations(60)
    fit = fit_uf3(data, settings)
    assert fit.calibration > 1.0
    deviations = fit.energy_deviations([one.crystal for one in data])
    assert np.sqrt(np.mean(deviations**2)) == pytest.approx(fit.errors["energy"], rel=1e-6)


def test_penalty_is_its_definition() -> None:
    """Ridge on free coefficients, and second differences that keep off unreachable ones."""
    chosen = Regularisation(
        ridge_one_body=0.3,
        ridge_two_body=0.5,
        ridge_three_body=0.7,
        curvature_two_body=0.11,
        curvature_three_body=0.13,
    )
    basis = SETTINGS.basis()
    vector = np.random.default_rng(0).normal(size=SIZE)
    expected = 0.3 * (vector[:2] ** 2).sum()
    for pair in basis.pairs(vector):
        expected += 0.5 * (pair.coefficients**2).sum()
        expected += 0.11 * (np.diff(pair.coefficients, 2) ** 2).sum()
    for triplet in basis.triplets(vector):
        columns = basis.triplet_columns[triplet.species]
        free = np.unique(columns[columns >= 0])
        expected += 0.7 * (vector[free] ** 2).sum()
        places = np.indices(columns.shape)
        end = np.array(columns.shape).reshape(3, 1, 1, 1) - 3
        allowed = (columns >= 0) | (places >= end).any(axis=0) | (places < 2).any(axis=0)
        values = np.where(allowed, triplet.coefficients, np.nan)
        for axis in range(3):
            expected += 0.13 * np.nansum(np.diff(values, 2, axis=axis) ** 2)
    assert vector @ penalty_matrix(basis, chosen) @ vector == pytest.approx(expected, rel=1e-12)


def test_groups_are_left_out_exactly(tmp_path: Path) -> None:
    data = configurations(14, noise=0.1)
    equations, skipped = assemble(data, SETTINGS)
    assert not skipped and set(equations.groups) == {"even", "odd"}
    even, _ = assemble([one for one in data if one.group == "even"], SETTINGS)
    solution = equations.without("odd").solve()
    alone = potential_of(SETTINGS.basis(), even.solve().coefficients)
    found = potential_of(SETTINGS.basis(), solution.coefficients)
    for one in data:
        forces = found.evaluate(one.crystal).forces
        np.testing.assert_allclose(forces, alone.evaluate(one.crystal).forces, rtol=1e-5, atol=1e-5)
    errors = equations.leave_groups_out()["odd"]
    together, _ = assemble(data, SETTINGS, by_group=False)
    assert set(together.groups) == {""}
    assert together.count("forces") == equations.count("forces")
    one, other = (sum(item.gram for item in made.of("forces")) for made in (together, equations))
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
    missed = [found.evaluate(o.crystal).forces - o.forces for o in data if o.group == "odd"]
    assert errors["forces"] == pytest.approx(
        np.sqrt(np.mean(np.concatenate(missed) ** 2)), rel=1e-5
    )
    with pytest.raises(ForceFieldError, match=r"no group other; there are even, odd"):
        equations.without("other")


def test_equations_are_kept_and_solved_again(tmp_path: Path) -> None:
    data = configurations(10, noise=0.1)
    fit = fit_uf3(data, SETTINGS)
    path = tmp_path / "equations.npz"
    fit.equations.save(path)
    again = NormalEquations.load(path)
    np.testing.assert_array_equal(again.solve().coefficients, fit.solution.coefficients)
    other = SETTINGS.model_copy(update={"kappa": 0.8, "regularisation": Regularisation()})
    expected = fit_uf3(data, other).solution.coefficients
    np.testing.assert_array_equal(again.solve(other).coefficients, expected)
    refitted = fit.refit(other)
    np.testing.assert_array_equal(refitted.solution.coefficients, expected)
    wider = SETTINGS.model_copy(update={"two_body": TwoBodyRange(maximum=4.5)})
    with pytest.raises(ForceFieldError, match="make them anew"):
        again.solve(wider)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ForceFieldError, match="no normal equations"):
        NormalEquations.load(path)


def test_threads_change_nothing() -> None:
    data = configurations(9)
    one, two = (assemble(iter(data), SETTINGS, threads=threads)[0] for threads in (1, 3))
    for first, second in zip(one.of("forces"), two.of("forces"), strict=True):
        np.testing.assert_array_equal(first.gram, second.gram)


@pytest.mark.parametrize("limits", [{"positive_below": 1.6}, {"decreasing_below": 2.2}])
def test_inequalities_against_osqp(limits: dict[str, float]) -> None:
    osqp = pytest.importorskip("osqp")
    from scipy import sparse

    from madelung.forcefields.uf3.constraints import constrained_solution, inequalities

    pair_only = {"three_body": None, "regularisation": Regularisation(ridge_two_body=1e-6)}
    settings = UF3Settings(**{**SETTINGS.model_dump(), **pair_only, **limits})
    fit = fit_uf3(configurations(20), settings)
    free = fit_uf3(configurations(20), settings.model_copy(update=dict.fromkeys(limits, None)))
    end = next(iter(limits.values()))
    broken = 0
    for term, old in zip(fit.potential.pairs, free.potential.pairs, strict=True):
        points = np.linspace(0.5, end, 400)
        asked = (lambda v: v) if "positive_below" in limits else (lambda v: -np.diff(v))
        assert asked(term(points)).min() > -0.02
        broken += int(asked(old(points)).min() < -1e-3)
    assert broken
    factor = fit.solution.factor
    matrix = inequalities(settings.basis(), settings)
    problem = osqp.OSQP()
    form = factor.T @ factor
    scale = 1.0 / np.abs(form).max()
    problem.setup(
        P=sparse.csc_matrix(form * scale),
        q=-form @ free.solution.coefficients * scale,
        A=sparse.csc_matrix(matrix),
        l=np.zeros(len(matrix)),
        u=np.full(len(matrix), np.inf),
        eps_abs=1e-9,
        eps_rel=1e-9,
        max_iter=200_000,
        polishing=True,
        verbose=False,
    )
    found = constrained_solution(factor, free.solution.coefficients, matrix)

    def excess(vector: np.ndarray) -> float:
        return float(((factor @ (vector - free.solution.coefficients)) ** 2).sum())

    assert (matrix @ found).min() > -1e-8
    assert excess(found) <= excess(problem.solve(raise_error=True).x) * (1 + 1e-3)


def test_configurations_that_cannot_be_used_are_counted() -> None:
    data = configurations(6)
    strange = Crystal(np.eye(3) * 4, np.zeros((1, 3)), [29])
    data.insert(2, Configuration("copper", strange, -1.0))
    data.insert(4, replace(data[0], id="broken", energy=float("nan")))
    seen = []
    fit = fit_uf3(data, SETTINGS, progress=lambda done, total=None: seen.append(done))
    assert seen == list(range(1, 9))
    assert [text.split(":")[0] for text in fit.skipped] == ["copper", "broken"]
    plain = fit_uf3(configurations(6), SETTINGS)
    np.testing.assert_array_equal(fit.solution.coefficients, plain.solution.coefficients)
    with pytest.raises(ForceFieldError, match="no configuration can be used; the first problem"):
        fit_uf3(data[2:3], SETTINGS)


def test_energies_or_forces_alone() -> None:
    data = configurations(10)
    energies = fit_uf3([replace(one, forces=None, stress=None) for one in data], SETTINGS)
    assert set(energies.errors) == {"energy"}
    forces = fit_uf3([replace(one, energy=None, stress=None) for one in data], SETTINGS)
    assert set(forces.errors) == {"forces"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"elements": ["Na", "Na"]}, "twice"),
        ({"elements": ["Xx"]}, "no element"),
        ({"pairs": {"Na-Cu": {}}}, "named"),
        ({"pairs": {"Na": {}}}, "names no pair"),
        ({"two_body": {"knots": [1, 2, 3]}}, "eight knots"),
        ({"kapa": 0.5}, "kapa"),
    ],
)
def test_settings_that_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        UF3Settings(**{"elements": ["Na", "Cl"], **change})


def tungsten(rows: set[int]) -> Iterator[Configuration]:
    """Some rows of the tungsten data."""
    import io

    import ase.io

    from madelung.common.text import open_text
    from madelung.data.formats.extxyz import iterate_frames

    path = SHARED / "data/forcefields/W_szlachta_9691.extxyz.xz"
    if not path.exists():
        pytest.skip("the tungsten data are not at hand")
    with open_text(path) as lines:
        for row, frame in enumerate(iterate_frames(lines, path)):
            if row in rows:
                atoms: Any = ase.io.read(io.StringIO(str(frame)), format="extxyz")
                energy = float(atoms.get_potential_energy())
                crystal = Crystal.from_ase(atoms)
                yield Configuration(str(row), crystal, energy, atoms.get_forces())


@pytest.mark.slow
def test_tungsten_is_learnt_as_published() -> None:
    """No worse than the best published fit to 137 configurations: 8.3 meV/atom, .163 eV/Å."""
    rows = np.random.default_rng(0).permutation(9691)
    fit = fit_uf3(tungsten(set(rows[:137])), UF3Settings(elements=("W",)))
    tests, _ = assemble(tungsten(set(rows[-200:])), fit.equations.settings)
    errors = tests.errors(fit.solution.coefficients)
    assert errors["energy"] < 0.0083 and errors["forces"] < 0.163
