"""Graphs: near neighbours against ASE and brute force, complete sums, and their symmetries."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.inputs.near_graph import build_graph, near_neighbours
from madelung.inputs.settings import GraphSettings

WHOLE = GraphSettings(primitive=False, merge_tolerance=0.0)


def random_crystal(seed: int, atoms: int) -> md.Crystal:
    """A crystal without symmetry, of usual density."""
    generator = np.random.default_rng(seed)
    cell = (np.eye(3) + 0.25 * generator.normal(size=(3, 3))) * (12.0 * atoms) ** (1 / 3)
    positions = generator.random((atoms, 3)) @ cell
    return md.Crystal(cell=cell, positions=positions, numbers=generator.integers(1, 90, atoms))


def neighbours_by_ase(crystal: md.Crystal, count: int, tie: float) -> list[np.ndarray]:
    """Sorted distances of each atom's nearest images, from a large cutoff with ASE."""
    cutoff = 4.0
    while True:
        i, distance = neighbor_list("id", crystal.to_ase(), cutoff)
        rows = [np.sort(distance[i == atom]) for atom in range(len(crystal))]
        if all(len(row) > count and row[-1] > row[count - 1] + tie for row in rows):
            return [row[row <= row[count - 1] + tie] for row in rows]
        cutoff *= 1.3


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
@pytest.mark.parametrize("count", [1, 16, 40])
def test_neighbours_of_real_crystals(name: str, count: int) -> None:
    crystal = md.example(name)
    centre, _, distance = near_neighbours(md.CrystalBatch.from_crystals([crystal]), count)
    for atom, expected in enumerate(neighbours_by_ase(crystal, count, 1e-3)):
        np.testing.assert_allclose(distance[centre == atom], expected, atol=1e-9)


def test_shells_of_rock_salt() -> None:
    """6 at a/2, 12 at a/sqrt(2): sixteen neighbours bring the whole second shell as ties."""
    _, neighbour, distance = near_neighbours(
        md.CrystalBatch.from_crystals([md.example("NaCl")]), 16
    )
    assert len(distance) == 8 * 18 and len(neighbour) == len(distance)


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 2**31), atoms=st.integers(1, 12), count=st.integers(1, 20))
def test_neighbours_of_random_crystals(seed: int, atoms: int, count: int) -> None:
    crystal = random_crystal(seed, atoms)
    centre, _, distance = near_neighbours(md.CrystalBatch.from_crystals([crystal]), count)
    for atom, expected in enumerate(neighbours_by_ase(crystal, count, 1e-3)):
        np.testing.assert_allclose(distance[centre == atom], expected, atol=1e-9)


def test_a_layer_in_vacuum_and_an_atom_alone() -> None:
    layer = md.Crystal(
        cell=np.diag([2.5, 2.5, 60.0]), positions=np.zeros((1, 3)), numbers=[6], pbc=True
    )
    _, _, distance = near_neighbours(md.CrystalBatch.from_crystals([layer]), 8)
    np.testing.assert_allclose(distance, [2.5] * 4 + [2.5 * np.sqrt(2)] * 4)


def test_atoms_on_one_site_are_no_neighbours() -> None:
    crystal = md.Crystal(cell=3.0 * np.eye(3), positions=np.zeros((2, 3)), numbers=[1, 2])
    graph = build_graph(crystal, GraphSettings(primitive=False, neighbours=6))
    assert float(graph.distance.min()) == pytest.approx(3.0)


def test_a_batch_is_its_crystals_end_to_end() -> None:
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    together = build_graph(crystals, WHOLE)
    atoms = pairs = edges = 0
    for index, crystal in enumerate(crystals):
        alone = build_graph(crystal, WHOLE)
        assert together.counts[index] == len(crystal)
        own = slice(edges, edges + len(alone.centre))
        assert (together.centre[own] - atoms == alone.centre).all()
        assert (together.distance[own] == alone.distance).all()
        rows = slice(pairs, pairs + len(crystal) ** 2)
        assert (together.first[rows] - atoms == alone.first).all()
        assert (together.second[rows] - atoms == alone.second).all()
        np.testing.assert_allclose(together.sums[rows], alone.sums, atol=3e-6)
        atoms, pairs, edges = atoms + len(crystal), rows.stop, own.stop
    assert atoms == len(together.numbers)


def test_sums_stand_at_their_pairs() -> None:
    crystal = md.example("TiO2")
    names = ("coulomb", "london", "pauli:3")
    graph = build_graph(
        crystal, GraphSettings(primitive=False, potentials=names, merge_tolerance=0.0)
    )
    exact = md.complete_sums(crystal, [md.Coulomb(), md.London(), md.Pauli(3.0)]).values
    found = np.zeros_like(exact)
    found[:, graph.first, graph.second] = graph.sums.T
    np.testing.assert_allclose(found, exact, atol=2e-6)


def test_published_pauli_repeats_the_published_value() -> None:
    """PotNet's code gives 0.2022 here, and 0.0366 is right (specification, measured)."""
    cell = 3.0 * np.eye(3)
    crystal = md.Crystal(
        cell=cell, positions=np.array([[0, 0, 0], [0.3, 0.2, 0.1]]) @ cell, numbers=[11, 17]
    )
    for pauli, value in (("published", 0.2022), ("true", 0.0366)):
        graph = build_graph(
            crystal, GraphSettings(primitive=False, pauli=pauli, merge_tolerance=0.0)
        )
        assert float(graph.sums[1, 2]) == pytest.approx(value, abs=5e-5)


def test_published_pauli_depends_on_the_cell_and_the_true_one_does_not() -> None:
    crystal, double = md.example("CsCl"), md.example("CsCl").repeat((1, 1, 2))
    for pauli, same in (("published", False), ("true", True)):
        one, two = (
            build_graph(
                item,
                GraphSettings(primitive=False, pauli=pauli, tolerance=1e-9, merge_tolerance=0.0),
            ).sums[:, 2]
            for item in (crystal, double)
        )
        # Sums over the images of an atom in the supercell add up.
        folded = two.reshape(4, 4)[0].reshape(2, 2).sum(0)
        assert np.allclose(folded, one.reshape(2, 2)[0], rtol=1e-4) == same


def test_without_sums() -> None:
    graph = build_graph(md.example("NaCl"), GraphSettings(primitive=False, potentials=()))
    assert len(graph.first) == 0 and graph.sums.shape == (0, 0)
    assert graph.weights.tolist() == [4.0, 4.0]


def test_a_molecule_is_refused() -> None:
    molecule = md.Crystal(cell=np.zeros((3, 3)), positions=np.zeros((1, 3)), numbers=[1], pbc=False)
    with pytest.raises(md.CrystalError, match="periodic"):
        build_graph(molecule, GraphSettings())
