"""Fits to alloys: energies of the elements, lone atoms, and memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.splines.run_fit import run_meam_fit
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.forcefields.uf3 import normal_equations
from madelung.forcefields.uf3.fit import assemble, fit_uf3
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.settings import ThreeBodyRange, UF3Settings
from madelung.forcefields.uf3.tuning import cross_validation

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
CASES = Path(__file__).parent / "cases"
ALLOY = UF3Settings(elements=("Cu", "Ni"), three_body=ThreeBodyRange(intervals=(4, 4, 5)))
COPPER = UF3Settings(elements=("Cu",), three_body=ThreeBodyRange(intervals=(5, 5, 8)))


def alloy() -> list[Configuration]:
    data = read_configurations(CASES / "alloy_test.extxyz.xz")
    return [replace(item, group=f"{number % 2}") for number, item in enumerate(data)]


def test_energies_of_the_elements_change_no_error() -> None:
    data = alloy()
    first = fit_uf3(data, ALLOY)
    for shift in (1e3, 1e5):
        moved = [
            replace(item, energy=item.energy + shift * np.sum(item.crystal.numbers == 28))
            for item in data
            if item.energy is not None
        ]
        second = fit_uf3(moved, ALLOY)
        assert second.potential.one_body[28] - first.potential.one_body[28] == pytest.approx(
            shift, abs=1e-3
        )
        assert second.errors == pytest.approx(first.errors, rel=1e-4)
        one, two = (cross_validation(fit.equations) for fit in (first, second))
        assert one is not None and two is not None
        assert two.score == pytest.approx(one.score, rel=1e-4)
        found = second.potential.evaluate(data[0].crystal)
        right = first.potential.evaluate(data[0].crystal)
        np.testing.assert_allclose(found.forces, right.forces, atol=1e-5)


def test_an_element_that_comes_late_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Energies are taken off by what the first configurations say, here those of copper alone."""
    from madelung.forcefields.uf3 import fit

    data = sorted(alloy(), key=lambda item: int(np.sum(item.crystal.numbers == 28)))
    right = fit_uf3(data, ALLOY)
    monkeypatch.setattr(fit, "_FIRST", 1)
    found = fit_uf3(data, ALLOY)
    assert found.errors == pytest.approx(right.errors, rel=1e-4, abs=1e-6)


def test_a_lone_atom_changes_nothing_for_the_others() -> None:
    data = list(read_configurations(CASES / "cu_iso.extxyz.xz"))
    alone = [item for item in data if len(item.crystal) == 1]
    others = [item for item in data if len(item.crystal) > 1]
    assert len(alone) == 1 and len(others) == 40
    fits = [fit_uf3(chosen, COPPER) for chosen in (others, data)]
    deviations = [fit.equations.deviation("energy") for fit in fits]
    assert deviations[1] == pytest.approx(deviations[0], rel=1e-12)
    assert abs(fits[1].potential.evaluate(alone[0].crystal).energy) < 1e-4
    right, found = (fit.errors for fit in fits)
    assert found["energy"] == pytest.approx(right["energy"], rel=0.2)
    assert found["forces"] == pytest.approx(right["forces"], rel=0.15)


def test_a_pair_without_data_is_named_and_repels() -> None:
    data = list(read_configurations(CASES / "impurity.extxyz.xz"))
    with pytest.warns(UserWarning, match="no data tell of Ni-Ni, Ni-Ni-Ni, Ni-Ni-Cu within"):
        fit = fit_uf3(data, ALLOY)
    energies, pushes = [], []
    for distance in np.arange(1.0, 5.4, 0.2):
        positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
        pair = Crystal(np.zeros((3, 3)), positions, [28, 28], False)
        found = fit.potential.evaluate(pair)
        energies.append(found.energy - 2 * fit.potential.one_body[28])
        pushes.append(found.forces[1, 0])
    assert (np.diff(energies) < 0).all() and (np.array(pushes) > 0).all()
    assert energies[0] > 20.0 and energies[-1] < 1e-2


