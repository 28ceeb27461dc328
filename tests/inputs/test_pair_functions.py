"""Functions of the pairs of a crystal, against direct sums and other libraries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special
import torch
from ase.data import covalent_radii
from hypothesis import given
from hypothesis import strategies as st
from judging import needs_core
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.common.harmonics import spherical_harmonics
from madelung.crystals.orbits import atom_orbits
from madelung.inputs import pair_functions as module
from madelung.inputs.pair_functions import (
    function_sections,
    near_sections,
    pair_functions,
    several_pair_functions,
)
from madelung.inputs.pair_graph import join_pairs
from madelung.inputs.settings import PairSettings
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumLayer

SETTINGS = PairSettings(tolerance=1e-9)
EVERY_ATOM = SETTINGS.model_copy(update={"symmetry_tolerance": 0.0})
NAMES = ("NaCl", "ZnS", "CaF2", "SrTiO3", "TiO2", "SiO2")


def _dense(crystal: md.Crystal, settings: PairSettings) -> NDArray[np.float64]:
    """(n, n, D) functions of all pairs."""
    found = pair_functions(crystal, settings)
    count = len(found.numbers)
    dense = np.zeros((count, count, found.functions.shape[1]))
    dense[found.receivers, found.senders] = found.functions
    return np.concatenate([found.sums, dense], axis=2)


def _direct(crystal: md.Crystal, settings: PairSettings) -> NDArray[np.float64]:
    """The near functions again, image by image, with SciPy's Legendre-based harmonics."""
    cell, positions = np.asarray(crystal.cell), np.asarray(crystal.positions)
    reach = range(-4, 5)
    count = len(crystal)
    sections = function_sections(settings)
    total = np.zeros((count, count, sum(sections)))
    for image in itertools.product(reach, reach, reach):
        for i, j in itertools.product(range(count), range(count)):
            vector = positions[j] - positions[i] + np.array(image) @ cell
            distance = np.linalg.norm(vector)
            if not 0.0 < distance < settings.cutoff:
                continue
            x = distance / settings.cutoff
            envelope = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
            radii = covalent_radii[crystal.numbers[i]] + covalent_radii[crystal.numbers[j]]
            values = [
                envelope * _gaussians(distance, 0.8, settings.cutoff, settings.radial),
                envelope * _gaussians(distance / radii, 0.6, 2.6, settings.reduced),
            ]
            for degree in range(1, settings.degree + 1):
                for order in range(-degree, degree + 1):
                    harmonic = _harmonic(degree, order, vector / distance)
                    radial = _gaussians(distance, 0.8, settings.cutoff, settings.angular)
                    values.append(envelope * harmonic * radial)
            total[i, j, len(settings.potentials) :] += np.concatenate(values)
    return total


def _gaussians(value: float, low: float, high: float, count: int) -> NDArray[np.float64]:
    width = (high - low) / count
    return np.exp(-0.5 * ((value - low - width * np.arange(count)) / width) ** 2)


def _harmonic(degree: int, order: int, direction: NDArray[np.float64]) -> float:
    """A real spherical harmonic whose squares over the orders add up to one."""
    polar = np.arccos(np.clip(direction[2], -1.0, 1.0))
    azimuth = np.arctan2(direction[1], direction[0])
    value = scipy.special.sph_harm_y(degree, abs(order), polar, azimuth)
    scale = np.sqrt(4.0 * np.pi / (2 * degree + 1)) * (-1.0) ** order
    if order == 0:
        return float(scale * value.real)
    return float(np.sqrt(2.0) * scale * (value.imag if order < 0 else value.real))


# SciPy counts orders from -l to l; x, y and z are the orders 1, -1 and 0.
_ORDERS = {1: [1, -1, 0], 2: [-2, -1, 0, 1, 2], 3: [-3, -2, -1, 0, 1, 2, 3]}


