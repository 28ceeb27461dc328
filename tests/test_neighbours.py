"""Near neighbours against ASE's, in cells of all shapes and periodicities."""

from __future__ import annotations

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from madelung.crystal import Crystal
from madelung.forcefields.neighbours import find_neighbours


@pytest.mark.parametrize("cutoff", [0.9, 2.5, 5.0])
@given(seed=st.integers(0, 2**32 - 1), pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_neighbours_are_those_of_ase(cutoff: float, seed: int, pbc: tuple[bool, ...]) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 7))
    cell = np.diag(generator.uniform(2.0, 6.0, 3)) + generator.normal(size=(3, 3)) * 0.7
    positions = generator.uniform(-1.0, 2.0, (count, 3)) @ cell
    crystal = Crystal(cell, positions, np.full(count, 29), pbc)
    found = find_neighbours(crystal, cutoff)
    first, second, vectors = neighbor_list("ijD", crystal.to_ase(), cutoff)
    owners = np.repeat(np.arange(count), np.diff(found.starts))
    mine = np.column_stack([owners, found.indices, found.vectors])
    theirs = np.column_stack([first, second, vectors])
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(sorted_rows(mine), sorted_rows(theirs), atol=1e-9)
    np.testing.assert_allclose(found.distances, np.linalg.norm(found.vectors, axis=1))
    assert found.starts[0] == 0 and found.starts[-1] == len(found.indices)


def sorted_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


def test_a_molecule_needs_no_cell() -> None:
    water = Crystal(np.zeros((3, 3)), [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], [8, 1, 1], False)
    assert np.diff(find_neighbours(water, 1.2).starts).tolist() == [2, 1, 1]
    alone = find_neighbours(Crystal(np.zeros((3, 3)), np.zeros((1, 3)), [8], False), 5.0)
    assert len(alone.indices) == 0 and alone.vectors.shape == (0, 3)
