"""Neural force fields of unusual data: forces alone, one frame, lone atoms; signs of charges."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neural.charge_signs import settle_charge_signs
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import (
    examples_of,
    set_scales,
    with_lone_atoms_weighed,
)
from madelung.forcefields.neural.first_charges import begin_with_charges
from madelung.forcefields.neural.potential import NeuralEvaluation, NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.reference.configurations import SkippedConfigurations, read_configurations

CASES = Path(__file__).parent / "cases"
SMALL = ("--epochs", "1", "--local", "--layers", "1", "--features", "8", "--cutoff", "3.5")


@pytest.mark.parametrize("kind", ["forces alone", "one frame"])
def test_a_fit_ends_with_a_potential_and_a_report(tmp_path: Path, kind: str) -> None:
    text = (CASES / "one.extxyz").read_text("utf-8")
    if kind == "forces alone":
        lines = text.splitlines(keepends=True)
        lines[1] = lines[1].split(" energy=")[0] + ' pbc="T T T"\n'
        text = "".join(lines) * 4
    data, out = tmp_path / "data.extxyz", tmp_path / "fit"
    data.write_text(text, "utf-8")
    arguments = ["fit", "neural", str(data), "--out", str(out), "--quiet", *SMALL]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    errors = json.loads((out / "results.json").read_text("utf-8"))["errors"]["training"]
    assert (errors["energy_rmse"] is None) == (kind == "forces alone")
    assert 0.0 < errors["force_rmse"] < 5.0
    item = next(read_configurations(data))
    assert np.isfinite(load_force_field(out / "potential").evaluate(item.crystal).forces).all()
    assert (out / "parity.png").exists()


def test_a_lone_atom_does_not_change_the_scale_of_the_others() -> None:
    settings = NeuralSettings(elements=("Cu",), cutoff=3.5, features=8, long_range=False)
    read = islice(read_configurations(CASES / "cu_iso.extxyz.xz"), 41)
    examples = examples_of(read, settings, SkippedConfigurations())
    lone = [number for number, example in enumerate(examples) if example.atoms == 1]
    others = [example for example in examples if example.atoms > 1]
    assert len(lone) == 1
    first, second = EnergyModel(settings), EnergyModel(settings)
    right, found = set_scales(first, others), set_scales(second, examples)
    assert found.energy == pytest.approx(right.energy, rel=1e-12)
    assert found.energy * MILLIELECTRONVOLTS < 200.0
    assert float(first.reference[0, 0]) == pytest.approx(float(second.reference[0, 0]))
    weights = [one.energy_weight for one in with_lone_atoms_weighed(examples, second, found)]
    cohesive = abs(float(second.reference[0, 0]))
    assert weights[lone[0]] == pytest.approx((found.energy / cohesive) ** 2, rel=1e-6)
    assert [weight for number, weight in enumerate(weights) if number not in lone] == [1.0] * 40


def test_clusters_far_apart_have_the_energies_of_the_potential_they_were_made_with() -> None:
    salt = load_force_field(CASES / "salt.json")
    for item in islice(read_configurations(CASES / "far_test.extxyz.xz"), 4):
        found = salt.evaluate(item.crystal)
        assert found.energy == pytest.approx(item.energy, abs=1e-6)
        np.testing.assert_allclose(found.forces, item.forces, atol=1e-6)


def test_a_network_begins_with_charges_where_elements_call_for_them() -> None:
    """At charges of zero energies have no slope by them, and 60 epochs are too few to leave."""
    settings = NeuralSettings(elements=("Na", "Cl"), cutoff=5.0, features=24)
    torch.manual_seed(0)
    salt = EnergyModel(settings)
    read = islice(read_configurations(CASES / "far_train.extxyz.xz"), 30)
    examples = examples_of(read, settings, SkippedConfigurations())
    set_scales(salt, examples)
    begin_with_charges(salt, examples)
    for example in examples[:5]:
        crystal = example.surroundings.crystal
        found = NeuralForceField([salt]).evaluate(crystal)
        assert isinstance(found, NeuralEvaluation) and found.charges is not None
        right = np.where(crystal.numbers == 11, 1.0, -1.0)
        np.testing.assert_allclose(found.charges, right, atol=0.15)
    metal = EnergyModel(NeuralSettings(elements=("Cu",), cutoff=4.0, features=8))
    assert metal.sources is not None
    before = metal.sources.weight.clone()
    copper = examples_of(
        islice(read_configurations(CASES / "cu_iso.extxyz.xz"), 2),
        metal.settings,
        SkippedConfigurations(),
    )
    begin_with_charges(metal, copper)
    assert torch.equal(metal.sources.weight, before)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_members_have_charges_of_one_sign(seed: int) -> None:
    """Sodium is positive in its chloride, whatever sign a network has come upon."""
    settings = NeuralSettings(elements=("Na", "Cl"), cutoff=4.0, features=8)
    torch.manual_seed(seed)
    model = EnergyModel(settings)
    assert model.sources is not None
    with torch.no_grad():
        model.sources.weight[0].normal_()
    read = islice(read_configurations(CASES / "far_test.extxyz.xz"), 5)
    examples = examples_of(read, settings, SkippedConfigurations())
    crystal = examples[0].surroundings.crystal
    before = NeuralForceField([model]).evaluate(crystal)
    settle_charge_signs(model, examples)
    after = NeuralForceField([model]).evaluate(crystal)
    assert isinstance(after, NeuralEvaluation) and after.charges is not None
    assert isinstance(before, NeuralEvaluation) and before.charges is not None
    assert after.energy == pytest.approx(before.energy, abs=1e-9)
    np.testing.assert_allclose(after.forces, before.forces, atol=1e-9)
    np.testing.assert_allclose(np.abs(after.charges), np.abs(before.charges), atol=1e-9)
    assert after.charges[crystal.numbers == 11].mean() > after.charges[crystal.numbers == 17].mean()
