"""Crystals that nothing can be learnt from are left out and counted, wherever they fail."""

import json
from pathlib import Path

import numpy as np
import pytest

import madelung as md
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import search_pairs
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store
from madelung.training.batches import InputMemory
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

SUMNET = {"architecture": "sumnet", "features": 8, "layers": 1, "senders": 4, "tensors": 4}
POTNET = {
    "architecture": "potnet", "features": 8, "layers": 1, "gaussians": 16, "multiquadrics": 8,
}  # fmt: skip


def rock_salt(distance: float) -> Crystal:
    cell = distance * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal(cell=cell, positions=[[0, 0, 0], [distance, 0, 0]], numbers=[11, 17], pbc=True)


def in_box(edges: tuple[float, float, float], place: tuple[float, float, float]) -> Crystal:
    return Crystal(cell=np.diag(edges), positions=[[0, 0, 0], place], numbers=[11, 17], pbc=True)


BAD = {
    "atoms that all but coincide": in_box((4, 4, 4), (1e-6, 1e-6, 1e-6)),
    "thin cell": in_box((3, 3, 3e-4), (1, 1, 1e-4)),
    "tiny cell": in_box((1e-3, 1e-3, 1e-3), (5e-4, 5e-4, 5e-4)),
    "needle": in_box((1e-6, 1e4, 1e4), (0, 5e3, 5e3)),
}
"""What the sums, the search for neighbours, and the network fail at."""


def mixed(folder: Path) -> CrystalStore:
    good = [rock_salt(distance) for distance in np.linspace(2.5, 3.2, 24)]
    records = [Record(f"good-{n}", one, {"energy": float(n)}) for n, one in enumerate(good)]
    for place, (name, crystal) in enumerate(BAD.items()):
        records.insert(5 * place + 2, Record(name, crystal, {"energy": 3.0}))
    return write_store(records, folder, DatasetInfo("mixed"), default_target="energy")


def settings(network: dict[str, object]) -> TrainingSettings:
    given = {"target": ["energy"], "epochs": 2, "batch_size": 4, "threads": 1, "network": network}
    return read_settings(changes=given)


@pytest.mark.parametrize("network", [SUMNET, POTNET], ids=["sumnet", "potnet"])
def test_a_training_goes_on_without_them(network: dict[str, object], tmp_path: Path) -> None:
    result = Trainer(settings(network), tmp_path / "run").fit(mixed(tmp_path / "store"))
    content = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert sorted(line.split(":")[0] for line in content["left_out"]) == sorted(BAD)
    counted = content["training"]["crystals"]
    assert sum(counted.values()) == 24
    assert np.isfinite(result.errors["test"]["energy"].mae)
    assert np.isfinite(md.load(tmp_path / "run").predict(rock_salt(2.8)).value)


def test_looking_changes_nothing_of_good_crystals(store: CrystalStore, tmp_path: Path) -> None:
    chosen = settings(SUMNET).model_copy(
        update={"target": ("formation_energy_peratom",), "max_atoms": 8, "training_limit": 40}
    )
    memory = InputMemory(1.0)
    prepared = prepare(store, chosen, memory)
    assert not [line for line in prepared.left_out if "atoms (--max-atoms" not in line]
    # What was made is there for the first epoch.
    assert all(memory.get(int(row)) is not None for row in prepared.training)


def test_a_search_in_a_needle_is_an_error() -> None:
    """vesin ends the process by a division by zero."""
    needle = BAD["needle"]
    with pytest.raises(md.CrystalError, match="too thin"):
        search_pairs(needle.positions, needle.cell, 6.0, "ij")
