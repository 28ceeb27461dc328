"""Shortest distances over all images, against every image within reach."""

import itertools

import numpy as np
import pytest

import madelung as md
from madelung.crystals.distances import shortest_distances


def brute_force(crystal: md.Crystal, reach: int) -> np.ndarray:
    steps = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    differences = crystal.positions[None] - crystal.positions[:, None]
    lengths = np.linalg.norm(differences[:, :, None] + steps @ crystal.cell, axis=-1)
    for atom in range(len(crystal)):
        lengths[atom, atom, len(steps) // 2] = np.inf
    return lengths.min(axis=-1)


def test_random_cells() -> None:
    generator = np.random.default_rng(3)
    for _ in range(40):
        cell = np.diag(generator.uniform(0.7, 1.6, 3)) + generator.uniform(-0.4, 0.4, (3, 3))
        positions = generator.uniform(0, 1, (6, 3)) @ cell
        crystal = md.Crystal(cell=cell, positions=positions, numbers=[6] * 6)
        np.testing.assert_allclose(
            shortest_distances(crystal), brute_force(crystal, 5), rtol=0, atol=1e-13
        )


def test_the_choice_of_cell_and_image_does_not_matter() -> None:
    crystal = md.example("SiO2")
    shear = np.array([[1, 0, 0], [7, 1, 0], [-5, 6, 1]])
    moves = np.random.default_rng(0).integers(-9, 10, (len(crystal), 3))
    other = md.Crystal(
        cell=shear @ crystal.cell,
        positions=crystal.positions + moves @ crystal.cell,
        numbers=crystal.numbers,
    )
    np.testing.assert_allclose(
        shortest_distances(other), shortest_distances(crystal), rtol=0, atol=1e-11
    )


def test_large_and_coinciding() -> None:
    crystal = md.example("CaF2").repeat((3, 3, 3))
    distances = shortest_distances(crystal)
    np.testing.assert_array_equal(distances, distances.T)
    assert distances.min() == pytest.approx(5.46295 * np.sqrt(3) / 4)
    twice = md.Crystal(cell=2 * np.eye(3), positions=[[0.1, 0, 0], [2.1, 4, 0]], numbers=[1, 2])
    np.testing.assert_allclose(shortest_distances(twice), [[2, 0], [0, 2]], atol=1e-15)
