"""The neural force field: physics, derivatives, files. Its training: test_neural_training.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError

from madelung.common.errors import ForceFieldError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.forcefields.calculator import ForceFieldCalculator
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.long_range import long_range_energies
from madelung.forcefields.neural.pair_tables import pair_tables
from madelung.forcefields.neural.potential import NeuralEvaluation, NeuralForceField
from madelung.forcefields.neural.repulsion import NuclearRepulsion
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.surroundings import AtomBatch, Surroundings
from madelung.forcefields.soundness.validation import validate_force_field

# Y. Sakamoto, J. Chem. Phys. 28, 164 (1958), with the digits of OEIS A085469.
NACL = 1.747564594633182190636

SMALL = {"features": 24, "channels": 6, "cubic_channels": 4, "senders": 3}


def _settings(*elements: str, **changes: object) -> NeuralSettings:
    return NeuralSettings.model_validate({"elements": elements, **SMALL, **changes})


def _model(settings: NeuralSettings, seed: int = 0) -> EnergyModel:
    torch.manual_seed(seed)
    model = EnergyModel(settings)
    if model.sources is not None:
        # Charges and dispersion that tell atoms apart.
        torch.nn.init.normal_(model.sources.weight, std=0.3)
    return model


def _force_field(*elements: str, **changes: object) -> NeuralForceField:
    return NeuralForceField([_model(_settings(*elements, **changes))])


def _salt(edge: float = 5.64, shift: float = 0.15) -> Crystal:
    sites = [[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    positions = 0.5 * edge * np.array(sites, dtype=float)
    positions += shift * np.random.default_rng(0).normal(size=(8, 3))
    return Crystal(edge * np.eye(3), positions, np.array([11] * 4 + [17] * 4), True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("elements", "changes"),
    [
        (("W",), {"long_range": False}),
        (("Si",), {"long_range": True, "layers": 1}),
        (("Na", "Cl"), {"degree": 2}),
    ],
)
def test_it_is_sound(elements: tuple[str, ...], changes: dict[str, object]) -> None:
    report = validate_force_field(_force_field(*elements, **changes))
    assert len(report.checks) > 70


def test_a_supercell_has_eight_times_the_energy_in_single_precision_too() -> None:
    for dtype in (torch.float32, torch.float64):
        force_field = NeuralForceField([_model(_settings("Na", "Cl"))], dtype=dtype)
        once, eight = (force_field.evaluate(_salt().repeat(count)).energy for count in (1, 2))
        assert abs(eight - 8.0 * once) < 1e-6 * abs(eight)


def test_unit_charges_in_rock_salt_give_the_madelung_energy() -> None:
    crystal = _salt(shift=0.0)
    batch = AtomBatch.join([Surroundings.of(crystal, (11, 17), 5.0)], 5.0, torch.float64)
    charges = torch.tensor([1.0] * 4 + [-1.0] * 4, dtype=torch.float64)
    settings = _settings("Na", "Cl")
    tables, _ = pair_tables(batch, settings, NuclearRepulsion(settings))
    none = torch.zeros_like(charges)
    energies = long_range_energies(charges, none, tables, batch.positions, batch.cells, batch)
    expected = -NACL * COULOMB_CONSTANT / (0.5 * 5.64) * 4.0
    assert float(energies.sum()) == pytest.approx(expected, abs=1e-8)


def test_a_molecule_and_the_same_in_a_vast_cell_have_the_same_energy() -> None:
    force_field = _force_field("H", "C", "O")
    atoms = molecule("CH3CH2OH")
    alone = force_field.evaluate(atoms)
    assert isinstance(alone, NeuralEvaluation)
    assert alone.charges is not None
    assert float(np.abs(alone.charges).max()) > 1e-2
    errors = []
    for edge in (50.0, 100.0, 200.0):
        atoms.set_cell(edge * np.eye(3))
        atoms.set_pbc(True)
        boxed = force_field.evaluate(atoms)
        errors.append(abs(boxed.energy - alone.energy))
        np.testing.assert_allclose(boxed.forces, alone.forces, atol=20.0 / edge**3)
    # The dipoles of the images, which fall off with the volume.
    assert errors[0] / errors[1] == pytest.approx(8.0, rel=0.05)
    assert errors[-1] < 1e-6


def test_charges_add_up_to_the_charge_of_the_structure() -> None:
    force_field = _force_field("Na", "Cl")
    neutral = force_field.evaluate(_salt())
    charged = force_field.evaluate(replace(_salt(), charges=np.array([2.0] + [0.0] * 7)))
    assert isinstance(neutral, NeuralEvaluation)
    assert isinstance(charged, NeuralEvaluation)
    assert neutral.charges is not None
    assert charged.charges is not None
    assert neutral.charges.sum() == pytest.approx(0.0, abs=1e-12)
    assert charged.charges.sum() == pytest.approx(2.0, abs=1e-12)
    assert float(np.ptp(neutral.charges)) > 1e-2


@pytest.mark.parametrize("elements", [("H",), ("W",), ("Na", "Cl")])
def test_nuclei_repel_each_other_at_any_overlap(elements: tuple[str, ...]) -> None:
    force_field = _force_field(*elements)
    numbers = np.resize(force_field.species, 2)
    energies = []
    for distance in (0.4, 0.2, 0.1, 0.03, 0.01):
        positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
        found = force_field.evaluate(Crystal(np.zeros((3, 3)), positions, numbers, False))
        assert found.forces[1, 0] > 10.0
        energies.append(found.energy)
    assert (np.diff(energies) > 0.0).all()


def test_structures_together_are_what_they_are_alone() -> None:
    force_field = _force_field("Na", "Cl")
    structures = [_salt(), _salt().repeat((2, 1, 1)), _salt(4.9), _molecule()]
    for found, structure in zip(force_field.evaluate_all(structures), structures, strict=True):
        alone = force_field.evaluate(structure)
        np.testing.assert_allclose(found.energies, alone.energies, atol=1e-9)
        np.testing.assert_allclose(found.forces, alone.forces, atol=1e-8)
        np.testing.assert_allclose(found.virial, alone.virial, atol=1e-7)


def _molecule() -> Crystal:
    positions = np.array([[0.0, 0.0, 0.0], [2.4, 0.3, 0.0], [0.2, 2.7, 0.4]])
    return Crystal(np.zeros((3, 3)), positions, np.array([11, 17, 17]), False)


def test_losses_of_forces_and_virials_have_the_right_gradient() -> None:
    """Second derivatives, among them those of the complete sums, against finite differences."""
    settings = _settings("Na", "Cl")
    model = _model(settings).double()
    members = [Surroundings.of(item, settings.species, 5.0) for item in (_salt(), _molecule())]
    batch = AtomBatch.join(members, 5.0, torch.float64)

    def loss() -> torch.Tensor:
        found = model.derivatives(batch, trainable=True)
        return found.forces.square().sum() + found.virials.square().sum()

    loss().backward()
    assert model.sources is not None
    hidden = model.network.layers[0].hidden
    for parameter in (model.sources.weight, hidden.weight, model.outputs[1].weight):
        assert parameter.grad is not None
        steepest = int(parameter.grad.abs().argmax())
        place = np.unravel_index(steepest, parameter.shape)
        step = 1e-5
        values = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                parameter[place] += sign * step
            values.append(loss().item())
            with torch.no_grad():
                parameter[place] -= sign * step
        slope = (values[0] - values[1]) / (2.0 * step)
        assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-5)


def test_files_keep_it(tmp_path: Path) -> None:
    settings = _settings("Na", "Cl")
    force_field = NeuralForceField([_model(settings, seed) for seed in range(2)])
    force_field.save(tmp_path / "salt")
    for source in (tmp_path / "salt", tmp_path / "salt" / "card.json"):
        loaded = load_force_field(source)
        assert isinstance(loaded, NeuralForceField)
        found, expected = loaded.evaluate(_salt()), force_field.evaluate(_salt())
        np.testing.assert_array_equal(found.forces, expected.forces)
        assert found.energy == expected.energy


def test_an_ensemble_is_the_mean_of_its_members_and_knows_their_spread() -> None:
    settings = _settings("Na", "Cl")
    models = [_model(settings, seed) for seed in range(3)]
    found = NeuralForceField(models).evaluate(_salt())
    alone = [NeuralForceField([model]).evaluate(_salt()) for model in models]
    energies = [evaluation.energy for evaluation in alone]
    forces = np.array([evaluation.forces for evaluation in alone])
    assert isinstance(found, NeuralEvaluation)
    assert found.energy == pytest.approx(np.mean(energies), rel=1e-12)
    assert found.energy_uncertainty == pytest.approx(np.std(energies, ddof=1), rel=1e-9)
    assert found.force_uncertainty is not None
    np.testing.assert_allclose(found.force_uncertainty, forces.std(0, ddof=1), atol=1e-10)


def test_ase_is_given_charges_and_uncertainties() -> None:
    settings = _settings("Na", "Cl")
    force_field = NeuralForceField([_model(settings, seed) for seed in range(2)])
    atoms = bulk("NaCl", "rocksalt", a=5.7)
    atoms.rattle(0.1, seed=1)
    atoms.calc = ForceFieldCalculator(force_field)
    expected = force_field.evaluate(atoms)
    assert isinstance(expected, NeuralEvaluation)
    np.testing.assert_array_equal(atoms.get_charges(), expected.charges)
    assert atoms.calc.results["energy_uncertainty"] == expected.energy_uncertainty
    np.testing.assert_array_equal(
        atoms.calc.results["forces_uncertainty"], expected.force_uncertainty
    )


def test_ase_has_no_charges_where_there_are_none() -> None:
    atoms = bulk("W")
    atoms.calc = ForceFieldCalculator(_force_field("W", long_range=False))
    atoms.get_potential_energy()
    assert not {"charges", "energy_uncertainty", "forces_uncertainty"} & set(atoms.calc.results)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_charges()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    _force_field("Na", "Cl").save(tmp_path)
    card, weights = tmp_path / "card.json", tmp_path / "weights.safetensors"
    whole, text = weights.read_bytes(), card.read_text()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ForceFieldError, match="damaged"):
        load_force_field(tmp_path)
    weights.write_bytes(whole)
    card.write_text(text.replace('"version": 1', '"version": 2'))
    with pytest.raises(ForceFieldError, match="newer"):
        load_force_field(tmp_path)
    card.write_text(text.replace('"features": 24', '"features": 25'))
    with pytest.raises(ForceFieldError, match="does not fit"):
        load_force_field(tmp_path)
    card.write_text(text)
    weights.unlink()
    with pytest.raises(ForceFieldError, match="cannot be read"):
        load_force_field(tmp_path)


def test_what_it_cannot_do_is_said() -> None:
    slab = replace(_salt(), pbc=(True, True, False))
    with pytest.raises(ForceFieldError, match="vacuum"):
        _force_field("Na", "Cl").evaluate(slab)
    assert np.isfinite(_force_field("Na", "Cl", long_range=False).evaluate(slab).energy)
    with pytest.raises(ForceFieldError, match="does not know Si"):
        _force_field("Na", "Cl").evaluate(replace(_salt(), numbers=np.array([14] * 8)))
    with pytest.raises(ForceFieldError, match="no head"):
        NeuralForceField([_model(_settings("W"))], head="teacher")
