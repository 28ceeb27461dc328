"""Pairs that force constants stand on, and where their blocks belong."""

from __future__ import annotations

import numpy as np
import pytest

from madelung.crystals.examples import example
from madelung.crystals.orbits import atom_orbits
from madelung.inputs.couplings import (
    CrystalCouplings,
    crystal_couplings,
    folded_placement,
    open_placement,
)


def couplings_of(name: str) -> CrystalCouplings:
    crystal = example(name)
    _, orbits = np.unique(atom_orbits(crystal, 1e-5), return_inverse=True)
    return crystal_couplings(crystal, orbits.reshape(-1), 5.0, 4.0)


@pytest.mark.parametrize("name", ["NaCl", "SiO2", "TiO2"])
def test_every_neighbour_has_its_place_in_the_table(name: str) -> None:
    found = couplings_of(name)
    slots, width = found.slots, found.most_neighbours + 1
    assert len(np.unique(slots)) == len(slots)
    assert (slots // width == found.neighbours.first).all()
    assert (slots % width >= 1).all() and slots.max() < width * len(found.orbits)


@pytest.mark.parametrize("name", ["NaCl", "SiO2"])
def test_pairs_of_a_kind_have_the_same_ends_and_lengths(name: str) -> None:
    crystal, found = example(name), couplings_of(name)
    for pairs in (found.springs, found.neighbours):
        places = crystal.positions
        vectors = places[pairs.second] + pairs.shifts @ crystal.cell - places[pairs.first]
        lengths = np.linalg.norm(vectors, axis=1)
        assert np.abs(lengths - pairs.distances[pairs.kinds]).max() < 1e-4
        assert np.abs(vectors / lengths[:, None] - pairs.directions).max() < 1e-6
        ends = np.sort(np.stack([found.orbits[pairs.first], found.orbits[pairs.second]], 1), 1)
        assert (ends == np.sort(pairs.ends[pairs.kinds], 1)).all()


@pytest.mark.parametrize("multiples", [np.diag([2, 3, 1]), [[1, 1, 0], [-1, 1, 0], [0, 1, 2]]])
def test_a_folded_placement_is_the_open_one_modulo_the_supercell(multiples: object) -> None:
    found = couplings_of("SiO2")
    matrix = np.asarray(multiples)
    whole, folded = open_placement(found), folded_placement(found, matrix)
    atoms, cells = len(found.orbits), round(abs(np.linalg.det(matrix)))
    assert len(folded.shifts) <= cells and folded.rows == len(folded.shifts) * atoms**2
    for left, right in ((whole.springs, folded.springs), (whole.locals, folded.locals)):
        left, right = left.reshape(-1), right.reshape(-1)
        filled = (left > 0) & (right > 0)
        left, right = left[filled], right[filled]
        assert (whole.first[left] == folded.first[right]).all()
        assert (whole.second[left] == folded.second[right]).all()
        apart = whole.shifts[left] - folded.shifts[right // atoms**2]
        steps = apart @ np.linalg.inv(matrix)
        assert np.abs(steps - np.rint(steps)).max() < 1e-9
