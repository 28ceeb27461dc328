"""Neighbours by the native core against those by vesin."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madelung.common.native import uf3_core
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import Neighbours, _by_core, _by_vesin, find_neighbours

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)


def ordered(found: Neighbours, count: int) -> np.ndarray:
    """Rows of first atom, second atom and vector, sorted."""
    first = np.repeat(np.arange(count), np.diff(found.starts))
    rows = np.column_stack([first, found.indices, found.vectors.round(6) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_core_and_vesin_agree(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 40))
    cell = generator.normal(size=(3, 3)) * generator.uniform(1.0, 6.0)
    while abs(np.linalg.det(cell)) < 3.0:
        cell = generator.normal(size=(3, 3)) * generator.uniform(1.0, 6.0)
    pbc = generator.random(3) < 0.6
    positions = generator.normal(size=(count, 3)) * generator.uniform(0.5, 10.0)
    crystal = Crystal(cell, positions, np.ones(count, dtype=int), pbc)
    cutoff = float(generator.uniform(0.3, 6.0))
    found, expected = _by_core(uf3_core(), crystal, cutoff), _by_vesin(crystal, cutoff)
    assert np.array_equal(found.starts, expected.starts)
    np.testing.assert_allclose(ordered(found, count), ordered(expected, count), atol=3e-6)
    np.testing.assert_allclose(found.distances, np.linalg.norm(found.vectors, axis=1), rtol=1e-14)


def test_atoms_that_coincide_or_stand_alone() -> None:
    twice = Crystal(10 * np.eye(3), np.ones((2, 3)), [1, 1], False)
    assert find_neighbours(twice, 1.0).distances.tolist() == [0.0, 0.0]
    alone = Crystal(np.zeros((3, 3)), np.ones((1, 3)), [1], False)
    assert find_neighbours(alone, 5.0).starts.tolist() == [0, 0]


def test_order_and_vectors_in_a_large_cell() -> None:
    """Positions far outside of the cell, and more bins than along one axis fit."""
    generator = np.random.default_rng(1)
    cell = np.diag([60.0, 3.0, 25.0])
    positions = generator.random((200, 3)) @ cell
    moved = positions + generator.integers(-3, 4, size=(200, 3)) @ cell
    one = find_neighbours(Crystal(cell, positions, np.ones(200, dtype=int), True), 4.0)
    other = find_neighbours(Crystal(cell, moved, np.ones(200, dtype=int), True), 4.0)
    np.testing.assert_allclose(ordered(one, 200), ordered(other, 200), atol=3e-6)


def test_vesin_is_called_in_one_place() -> None:
    import madelung

    root = Path(madelung.__file__).parent
    callers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "vesin import" in path.read_text(encoding="utf-8")
    }
    assert callers == {"crystals/neighbours.py"}
