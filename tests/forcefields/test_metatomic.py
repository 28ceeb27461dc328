"""Neural force fields as metatomic models, run by metatomic's own calculator."""

import sys
from pathlib import Path

import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms
from metatensor.torch import Labels
from metatomic.torch import ModelEvaluationOptions, ModelOutput, load_atomistic_model
from metatomic_ase import MetatomicCalculator
from vesin import NeighborList

import madelung as md
from madelung.common.errors import ForceFieldError
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.metatomic import write_metatomic
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.scripted import crystal_fields, molecule_fields
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.sums.potentials import Coulomb, London

SMALL = {"features": 16, "channels": 8, "cubic_channels": 4, "senders": 4}


def force_field(members: int = 1, **changes: object) -> NeuralForceField:
    """Networks with random weights, whose charges are far from zero."""
    torch.manual_seed(3)
    settings = NeuralSettings(elements=("Na", "Cl"), **{**SMALL, **changes})
    models = [EnergyModel(settings) for _ in range(members)]
    for model in models:
        torch.nn.init.normal_(model.scale, 1.0, 0.1)
        if model.sources is not None:
            torch.nn.init.normal_(model.sources.weight, std=0.5)
    return NeuralForceField(models, factors=(1.7, 1.0))


def crystal(repeat: tuple[int, int, int], seed: int) -> Atoms:
    """Rock salt, strained and with moved atoms."""
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6) * repeat
    generator = np.random.default_rng(seed)
    strain = np.eye(3) + 0.03 * generator.standard_normal((3, 3))
    atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
    atoms.positions += 0.1 * generator.standard_normal(atoms.positions.shape)
    return atoms


def cluster() -> Atoms:
    atoms = crystal((2, 2, 2), 5)
    atoms.pbc, atoms.cell = False, np.zeros((3, 3))
    return atoms


