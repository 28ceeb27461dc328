"""Trained models give a crystal the same value in whichever cell it is given."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import make_supercell

import madelung as md
from madelung.data.store import CrystalStore
from madelung.inputs.settings import PairSettings
from madelung.models.settings import readout_of
from madelung.models.shipped import SHIPPED_MODELS

CRYSTALS = 12
MOST_ATOMS = 8
SHEARED = [[1, 1, 0], [0, 1, -1], [0, 1, 0]]
# Part of the target's spread.
ALLOWED = 1e-5
MODELS = [
    model.name
    for model in SHIPPED_MODELS
    if isinstance(md.load(model.name).card.graph, PairSettings)
]


def cells_of(crystal: md.Crystal) -> dict[str, md.Crystal]:
    """The crystal in its primitive, conventional, sheared and doubled cells."""
    atoms = crystal.to_ase()
    given = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = {
        "sheared": make_supercell(atoms, SHEARED),
        "2 x 2 x 2": make_supercell(atoms, 2 * np.eye(3, dtype=int)),
    }
    for name, primitive in (("primitive", True), ("conventional", False)):
        cell, places, numbers = spglib.standardize_cell(
            given, to_primitive=primitive, no_idealize=True, symprec=1e-5
        )
        found[name] = Atoms(numbers, cell=cell, scaled_positions=places, pbc=True)
    return {name: md.Crystal.from_ase(other) for name, other in found.items()}


@pytest.fixture(scope="module")
def crystals(store: CrystalStore) -> list[dict[str, md.Crystal]]:
    """Crystals, each in the cell that it was given in and in others."""
    small = np.flatnonzero(store.sizes <= MOST_ATOMS)
    chosen = np.random.default_rng(0).choice(small, CRYSTALS, replace=False)
    given = [store[int(index)].crystal for index in chosen]
    return [{"given": crystal, **cells_of(crystal)} for crystal in given]


def test_there_are_such_models() -> None:
    assert MODELS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("as_given", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_any_cell_gives_the_same(
    name: str, as_given: bool, crystals: list[dict[str, md.Crystal]]
) -> None:
    """In float32, also where nothing looks for symmetry or a smaller cell before the network."""
    model = md.load(name)
    if as_given and readout_of(model.card.network) == "frequency":
        pytest.skip("frequencies are those at the symmetric points of a primitive cell")
    if as_given:
        changes = {"symmetry_tolerance": 0.0, "tolerance": 1e-9}
        card = model.card
        card.graph = card.graph.model_copy(update=changes)
        card.member_graphs = tuple(each.model_copy(update=changes) for each in card.member_graphs)
    spread = float(
        model.scale.spread[[card.name for card in model.card.targets].index(model.target)]
    )
    for cells in crystals:
        found = dict(zip(cells, model.predict(list(cells.values())), strict=True))
        for cell, other in found.items():
            change = other.value - found["given"].value
            assert abs(change) <= ALLOWED * spread, (cells["given"].source, cell, change / spread)
