"""Orbits of atoms: against spglib, and against what is done to a crystal."""

from __future__ import annotations

import itertools
import os
import warnings

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.crystals.lattice import reduce_cells
from madelung.crystals.orbits import atom_orbits, lattice_rotations
from madelung.crystals.primitive import primitive_crystal
from madelung.data.store import CrystalStore

TOLERANCE = 1e-5


def same(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Whether two sets of labels divide atoms in the same way."""
    return bool(((first[:, None] == first) == (second[:, None] == second)).all())


def orbits_of_spglib(
    crystal: md.Crystal, tolerance: float, of: str = "crystallographic_orbits"
) -> NDArray[np.int64] | None:
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    cell = (crystal.cell, crystal.scaled_positions, crystal.numbers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except spglib.SpglibError:
        return None
    return None if found is None else np.asarray(getattr(found, of))


@pytest.mark.slow
def test_real_crystals_have_the_orbits_that_spglib_finds(store: CrystalStore) -> None:
    """Wherever what spglib finds does not depend on the tolerance."""
    judged = 0
    for index in range(0, len(store), 2):
        record = store[index]
        crystal = primitive_crystal(record.crystal, 1e-3)
        found = [orbits_of_spglib(crystal, tolerance) for tolerance in (1e-4, 1e-3, 1e-2)]
        if any(other is None or not same(found[0], other) for other in found):
            continue
        judged += 1
        assert same(atom_orbits(crystal, 1e-3), found[1]), record.id
    assert judged > 250


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (2, 2, 2)])
def test_of_a_cell_that_is_not_primitive_its_own_symmetry_counts(
    name: str, counts: tuple[int, int, int]
) -> None:
    crystal = md.example(name).repeat(counts)
    expected = orbits_of_spglib(crystal, TOLERANCE, "equivalent_atoms")
    assert expected is not None and same(atom_orbits(crystal, TOLERANCE), expected)


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 2**31))
def test_any_choice_of_cell_axes_and_order_gives_the_same_orbits(seed: int) -> None:
    generator = np.random.default_rng(seed)
    crystal = md.example(EXAMPLE_NAMES[seed % len(EXAMPLE_NAMES)])
    orbits = atom_orbits(crystal, TOLERANCE)
    shear = np.eye(3, dtype=int)
    for i, j in itertools.permutations(range(3), 2):
        step = np.eye(3, dtype=int)
        step[i, j] = generator.integers(-1, 2)
        shear = step @ shear
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(len(crystal))
    positions = crystal.positions + generator.integers(-2, 3, (len(crystal), 3)) @ crystal.cell
    changed = md.Crystal(
        cell=shear @ crystal.cell @ turn,
        positions=(positions[order] + generator.normal(size=3)) @ turn,
        numbers=crystal.numbers[order],
    )
    assert same(atom_orbits(changed, TOLERANCE), orbits[order])


def test_a_small_displacement_tells_atoms_apart_beyond_the_tolerance_alone() -> None:
    crystal = md.example("NaCl").repeat((2, 1, 1))
    moved = crystal.positions.copy()
    moved[0, 0] += 1e-4
    changed = md.Crystal(cell=crystal.cell, positions=moved, numbers=crystal.numbers)
    assert len(set(atom_orbits(changed, 1e-3))) == 2
    fine = atom_orbits(changed, TOLERANCE)
    expected = orbits_of_spglib(changed, TOLERANCE)
    assert len(set(fine)) > 2 and expected is not None and same(fine, expected)


def test_charges_and_tolerance_zero_tell_atoms_apart() -> None:
    crystal = md.example("NaCl")
    assert len(set(atom_orbits(crystal, 0.0))) == len(crystal)
    charges = np.where(crystal.numbers == 11, 1.0, -1.0)
    charges[0] = 2.0
    charged = md.Crystal(
        cell=crystal.cell, positions=crystal.positions, numbers=crystal.numbers, charges=charges
    )
    assert len(set(atom_orbits(charged, TOLERANCE))) > 2


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (np.eye(3), 48),
        (np.ones((3, 3)) - np.eye(3), 48),
        (np.ones((3, 3)) - 2.0 * np.eye(3), 48),
        (np.diag([1.0, 1.0, 1.3]), 16),
        (np.diag([1.0, 1.2, 1.3]), 8),
        (np.array([[1.0, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1.4]]), 24),
        (np.array([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0]]), 12),
        (np.array([[1.0, 0, 0], [0, 1.2, 0], [0.3, 0, 1.3]]), 4),
        (np.array([[1.0, 0, 0], [0.1, 1.2, 0], [0.3, 0.2, 1.3]]), 2),
    ],
)
def test_the_seven_crystal_systems(cell: NDArray[np.float64], count: int) -> None:
    """Orders of the point groups of lattices: Int. Tables A, holohedries."""
    basis = reduce_cells(cell[None]).basis[0]
    rotations = lattice_rotations(basis, 1e-6)
    assert len(rotations) == count
    turns = np.linalg.inv(basis) @ rotations @ basis
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-9
    )
