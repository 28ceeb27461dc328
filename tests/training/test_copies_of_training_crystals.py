"""Crystals that a model has learnt from are recognised in data sets of other people."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.crystals.crystal import Crystal
from madelung.crystals.invariants import INVARIANT_LENGTHS, invariant_lengths
from madelung.crystals.primitive import primitive_crystal
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store
from madelung.models.model import WEIGHTS_FILE, CrystalModel
from madelung.models.training_crystals import TrainingCrystals
from madelung.training.ensembles import ensemble_runs
from madelung.training.report import evaluate_dataset
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.splits import resolve_membership
from madelung.training.trainer import Trainer

TARGET = "formation_energy_peratom"
SHORT = {
    "target": [TARGET],
    "epochs": 1,
    "training_limit": 60,
    "max_atoms": 8,
    "batch_size": 16,
    "threads": 1,
    "split_seed": 3,
    "network": {"architecture": "sumnet", "features": 8, "layers": 1, "senders": 4, "tensors": 4},
}


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


@pytest.fixture(scope="module")
def run(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies") / "run"
    Trainer(settings(), folder).fit(store)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> CrystalModel:
    return md.load(run)


@pytest.fixture(scope="module")
def used(store: CrystalStore) -> NDArray[np.int64]:
    membership = resolve_membership(store, settings())
    rows = np.concatenate([membership.members(part) for part in ("train", "val")])
    return np.array([row for row in rows if store.sizes[row] <= SHORT["max_atoms"]])


def written_otherwise(crystal: Crystal, seed: int, noise: float = 2e-3) -> Crystal:
    """The same crystal rotated, repeated, shifted, in another order, and with a little noise."""
    generator = np.random.default_rng(seed)
    shape = np.array([1, 1, 1])
    shape[seed % 3] = 1 + seed % 2
    cell, positions = np.asarray(crystal.cell), np.asarray(crystal.positions)
    images = [np.array(place) @ cell for place in product(*(range(n) for n in shape))]
    atoms = np.concatenate([positions + image for image in images])
    numbers = np.tile(np.asarray(crystal.numbers), len(images))
    larger = shape[:, None] * cell
    # Another basis of the same lattice.
    larger[0] += larger[1] - larger[2]
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    order = generator.permutation(len(atoms))
    moved = atoms[order] + generator.normal(size=3) + noise * generator.normal(size=atoms.shape)
    return Crystal(cell=larger @ turn, positions=moved @ turn, numbers=numbers[order], pbc=True)


def foreign(crystals: list[Crystal], folder: Path) -> CrystalStore:
    """A data set of somebody else: other ids, no split, no source."""
    records = [
        Record(f"mine-{place}", crystal, {TARGET: -1.0 - 0.01 * place})
        for place, crystal in enumerate(crystals)
    ]
    return write_store(records, folder, DatasetInfo("mine"), default_target=TARGET)


def test_copies_are_counted_in_foreign_data(
    store: CrystalStore, run: Path, model: CrystalModel, used: NDArray[np.int64], tmp_path: Path
) -> None:
    copies = [written_otherwise(store[int(row)].crystal, seed) for seed, row in enumerate(used)]
    others = [md.example(name) for name in ("SrTiO3", "SiO2")]
    report = evaluate_dataset(model, foreign([*copies, *others], tmp_path / "store"), part="all")
    assert report.errors.count == len(copies) + len(others)
    assert report.seen_crystals == len(copies) and report.seen_in_training
    result = CliRunner().invoke(app, ["evaluate", str(run), str(tmp_path / "store")])
    said = " ".join(result.output.split())
    assert f"{len(copies)} of these {len(copies) + len(others)} crystals were used" in said
    result = CliRunner().invoke(app, ["evaluate", str(run), str(tmp_path / "store"), "--json"])
    assert json.loads(result.stdout)["seen_crystals"] == len(copies)


def test_strained_and_substituted_crystals_are_others(
    store: CrystalStore, model: CrystalModel, used: NDArray[np.int64], tmp_path: Path
) -> None:
    crystals = []
    for row in used[:20]:
        crystal = store[int(row)].crystal
        strained = 1.02 * np.asarray(crystal.cell)
        moved = 1.02 * np.asarray(crystal.positions)
        crystals.append(replace(crystal, cell=strained, positions=moved))
        crystals.append(replace(crystal, numbers=np.asarray(crystal.numbers) % 90 + 1))
    report = evaluate_dataset(model, foreign(crystals, tmp_path / "store"), part="all")
    assert report.seen_crystals == 0 and not report.seen_in_training


def test_what_is_recognised_is_the_same_to_pymatgen(
    store: CrystalStore, model: CrystalModel, used: NDArray[np.int64]
) -> None:
    """Of the crystals of the data set that were not used, only copies of used ones are."""
    matching = pytest.importorskip("pymatgen.core.structure_matcher")
    matcher = matching.StructureMatcher(ltol=0.05, stol=0.1, angle_tol=2, scale=False)
    known = [store[int(row)].crystal.to_pymatgen() for row in used]
    rest = sorted(set(range(len(store))) - set(used.tolist()))
    held = [row for row in rest if model.training_crystals.holds(store[row].crystal)]
    assert len(held) < 0.02 * len(rest)
    for row in held:
        own = store[row].crystal.to_pymatgen()
        assert any(matcher.fit(own, other) for other in known), store.ids[row]


def test_polymorphs_and_orders_are_told_apart() -> None:
    edge = 5.4
    blende = Crystal(
        cell=edge / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        positions=[[0, 0, 0], [edge / 4] * 3],
        numbers=[30, 16],
        pbc=True,
    )
    # Wurtzite with the same bonds: ideal axes, u = 3/8.
    a, c = edge / np.sqrt(2.0), edge * 2.0 / np.sqrt(3.0)
    cell = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, c]])
    places = np.array(
        [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.375], [2 / 3, 1 / 3, 0.875]]
    )
    wurtzite = Crystal(cell=cell, positions=places @ cell, numbers=[30, 30, 16, 16], pbc=True)
    # CuAu and CuPt on the same sites of a cubic close packing.
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]) * 3.9
    tetragonal = Crystal(cell=3.9 * np.eye(3), positions=sites, numbers=[29, 29, 79, 79], pbc=True)
    basis = 3.9 / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    doubled = np.array([[1, -1, 0], [0, 1, -1], [1, 1, 0]]) @ basis
    trigonal = Crystal(cell=doubled, positions=[[0, 0, 0], basis[0]], numbers=[29, 79], pbc=True)
    for one, other in ((blende, wurtzite), (tetragonal, trigonal)):
        kept = TrainingCrystals.of([one])
        assert kept.holds(written_otherwise(one, 5)) and not kept.holds(other)


def test_lengths_do_not_depend_on_the_writing(store: CrystalStore) -> None:
    for row in range(0, 60, 3):
        crystal = store[row].crystal
        lengths = invariant_lengths(crystal)
        assert lengths.shape == (INVARIANT_LENGTHS,)
        other = written_otherwise(crystal, row, noise=0.0)
        assert invariant_lengths(other) == pytest.approx(lengths, abs=1e-6)
        assert invariant_lengths(primitive_crystal(other)) == pytest.approx(lengths, abs=1e-3)


def test_ensembles_know_the_crystals_of_all_members(
    store: CrystalStore, run: Path, used: NDArray[np.int64], tmp_path: Path
) -> None:
    Trainer(settings(seed=1, training_limit=90), tmp_path / "second").fit(store)
    ensemble_runs([run, tmp_path / "second"], tmp_path / "both", dataset=store.folder)
    joint = md.load(tmp_path / "both").training_crystals
    second = md.load(tmp_path / "second").training_crystals
    assert all(joint.holds(store[int(row)].crystal) for row in used)
    assert len(joint) >= max(len(second), len(md.load(run).training_crystals))


def test_a_later_run_knows_what_the_first_one_saw(
    store: CrystalStore, run: Path, used: NDArray[np.int64], tmp_path: Path
) -> None:
    salts = [replace(md.example("NaCl"), cell=edge * np.eye(3)) for edge in np.linspace(5.5, 6, 12)]
    own = foreign(salts, tmp_path / "store")
    Trainer(settings(initial=str(run), network={}, training_limit=None), tmp_path / "later").fit(
        own
    )
    later = md.load(tmp_path / "later").training_crystals
    assert all(later.holds(store[int(row)].crystal) for row in used)
    assert any(later.holds(salt) for salt in salts)


@pytest.mark.parametrize("name", ["training_crystals.formulas", "training_crystals.lengths"])
def test_damaged_notes_are_refused(run: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    md.load(run).save(folder)
    for change in (lambda tensor: tensor.double(), lambda tensor: tensor[:-1], None):
        tensors = load_file(run / "model" / WEIGHTS_FILE)
        if change is None:
            del tensors[name]
        else:
            tensors[name] = change(tensors[name]).contiguous()
        save_file(tensors, folder / WEIGHTS_FILE)
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        card["weights_sha256"] = ""
        (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
        with pytest.raises(md.ModelError, match="training crystals"):
            md.load(folder)
