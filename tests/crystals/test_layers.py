"""Layers of crystals, and values that are learnt for their area."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, graphene, make_supercell, mx2
from ase.spacegroup import crystal as from_spacegroup
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.common.errors import ModelError
from madelung.crystals.layers import area_per_atom
from madelung.inputs.build import build_input
from madelung.inputs.settings import PairSettings
from madelung.models.model import CrystalModel
from madelung.training.preparation import prepare
from madelung.training.settings import read_settings
from madelung.training.trainer import Trainer

NAMES = ("NaCl", "ZnS", "CaF2", "SrTiO3", "TiO2", "SiO2", "CsCl")
GRAPHITE = from_spacegroup(
    ["C", "C"],
    basis=[(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)],
    spacegroup=194,
    cellpar=[2.464, 2.464, 6.711, 90, 90, 120],
)


def test_graphite_has_two_layers_of_two_atoms() -> None:
    expected = math.sqrt(3.0) / 2.0 * 2.464**2 / 2.0
    assert area_per_atom(md.Crystal.from_ase(GRAPHITE)) == pytest.approx(expected)


def test_monolayers_in_vacuum_have_the_area_of_their_cell() -> None:
    for layer, atoms in ((graphene(vacuum=8.0), 2), (mx2(vacuum=6.0), 3)):
        layer.pbc = True
        area = np.linalg.norm(np.cross(*layer.cell.array[:2]))
        assert area_per_atom(md.Crystal.from_ase(layer)) == pytest.approx(area / atoms)


def test_rock_salt_opens_between_its_closest_packed_planes() -> None:
    """(100) planes are a/2 apart and hold both ions: farther than planes of one."""
    salt = bulk("NaCl", "rocksalt", a=5.64)
    assert area_per_atom(md.Crystal.from_ase(salt)) == pytest.approx(5.64**2 / 4.0)


def direct(crystal: md.Crystal) -> float:
    """The widest gap of all planes with small indices, searched without any reduction."""
    cell, places = np.asarray(crystal.cell), np.asarray(crystal.scaled_positions)
    found = []
    for plane in itertools.product(range(-4, 5), repeat=3):
        if math.gcd(*plane) != 1:
            continue
        spacing = 1.0 / np.linalg.norm(np.linalg.inv(cell) @ plane)
        heights = np.sort(np.round((places @ np.array(plane)) % 1.0, 9) % 1.0)
        gaps = np.diff(np.append(heights, heights[0] + 1.0)) * spacing
        found.append((round(gaps.max(), 6), spacing, (gaps > 0.8 * gaps.max()).sum()))
    widest = max(gap for gap, _, _ in found)
    areas = {
        round(abs(np.linalg.det(cell)) / spacing * count / len(places), 4)
        for gap, spacing, count in found
        if gap == widest
    }
    (area,) = areas
    return float(area)


@pytest.mark.parametrize("name", NAMES)
def test_the_widest_gap_is_that_of_a_direct_search(name: str) -> None:
    crystal = md.example(name)
    assert area_per_atom(crystal) == pytest.approx(direct(crystal), abs=1e-3)


@pytest.mark.slow
@given(
    name=st.sampled_from(NAMES),
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-3, 3)), max_size=4),
    multiples=st.tuples(*[st.integers(1, 2)] * 3),
    seed=st.integers(0, 100),
)
def test_no_choice_of_cell_or_axes_changes_an_area(
    name: str, steps: list[tuple[int, int, int]], multiples: tuple[int, int, int], seed: int
) -> None:
    matrix = np.diag(multiples)
    for row, other, factor in steps:
        if row != other:
            matrix[row] += factor * matrix[other]
    crystal = md.example(name)
    atoms = make_supercell(crystal.to_ase(), matrix)
    turned = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    atoms.set_cell(atoms.cell.array @ turned.T, scale_atoms=True)
    other_cell = md.Crystal.from_ase(atoms)
    assert area_per_atom(other_cell) == pytest.approx(area_per_atom(crystal), rel=1e-6)


@pytest.mark.slow
def test_values_for_an_area_grow_with_it(tmp_path: Path) -> None:
    """A network that learns y/A predicts y; with zero weights, the mean of y/A times A."""
    store = md.open_dataset("example:jarvis", folder=tmp_path / "store")
    settings = read_settings(
        changes={
            "target": ["formation_energy_peratom"],
            "epochs": 1,
            "training_limit": 60,
            "max_atoms": 8,
            "threads": 1,
            "element_reference": False,
            "graph": {"areas": True},
            "network": {"features": 8, "layers": 1, "senders": 4, "tensors": 4, "readout": "area"},
        }
    )
    prepared = prepare(store, settings)
    known = prepared.membership.values_of("train")[prepared.training, 0]
    areas = [area_per_atom(store[int(index)].crystal) for index in prepared.training]
    assert float(prepared.scale.mean[0]) == pytest.approx(np.mean(known / areas))
    assert float(prepared.scale.spread[0]) == pytest.approx(np.std(known / areas))
    Trainer(settings, tmp_path / "run").fit(store)
    model = CrystalModel.load(tmp_path / "run" / "model")
    network = model.network
    for head in (network.value, network.scale):
        head.weight.data.zero_()
        head.bias.data.zero_()
    crystals = [md.example(name) for name in NAMES]
    sizes = np.array([area_per_atom(crystal) for crystal in crystals])
    outputs = model.evaluate(build_input(crystals, model.card.inputs))
    mean, spread = float(model.scale.mean[0]), float(model.scale.spread[0])
    np.testing.assert_allclose(outputs.values[:, 0], mean * sizes, rtol=1e-6)
    np.testing.assert_allclose(outputs.errors[:, 0], spread * sizes, rtol=1e-6)
    with pytest.raises(ModelError, match="made without"):
        model.evaluate(build_input(crystals, PairSettings()))