@given(st.integers(0, 2**32 - 1))
def test_harmonics_are_those_of_scipy(seed: int) -> None:
    directions = np.random.default_rng(seed).normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = spherical_harmonics(directions, 3)
    expected = [
        [_harmonic(degree, order, direction) for degree in (1, 2, 3) for order in _ORDERS[degree]]
        for direction in directions
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_near_functions_are_sums_over_images(degree: int) -> None:
    settings = EVERY_ATOM.model_copy(update={"cutoff": 5.0, "degree": degree})
    crystal = md.example("TiO2")
    near = slice(len(settings.potentials), None)
    found, expected = _dense(crystal, settings)[..., near], _direct(crystal, settings)[..., near]
    radial = settings.radial + settings.reduced
    np.testing.assert_allclose(found[..., :radial], expected[..., :radial], atol=1e-6)
    # The orders of a degree may come in any sequence, which the sum of their squares does not show.
    start = radial
    for order in range(1, degree + 1):
        shape = (*found.shape[:2], 2 * order + 1, settings.angular)
        stop = start + (2 * order + 1) * settings.angular
        squares = [(part[..., start:stop].reshape(shape) ** 2).sum(2) for part in (found, expected)]
        np.testing.assert_allclose(*squares, atol=1e-6)
        start = stop


@pytest.mark.parametrize("name", NAMES)
def test_complete_sums_are_among_the_functions(name: str) -> None:
    crystal = md.example(name)
    names = ("coulomb", "london", "pauli:3", "r12")
    settings = EVERY_ATOM.model_copy(update={"potentials": names})
    potentials = [md.Coulomb(), md.London(), md.Pauli(3.0), md.InversePower(12)]
    sums = md.complete_sums(crystal, potentials, tolerance=1e-9).values
    scales = np.array([1.0, 5.0, 5.0, 1.0])
    found = _dense(crystal, settings)[..., :4]
    np.testing.assert_allclose(found, np.moveaxis(sums, 0, 2) * scales, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_an_orbit_stands_for_its_atoms(name: str) -> None:
    """Sums over the atoms of each orbit, seen from any of its atoms, are those of the orbit."""
    crystal = md.example(name)
    dense = _dense(crystal, EVERY_ATOM)
    orbit = atom_orbits(crystal, SETTINGS.symmetry_tolerance)
    merged = pair_functions(crystal, SETTINGS)
    assert merged.weights.sum() * round(len(crystal) / merged.weights.sum()) == len(crystal)
    scalars = function_sections(SETTINGS)[0]
    first = np.unique(orbit, return_index=True)[1]
    summed = np.stack([dense[:, orbit == own].sum(1) for own in orbit[first]], axis=1)
    for atom in range(len(crystal)):
        twin = int(np.flatnonzero(orbit[first] == orbit[atom])[0])
        np.testing.assert_allclose(
            summed[atom, :, :scalars], summed[first[twin], :, :scalars], atol=2e-5
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cell", [[[2, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0], [0, 1, 2], [0, 0, 1]]]
)
def test_another_cell_gives_the_same_functions(name: str, cell: list[list[int]]) -> None:
    crystal = md.example(name)
    other = _with_cell(crystal, np.array(cell))
    one, two = pair_functions(crystal, SETTINGS), pair_functions(other, SETTINGS)
    assert sorted(one.numbers) == sorted(two.numbers)
    totals = [
        np.sort(np.bincount(found.receivers, found.functions[:, 4], len(found.numbers)))
        for found in (one, two)
    ]
    np.testing.assert_allclose(*totals, rtol=1e-5, atol=1e-6)


def _with_cell(crystal: md.Crystal, integers: NDArray[np.int64]) -> md.Crystal:
    """The same crystal in the cell of integer combinations of its lattice vectors."""
    from ase.build import make_supercell

    return md.Crystal.from_ase(make_supercell(crystal.to_ase(), integers))


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_scalars_do_not_turn_and_tensors_keep_their_length(seed: int) -> None:
    crystal = md.example("SiO2")
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    turned = md.Crystal(
        cell=crystal.cell @ turn.T, positions=crystal.positions @ turn.T, numbers=crystal.numbers
    )
    one, two = _dense(crystal, EVERY_ATOM), _dense(turned, EVERY_ATOM)
    start = function_sections(EVERY_ATOM)[0]
    np.testing.assert_allclose(one[..., :start], two[..., :start], atol=1e-5)
    for degree in range(1, EVERY_ATOM.degree + 1):
        stop = start + (2 * degree + 1) * EVERY_ATOM.angular
        shape = (*one.shape[:2], 2 * degree + 1, EVERY_ATOM.angular)
        squares = [(part[..., start:stop].reshape(shape) ** 2).sum(2) for part in (one, two)]
        np.testing.assert_allclose(*squares, atol=1e-5)
        start = stop


def test_crystals_without_complete_sums_can_be_joined() -> None:
    settings = SETTINGS.model_copy(update={"potentials": ()})
    crystals = [pair_functions(md.example(name), settings) for name in NAMES]
    graph = join_pairs(crystals, near_sections(settings))
    pairs = sum(len(crystal.numbers) ** 2 for crystal in crystals)
    assert graph.complete.functions.shape == (pairs, 0) == (len(graph.complete.senders), 0)
    layer = SumLayer(SumNetSettings(features=8, senders=4, tensors=4), function_sections(settings))
    assert layer(torch.ones(len(graph.numbers), 8), graph).shape == (len(graph.numbers), 8)


def test_joined_crystals_keep_their_pairs() -> None:
    crystals = [pair_functions(md.example(name), SETTINGS) for name in NAMES]
    graph = join_pairs(crystals, near_sections(SETTINGS))
    near, complete = graph.near, graph.complete
    assert len(graph) == len(NAMES) and near.functions.shape[1] == sum(near.sections)
    assert graph.counts.tolist() == [int(crystal.weights.sum()) for crystal in crystals]
    receivers = np.repeat(np.arange(len(graph.numbers)), np.diff(near.starts))
    first = place = whole = 0
    for number, crystal in enumerate(crystals):
        count = len(crystal.numbers)
        own = slice(first, first + len(crystal.receivers))
        assert (receivers[own] - place == crystal.receivers).all()
        assert (near.senders[own].numpy() - place == crystal.senders).all()
        assert (near.functions[own].numpy() == crystal.functions).all()
        orbits = slice(place, place + count)
        assert (graph.numbers[orbits].numpy() == crystal.numbers).all()
        assert (graph.weights[orbits].numpy() == crystal.weights).all()
        assert (graph.owner[orbits] == number).all()
        assert np.diff(complete.starts)[orbits].tolist() == [count] * count
        pairs = slice(whole, whole + count**2)
        assert complete.senders[pairs].reshape(count, count)[:, 0].eq(place).all()
        assert (complete.functions[pairs].numpy() == crystal.sums.reshape(count**2, -1)).all()
        first, place, whole = own.stop, orbits.stop, pairs.stop
    # The rest fills up the rows, and counts for nothing.
    assert first == len(near.senders) and whole == len(complete.senders)
    assert float(graph.weights[place:].sum()) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_without_potentials_there_are_no_sums(name: str) -> None:
    found = pair_functions(md.example(name), SETTINGS.model_copy(update={"potentials": ()}))
    assert found.sums.shape == (len(found.numbers), len(found.numbers), 0)
    assert np.abs(found.functions).max() > 0.0


def test_a_molecule_is_refused() -> None:
    molecule = md.Crystal(cell=np.eye(3), positions=np.zeros((1, 3)), numbers=[1], pbc=False)
    with pytest.raises(md.CrystalError, match="periodic"):
        pair_functions(molecule, SETTINGS)


def test_what_several_settings_share_is_what_each_would_get_alone() -> None:
    """Settings that differ in reach, in potentials, in tolerance, or in nothing."""
    variants = [
        PairSettings(cutoff=5.0),
        PairSettings(cutoff=6.0),
        PairSettings(cutoff=5.0, potentials=("london",)),
        PairSettings(cutoff=5.0, potentials=()),
        PairSettings(cutoff=5.0, symmetry_tolerance=0.0),
        PairSettings(cutoff=5.0),
    ]
    crystal = md.example("TiO2")
    made = several_pair_functions(crystal, variants)
    for settings, found in zip(variants, made, strict=True):
        alone = pair_functions(crystal, settings)
        for name in ("numbers", "weights", "receivers", "senders", "functions", "sums"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    assert made[2].sums.shape[2] == 1 and len(made[4].numbers) == 6


@pytest.mark.slow
def test_an_atom_without_neighbours_has_complete_sums_alone() -> None:
    crystal = md.Crystal(cell=20.0 * np.eye(3), positions=np.zeros((1, 3)), numbers=[18])
    made = pair_functions(crystal, SETTINGS)
    assert made.functions.shape == (0, sum(near_sections(SETTINGS))) and made.sums.shape[0] == 1
    assert np.isfinite(md.load("formation-energy").predict(crystal).value)


@pytest.mark.slow
@needs_core
@pytest.mark.parametrize(
    "variant",
    [
        SETTINGS,
        PairSettings(cutoff=5.0, degree=3, angular=3, radial=7),
        PairSettings(degree=0, reduced=0, radial=5),
        PairSettings(degree=1, radial=1, angular=2, symmetry_tolerance=0.0),
    ],
)
def test_the_core_sums_what_numpy_does(
    variant: PairSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of real crystals, sheared and moved out of their cells, and of atoms on one site."""
    crystals = [record.crystal for record in md.open_dataset("example:jarvis")][:60]
    generator = np.random.default_rng(0)
    shear = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]])
    for crystal in crystals[:20]:
        moved = (
            crystal.positions + generator.integers(-9, 9, crystal.positions.shape) @ crystal.cell
        )
        crystals.append(
            md.Crystal(cell=shear @ crystal.cell, positions=moved, numbers=crystal.numbers)
        )
    crystals.append(md.Crystal(cell=4.0 * np.eye(3), positions=np.zeros((2, 3)), numbers=[6, 8]))
    found = [pair_functions(crystal, variant) for crystal in crystals]
    monkeypatch.setattr(module, "native_core", lambda: None)
    for crystal, one in zip(crystals, found, strict=True):
        other = pair_functions(crystal, variant)
        np.testing.assert_array_equal(one.receivers, other.receivers)
        np.testing.assert_array_equal(one.senders, other.senders)
        np.testing.assert_allclose(one.functions, other.functions, rtol=1e-5, atol=2e-6)


@needs_core
def test_the_core_refuses_what_does_not_fit() -> None:
    """Nothing outside of the arrays is read."""
    core = module.native_core()
    numbers = (6.0, 4, 2, 2, 1)
    cell, positions = 4.0 * np.eye(3), np.zeros((2, 3))
    first, orbit, radii = np.array([0, 1]), np.array([0, 1]), np.ones(2)
    core.near_functions(cell, positions, first, orbit, radii, *numbers)
    for wrong in (
        (cell[:2], positions, first, orbit, radii),
        (cell, positions[:1], first, orbit, radii),
        (cell, positions, np.array([0, 2]), orbit, radii),
        (cell, positions, first, np.array([0, -1]), radii),
        (cell, positions, first, orbit, radii[:1]),
        (cell, np.full((2, 3), np.nan), first, orbit, radii),
    ):
        with pytest.raises(ValueError, match="do not fit together"):
            core.near_functions(*wrong, *numbers)
    with pytest.raises(ValueError, match="no volume"):
        core.near_functions(np.ones((3, 3)), positions, first, orbit, radii, *numbers)
    with pytest.raises(ValueError, match="too thin"):
        core.near_functions(1e-3 * np.eye(3), positions, first, orbit, radii, *numbers)