def test_rows_and_their_products_are_the_same(tmp_path: Path) -> None:
    """Many coefficients: rows are kept while they are few, and on disk too."""
    data = alloy()
    equations, _ = assemble(data, ALLOY, by_group=False)
    sums = equations.groups[""]["forces"]
    assert sums.count == 20 * 96
    direct = NormalEquations(ALLOY)
    assemble(data * 8, ALLOY, into=direct, by_group=False)
    many = direct.groups[""]["forces"]
    np.testing.assert_allclose(many.gram, 8 * sums.gram, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(many.diagonal, np.diag(many.gram), rtol=1e-12)
    vector = np.random.default_rng(0).normal(size=ALLOY.basis().size)
    np.testing.assert_allclose(many.times(vector), many.gram @ vector, rtol=1e-8, atol=1e-8)
    direct.save(tmp_path / "equations.npz")
    again = NormalEquations.load(tmp_path / "equations.npz")
    np.testing.assert_array_equal(again.groups[""]["forces"].gram, many.gram)
    assert again.solve().errors == direct.solve().errors


def test_too_many_coefficients_are_refused_with_advice() -> None:
    wide = UF3Settings(elements=("Cu", "Ni", "Al"))
    with pytest.raises(ForceFieldError, match=r"22,734 coefficients need 4 GB.*--three-body"):
        fit_uf3(alloy(), wide)


def test_parts_are_joined_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    size = ALLOY.basis().size
    monkeypatch.setattr(normal_equations, "_MOST_BYTES", 8 * 3 * size**2 * 3 + 1)
    assert NormalEquations(ALLOY).most_groups == 3
    monkeypatch.setattr(normal_equations, "_MOST_BYTES", 8 * 3 * size**2 - 1)
    with pytest.raises(ForceFieldError, match="coefficients need"):
        fit_uf3(alloy(), ALLOY)


def test_ranges_of_triplets_follow_the_order_of_their_names() -> None:
    wide = ThreeBodyRange(intervals=(4, 6, 8))
    named = {"O-O-H": wide, "H-H-O": wide}
    basis = UF3Settings(elements=("O", "H"), triplets=named, leading=0).basis()
    assert [len(knots) - 7 for knots in basis.triplet_knots[8, 1, 8]] == [6, 4, 8]
    assert [len(knots) - 7 for knots in basis.triplet_knots[1, 1, 8]] == [4, 6, 8]
    axes = tuple(tuple(knots) for knots in wide.axes())
    given = ThreeBodyRange(knots=axes)  # type: ignore[arg-type]
    basis = UF3Settings(elements=("O", "H"), triplets={"O-O-H": given}).basis()
    assert [len(knots) - 7 for knots in basis.triplet_knots[8, 1, 8]] == [6, 4, 8]


@pytest.mark.parametrize("angular", [False, True])
def test_spline_fits_state_the_error_of_their_report(tmp_path: Path, angular: bool) -> None:
    settings = SplineMEAMSettings(
        elements=("Cu", "Ni"), angular=angular, cutoff=4.5, starts=1, candidates=2, searched=10,
        search_iterations=3, iterations=2, pair_knots=6, density_knots=6, embedding_knots=4,
        bond_knots=4, angle_knots=4, validation=0.0,
    )  # fmt: skip
    data = DataFiles((str(CASES / "alloy_train.extxyz.xz"),), test_share=0.2)
    job = run_meam_fit(data, tmp_path / "fit", settings)
    report = json.loads((tmp_path / "fit" / "report.json").read_text("utf-8"))["training"]
    errors = job.results["errors"]
    assert errors["training"]["energy_rmse"] == pytest.approx(1e3 * report["energy"], rel=1e-3)
    assert errors["training"]["force_rmse"] == pytest.approx(report["force"], rel=1e-3)
    assert errors["test"]["energy_rmse"] < 3 * errors["training"]["energy_rmse"] + 10


MEMORY = """
import json, resource, sys
from madelung.forcefields.reference.configurations import read_configurations
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.settings import UF3Settings
fit = fit_uf3(read_configurations(sys.argv[1]), UF3Settings(elements=("Cu", "Ni")))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([fit.equations.basis.size, peak * (1 if sys.platform == "darwin" else 1024)]))
"""


@pytest.mark.slow
def test_an_alloy_at_the_defaults_takes_little_memory() -> None:
    command = [sys.executable, "-c", MEMORY, str(CASES / "alloy_test.extxyz.xz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size, peak = json.loads(done.stdout)
    assert size == 6873
    # Three matrices of the size of the fit and what Python itself takes.
    assert peak < 3 * 8 * size**2 + 5e8