@pytest.fixture(scope="module", params=["near", "far", "three members"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[NeuralForceField, Path]:
    made = {
        "near": lambda: force_field(long_range=False),
        "far": lambda: force_field(heads=("reference", "other")),
        "three members": lambda: force_field(members=3),
    }[request.param]()
    return made, write_metatomic(made, tmp_path_factory.mktemp("exported") / "field.pt")


@pytest.mark.slow
@pytest.mark.parametrize(
    "atoms",
    [crystal((1, 1, 1), 0), crystal((2, 1, 3), 1), crystal((2, 2, 2), 2), cluster(), cluster()[:2]],
    ids=["cell", "supercell", "cube", "cluster", "pair"],
)
def test_engine_and_force_field_agree(
    exported: tuple[NeuralForceField, Path], atoms: Atoms
) -> None:
    """Energies, forces and stress: those of the engine are derivatives that it took itself."""
    field, path = exported
    expected = field.evaluate(atoms)
    atoms = atoms.copy()
    atoms.calc = MetatomicCalculator(
        path, device="cpu", check_consistency=True, uncertainty_threshold=None
    )
    assert atoms.get_potential_energy() == pytest.approx(expected.energy, abs=1e-9 * len(atoms))
    assert atoms.get_potential_energies() == pytest.approx(expected.energies, abs=1e-8)
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-8)
    if atoms.pbc.all():
        stress = atoms.get_stress(voigt=False)
        np.testing.assert_allclose(stress, expected.virial / expected.volume, atol=1e-9)


@pytest.mark.slow
def test_the_spread_of_members_is_given(tmp_path: Path) -> None:
    field = force_field(members=3)
    path = write_metatomic(field, tmp_path / "field.pt")
    asked = {"energy_uncertainty": ModelOutput(unit="eV", sample_kind="atom")}
    calculator = MetatomicCalculator(
        path, device="cpu", additional_outputs=asked, uncertainty_threshold=None
    )
    atoms = crystal((1, 1, 2), 4)
    atoms.calc = calculator
    atoms.get_potential_energy()
    given = calculator.additional_outputs["energy_uncertainty"].block().values[:, 0]
    each = [NeuralForceField([model]).evaluate(atoms).energies for model in field.models]
    np.testing.assert_allclose(given.detach(), 1.7 * np.std(each, axis=0, ddof=1), atol=1e-8)


@pytest.mark.slow
def test_energies_of_chosen_atoms(tmp_path: Path) -> None:
    """As an engine asks for them that divides space among processes."""
    field = force_field(long_range=False)
    model = load_atomistic_model(write_metatomic(field, tmp_path / "field.pt"))
    atoms = crystal((1, 1, 2), 6)
    calculator = MetatomicCalculator(model, device="cpu")
    systems = calculator._nl_calculators.compute(
        systems=[_system(atoms), _system(crystal((1, 1, 1), 7))]
    )
    chosen = Labels(["system", "atom"], torch.tensor([[0, 2], [1, 1], [0, 0]], dtype=torch.int32))
    first, second = (field.evaluate(each).energies for each in (atoms, crystal((1, 1, 1), 7)))
    for kind, expected in (
        ("atom", {(0, 2): first[2], (1, 1): second[1], (0, 0): first[0]}),
        ("system", {(0,): first[2] + first[0], (1,): second[1]}),
    ):
        options = ModelEvaluationOptions(
            length_unit="angstrom",
            outputs={"energy": ModelOutput(unit="eV", sample_kind=kind)},
            selected_atoms=chosen,
        )
        block = model(systems, options, check_consistency=True)["energy"].block()
        given = {
            tuple(sample): value
            for sample, value in zip(
                block.samples.values.tolist(), block.values[:, 0].tolist(), strict=True
            )
        }
        assert given == pytest.approx(expected, abs=1e-10)


def _system(atoms: Atoms) -> object:
    from metatomic.torch import systems_to_torch

    return systems_to_torch(atoms, dtype=torch.float64)


@pytest.mark.slow
def test_a_slab_is_refused(tmp_path: Path) -> None:
    path = write_metatomic(force_field(), tmp_path / "field.pt")
    atoms = crystal((1, 1, 1), 0)
    atoms.pbc = (True, True, False)
    atoms.calc = MetatomicCalculator(path, device="cpu")
    with pytest.raises(torch.jit.Error, match="put a slab or a wire into a cell with vacuum"):
        atoms.get_potential_energy()


def fields_of(
    cell: np.ndarray, positions: np.ndarray, sources: np.ndarray, cutoff: float = 9.0
) -> np.ndarray:
    first, second, pairs = NeighborList(cutoff=cutoff, full_list=True).compute(
        positions, cell, True, quantities="ijD"
    )
    tensors = (positions, cell, first.astype(np.int64), second.astype(np.int64), pairs, sources)
    fields = crystal_fields(*(torch.from_numpy(np.asarray(each)) for each in tensors), cutoff, 4.6)
    return fields.numpy()


def test_madelung_energy_of_rock_salt() -> None:
    """M = 1.747564594633182 (OEIS A085469)."""
    side = 5.64
    cell = side * 0.5 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    positions = np.array([[0.0, 0, 0], [side / 2, 0, 0]])
    fields = fields_of(cell, positions, np.array([[1.0, -1.0], [0.0, 0.0]]))
    expected = np.array([-1.0, 1.0]) * 1.747564594633182 / (side / 2)
    np.testing.assert_allclose(fields[0], expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_fields_are_those_of_certified_sums(seed: int) -> None:
    """Whatever the cell, and with sources that do not add up to zero."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 7))
    cell = 4.0 * np.eye(3) + 0.8 * generator.standard_normal((3, 3))
    positions = generator.random((count, 3)) @ cell
    sources = generator.standard_normal((2, count))
    whole = md.Crystal(cell=cell, positions=positions, numbers=[11] * count)
    sums = md.complete_sums(whole, [Coulomb(), London()], tolerance=1e-9)
    expected = np.einsum("pij,pj->pi", np.asarray(sums.values), sources)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert np.all(np.abs(fields_of(cell, positions, sources) - expected) < 1e-8 * scale)
    small = fields_of(cell, positions, sources, cutoff=6.0)
    assert np.all(np.abs(small - expected) < 1e-8 * scale)


def test_fields_of_a_molecule_by_hand() -> None:
    positions = torch.tensor([[0.0, 0, 0], [2.0, 0, 0]], dtype=torch.float64)
    fields = molecule_fields(positions, torch.tensor([[1.0, 3.0], [5.0, 7.0]]).double())
    expected = torch.tensor([[1.5, 0.5], [7.0 / 64, 5.0 / 64]], dtype=torch.float64)
    torch.testing.assert_close(fields, expected)


def test_without_metatomic_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "metatomic.torch", None)
    with pytest.raises(ForceFieldError, match="pip install 'madelung\\[metatomic\\]'"):
        write_metatomic(force_field(), tmp_path / "field.pt")
    assert not list(tmp_path.iterdir())
