"""Frequencies read off springs: against phonopy, a chain solved by hand, and what changes none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import make_supercell
from ase.neighborlist import neighbor_list
from data_files import CRYSTAL_DATA
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from places import FROZEN_MODELS
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.common.errors import ModelError, TrainingError
from madelung.common.units import FREQUENCY_UNITS
from madelung.inputs.bonds import BondList, crystal_bonds, join_bonds
from madelung.inputs.build import build_input
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import PairSettings
from madelung.models.networks import build_network
from madelung.models.settings import SumNetSettings
from madelung.models.springs import Springs, dynamical_matrices, spring_matrices
from madelung.models.sumnet import SumNet
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings
from madelung.training.trainer import Trainer

INPUTS = PairSettings(bonds=4.5)
SMALL = SumNetSettings(features=24, layers=2, senders=8, tensors=12, readout="frequency")
NAMES = ("NaCl", "ZnS", "CaF2", "SrTiO3", "TiO2", "SiO2")
CELLS = {
    "doubled": [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
    "long": [[1, 0, 0], [0, 3, 0], [0, 0, 1]],
    "sheared": [[1, 2, 0], [0, 1, 1], [0, 0, 1]],
}


def bonds_of(*crystals: md.Crystal, reach: float) -> BondList:
    """Bonds of crystals of which each atom is an orbit of its own."""
    made = [crystal_bonds(crystal, np.arange(len(crystal)), reach) for crystal in crystals]
    return join_bonds(made, np.array([len(crystal) for crystal in crystals]))


def frequencies(crystal: md.Crystal, reach: float, along: object, across: object) -> torch.Tensor:
    """(8, 3n) frequencies at the symmetric points, in THz, of springs that depend on distance."""
    bonds = bonds_of(crystal, reach=reach)
    distances = bonds.distances[bonds.kinds].double().numpy()
    strengths = [torch.from_numpy(np.asarray(law(distances))).double() for law in (along, across)]  # type: ignore[operator]
    matrices = spring_matrices(*strengths, bonds.directions.double())
    masses = torch.tensor(crystal.to_ase().get_masses())
    (dynamical,) = dynamical_matrices(matrices, masses, bonds)
    squares = torch.linalg.eigvalsh(dynamical[0])
    return FREQUENCY_UNITS["THz"] * torch.sqrt(squares.clamp(min=0.0))


def supercell_force_constants(
    cell: Atoms, reach: float, along: object, across: object
) -> NDArray[np.float64]:
    """(n, n, 3, 3) second derivatives of the energy of the springs, summed bond by bond."""
    constants = np.zeros((len(cell), len(cell), 3, 3))
    for i, j, distance, vector in zip(*neighbor_list("ijdD", cell, reach), strict=True):
        dyad = np.outer(vector, vector) / distance**2
        spring = along(distance) * dyad + across(distance) * (np.eye(3) - dyad)  # type: ignore[operator]
        constants[i, i] += spring
        constants[i, j] -= spring
    return constants


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NaCl", "ZnS", "TiO2", "SiO2"])
def test_frequencies_at_the_symmetric_points_are_those_of_phonopy(name: str) -> None:
    def along(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        return 40.0 * np.exp(-distance)

    def across(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        return 3.0 * np.exp(-distance)

    crystal, reach = md.example(name), 4.1
    atoms = crystal.to_ase()
    phonons = Phonopy(
        PhonopyAtoms(
            symbols=atoms.get_chemical_symbols(),
            cell=atoms.cell.array,
            scaled_positions=atoms.get_scaled_positions(),
            masses=atoms.get_masses(),
        ),
        supercell_matrix=2 * np.eye(3, dtype=int),
        primitive_matrix=np.eye(3),
    )
    large = phonons.supercell
    cell = Atoms(large.symbols, cell=large.cell, scaled_positions=large.scaled_positions, pbc=True)
    phonons.force_constants = supercell_force_constants(cell, reach, along, across)
    points = [[i / 2, j / 2, k / 2] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    phonons.run_qpoints(points)
    expected = np.maximum(np.sort(phonons.qpoints.frequencies, axis=1), 0.0)
    found = frequencies(crystal, reach, along, across).numpy()
    # Three acoustic modes are zero at Γ, up to the root of a rounding error.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_a_chain_of_two_masses_is_the_one_of_textbooks() -> None:
    strength, spacing = 7.0, 2.0
    chain = Atoms("NaCl", positions=[[0, 0, 0], [spacing, 0, 0]], cell=[2 * spacing, 30, 30])
    chain.pbc = True
    crystal = md.Crystal.from_ase(chain)
    found = frequencies(
        crystal, 2.5, lambda distance: strength + 0.0 * distance, lambda distance: 0.0 * distance
    )
    light, heavy = sorted(chain.get_masses())
    optical = np.sqrt(2.0 * strength * (1.0 / light + 1.0 / heavy))
    edge = [np.sqrt(2.0 * strength / mass) for mass in (light, heavy)]
    unit = FREQUENCY_UNITS["THz"]
    # The chain runs along the first axis: at four of the points q is zero along it.
    top = np.sort(found[:, -1].numpy())
    np.testing.assert_allclose(top, unit * np.repeat([edge[0], optical], 4), rtol=1e-6)
    np.testing.assert_allclose(np.sort(found[:, -2].numpy())[-4:], unit * edge[1], rtol=1e-6)


def test_units_of_frequency_are_those_of_the_constants_of_nature() -> None:
    from scipy import constants

    own = np.sqrt(constants.e * 1e20 / constants.atomic_mass) / (2.0 * np.pi)
    expected = {
        "THz": own / 1e12,
        "1/cm": own / constants.c / 100.0,
        "meV": own * constants.h / constants.e * 1000.0,
    }
    assert pytest.approx(expected, rel=1e-6) == FREQUENCY_UNITS


def test_bonds_of_a_kind_have_the_same_ends_and_length() -> None:
    crystal = md.example("SrTiO3")
    orbits = np.array([0, 1, 2, 2, 2])
    numbers = np.asarray(crystal.numbers)
    assert len(set(numbers[2:])) == 1
    bonds = crystal_bonds(crystal, orbits, 4.5)
    first, second, distance = neighbor_list("ijd", crystal.to_ase(), 4.5)
    assert 2 * len(bonds.first) == len(first)
    np.testing.assert_allclose(
        np.sort(np.repeat(bonds.distances[bonds.kinds], 2)), np.sort(distance), atol=1e-5
    )
    expected = {
        (*sorted((orbits[i], orbits[j])), round(d, 3))
        for i, j, d in zip(first, second, distance, strict=True)
    }
    assert len(bonds.distances) == len(expected)


def network(settings: SumNetSettings = SMALL) -> SumNet:
    """A network whose batch statistics have seen the examples, ready to predict."""
    torch.manual_seed(0)
    made = build_network(settings, INPUTS, 2)
    assert isinstance(made, SumNet) and made.springs is not None
    with torch.no_grad():
        made.springs.strength.weight.normal_(std=0.2)
        made.springs.weights.normal_()
        for _ in range(20):
            made(build_input([md.example(name) for name in NAMES], INPUTS))
    return made.eval()


NETWORK = network()


@torch.no_grad()
def outputs(crystals: object, inputs: PairSettings = INPUTS) -> tuple[torch.Tensor, ...]:
    found: tuple[torch.Tensor, ...] = NETWORK(build_input(crystals, inputs))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cell", list(CELLS))
def test_any_cell_of_a_crystal_has_the_same_frequencies(name: str, cell: str) -> None:
    crystal = md.example(name)
    other = md.Crystal.from_ase(make_supercell(crystal.to_ase(), np.array(CELLS[cell])))
    for found, expected in zip(outputs(other), outputs(crystal), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_trained_model_knows_no_cell(cell: str) -> None:
    """Cells agree to 1e-5 of the spread of the frequencies that it was trained on (490 1/cm)."""
    model = md.load(FROZEN_MODELS / "format-5")
    crystals = [md.example(name) for name in NAMES]
    others = [
        md.Crystal.from_ase(make_supercell(crystal.to_ase(), np.array(CELLS[cell])))
        for crystal in crystals
    ]
    for found, expected in zip(model.predict(others), model.predict(crystals), strict=True):
        assert found.value == pytest.approx(expected.value, abs=1e-5 * 490.0)


def test_neither_axes_nor_order_nor_company_matter() -> None:
    crystal = md.example("SiO2")
    generator = np.random.default_rng(0)
    atoms = crystal.to_ase()[generator.permutation(len(crystal))]
    turned = Rotation.random(rng=generator).as_matrix()
    atoms.set_cell(atoms.cell.array @ turned.T, scale_atoms=True)
    atoms.positions += [0.3, -1.0, 2.0]
    other = md.Crystal.from_ase(atoms)
    together = outputs([md.example("NaCl"), other, md.example("TiO2"), crystal])
    for found, expected in zip(together, outputs(crystal), strict=True):
        torch.testing.assert_close(found[1:2], expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[3:4], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_frequencies_follow_from_all_springs_at_once() -> None:
    """Springs that are all e^b as strong have frequencies e^(b/2) as high."""
    made = network()
    springs = made.springs
    assert springs is not None
    graph = build_input([md.example(name) for name in NAMES], INPUTS)
    values = made(graph)[0]
    (slope,) = torch.autograd.grad(values.sum(), springs.strength.bias)
    torch.testing.assert_close(slope[0].double(), 0.5 * values.sum(), rtol=1e-4, atol=0.0)
    with torch.no_grad():
        springs.strength.bias[0] += 1.0
        torch.testing.assert_close(made(graph)[0], values * np.exp(0.5), rtol=1e-4, atol=0.0)


@pytest.mark.slow
def test_expected_errors_do_not_change_the_springs() -> None:
    made = network()
    log_scales = made(build_input([md.example(name) for name in NAMES], INPUTS))[1]
    log_scales.square().sum().backward()
    learning = {name for name, weight in made.named_parameters() if weight.grad is not None}
    assert {name.split(".")[0] for name in learning} == {"atom", "first", "second", "scale"}


def test_parts_of_atoms_tell_who_moves() -> None:
    """The hydrogen of a molecule far from all others has the highest vibration to itself."""
    molecule = Atoms("HI", positions=[[0, 0, 0], [1.61, 0, 0]], cell=[12, 12, 12], pbc=True)
    graph = build_input([md.Crystal.from_ase(molecule), md.example("SiO2")], INPUTS)
    assert isinstance(graph, PairGraph) and graph.bonds is not None
    springs = Springs(24, 1, 4.5)
    frequency, parts = springs(torch.zeros(len(graph.numbers), 24), graph)
    light, heavy = molecule.get_masses()
    hydrogen = parts[graph.numbers == 1]
    assert float(hydrogen[0]) == pytest.approx(heavy / (light + heavy), rel=1e-3)
    sums = parts.new_zeros(2).index_add(0, graph.owner, parts)
    torch.testing.assert_close(sums, torch.ones(2))
    along, _ = springs.strengths(torch.zeros(len(graph.numbers), 24), graph.numbers, graph.bonds)
    expected = torch.sqrt(along[0] * (1.0 / light + 1.0 / heavy))
    torch.testing.assert_close(frequency[0, 0], expected.double(), rtol=1e-4, atol=0.0)


def test_what_lacks_bonds_or_is_no_frequency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs bonds \(--bonds 5\)"):
        build_network(SMALL, PairSettings(), 1)
    with pytest.raises(ModelError, match="leave --pooling away"):
        build_network(SMALL.model_copy(update={"pooling": "attention"}), INPUTS, 1)
    with pytest.raises(ModelError, match="made without"):
        NETWORK(build_input(md.example("NaCl"), PairSettings()))
    settings = TrainingSettings(graph=INPUTS, network=SMALL)
    store = md.open_dataset("example:jarvis", folder=tmp_path / "store")
    with pytest.raises(TrainingError, match="only targets in THz, 1/cm, meV can be read off"):
        prepare(store, settings)


@pytest.mark.slow
def test_springs_are_learnt_from_the_frequencies_of_real_crystals(tmp_path: Path) -> None:
    """A few passes over DFT's phonons leave a sixth of what the mean of all would err."""
    data = CRYSTAL_DATA / "matbench_phonons.jsonl.gz"
    if not data.is_file():
        pytest.skip("needs matbench_phonons.jsonl.gz")
    store = md.open_dataset(data, folder=tmp_path / "store")
    settings = TrainingSettings(
        target=("last_phdos_peak",),
        split="fold-0",
        training_limit=400,
        epochs=8,
        batch_size=16,
        learning_rate=5e-3,
        average_decay=0.99,
        threads=1,
        graph=INPUTS,
        network=SMALL,
    )
    result = Trainer(settings, tmp_path / "run").fit(store)
    errors = result.errors["val"]["last_phdos_peak"]
    assert errors.mae < errors.mad / 6.0
    assert 0.8 < errors.coverage_90 < 1.0
    scale = result.model.scale
    assert float(scale.spread[0]) == pytest.approx(FREQUENCY_UNITS["1/cm"], rel=1e-6)
    assert float(scale.mean[0]) == 0.0 and float(scale.baseline.abs().sum()) == 0.0
