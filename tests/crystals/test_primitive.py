"""Primitive cells: against spglib, and that they describe the same crystal."""

import numpy as np
import pytest
import spglib
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.crystals.primitive import primitive_crystal

ATOMS = {"CaF2": 3, "CsCl": 2, "NaCl": 2, "SiO2": 9, "SrTiO3": 5, "TiO2": 6, "ZnS": 2}


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (3, 2, 1), (2, 2, 2)])
def test_sizes_of_known_crystals(name: str, counts: tuple[int, int, int]) -> None:
    crystal = md.example(name).repeat(counts)
    primitive = primitive_crystal(crystal)
    assert len(primitive) == ATOMS[name]
    assert primitive.volume / len(primitive) == pytest.approx(crystal.volume / len(crystal))
    assert primitive.source == crystal.source


def random_supercell(seed: int) -> tuple[md.Crystal, int]:
    """A crystal without inner translations, as a skewed supercell with shuffled, shifted atoms."""
    generator = np.random.default_rng(seed)
    atoms = int(generator.integers(1, 5))
    cell = (np.eye(3) + 0.3 * generator.normal(size=(3, 3))) * (15.0 * atoms) ** (1 / 3)
    places = generator.random((atoms, 3))
    numbers = generator.integers(1, 4, size=atoms)
    change = np.triu(generator.integers(-2, 3, size=(3, 3)), 1) + np.diag(
        generator.integers(1, 4, size=3)
    )
    images = np.indices((9, 9, 9)).reshape(3, -1).T - 4
    inverse = np.linalg.inv(change)
    # Corners of cells in the supercell: as many as its volume.
    corners = np.unique(np.round((images @ inverse) % 1.0, 9) % 1.0, axis=0) @ change
    count = round(abs(np.linalg.det(change)))
    assert len(corners) == count
    positions = ((places[None] + corners[:, None]).reshape(-1, 3)) @ cell
    order = generator.permutation(len(positions))
    positions = positions + generator.normal(size=3) + 1e-5 * generator.normal(size=positions.shape)
    return (
        md.Crystal(
            cell=change @ cell, positions=positions[order], numbers=np.tile(numbers, count)[order]
        ),
        atoms,
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@examples(150)
@given(seed=st.integers(0, 2**31))
def test_random_supercells_come_back(seed: int) -> None:
    crystal, atoms = random_supercell(seed)
    primitive = primitive_crystal(crystal)
    assert len(primitive) == atoms
    found = spglib.find_primitive(
        (crystal.cell, crystal.scaled_positions, crystal.numbers), symprec=1e-3
    )
    assert len(found[2]) == atoms
    assert primitive.volume == pytest.approx(abs(np.linalg.det(found[0])), rel=1e-4)
    # The same crystal: the sums of an atom over all others of each element agree.
    one, other = (
        md.complete_sums(item, md.London(), tolerance=1e-6).values[0]
        for item in (crystal, primitive)
    )
    for number in crystal.species:
        large = np.sort(one[:, crystal.numbers == number].sum(axis=1)[crystal.numbers == number])
        small = np.sort(
            other[:, primitive.numbers == number].sum(axis=1)[primitive.numbers == number]
        )
        repeated = np.repeat(small, len(large) // len(small))
        np.testing.assert_allclose(large, repeated, rtol=2e-2, atol=1e-3)


@pytest.mark.slow
def test_large_cells() -> None:
    """A large supercell, and a large cell without inner translations, take no time to speak of."""
    crystal = md.example("TiO2").repeat((8, 8, 6))
    assert len(primitive_crystal(crystal)) == 6
    generator = np.random.default_rng(0)
    moved = crystal.positions + 0.05 * generator.normal(size=crystal.positions.shape)
    displaced = md.Crystal(cell=crystal.cell, positions=moved, numbers=crystal.numbers)
    assert primitive_crystal(displaced) is displaced


def test_a_defect_keeps_its_cell() -> None:
    crystal = md.example("NaCl").repeat(2)
    numbers = crystal.numbers.copy()
    numbers[0] = 19
    doped = md.Crystal(cell=crystal.cell, positions=crystal.positions, numbers=numbers)
    assert primitive_crystal(doped) is doped
    moved = crystal.positions.copy()
    moved[0] += 0.01
    distorted = md.Crystal(cell=crystal.cell, positions=moved, numbers=crystal.numbers)
    assert len(primitive_crystal(distorted)) == len(crystal)
    assert len(primitive_crystal(distorted, tolerance=0.05)) == 2


def test_charges_tell_atoms_apart() -> None:
    cell = np.diag([3.0, 3.0, 6.0])
    positions = np.array([[0.0, 0, 0], [0, 0, 3.0]])
    for charges, atoms in (([1.0, 1.0], 1), ([1.0, -1.0], 2)):
        crystal = md.Crystal(cell=cell, positions=positions, numbers=[11, 11], charges=charges)
        assert len(primitive_crystal(crystal)) == atoms


def test_atoms_on_one_site_are_left_alone() -> None:
    crystal = md.Crystal(cell=3 * np.eye(3), positions=np.zeros((2, 3)), numbers=[1, 1])
    assert len(primitive_crystal(crystal)) == 2
