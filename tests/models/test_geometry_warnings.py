"""Crystals outside of the distances, neighbours and volumes that a model has learnt are said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import FROZEN_MODELS
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.crystals.contacts import crystal_contacts, relative_volume
from madelung.crystals.crystal import Crystal
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store
from madelung.models.geometry import TrainedGeometry, learn_geometry
from madelung.models.model import CrystalModel
from madelung.training.ensembles import ensemble_runs
from madelung.training.settings import read_settings
from madelung.training.trainer import Trainer

# The distance of Na and Cl in each of these, Å; rock salt has six neighbours.
EDGES = np.linspace(2.6, 3.2, 13)
TINY = {"architecture": "sumnet", "features": 8, "layers": 1, "senders": 4, "tensors": 4}
WORDS = ("volume", "distances shorter", "numbers of neighbours")


def rock_salt(distance: float, numbers: tuple[int, int] = (11, 17)) -> Crystal:
    cell = distance * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal(
        cell=cell, positions=[[0, 0, 0], [distance, 0, 0]], numbers=list(numbers), pbc=True
    )


def caesium_chloride(distance: float) -> Crystal:
    edge = 2.0 * distance / np.sqrt(3.0)
    return Crystal(
        cell=edge * np.eye(3), positions=[[0, 0, 0], [edge / 2] * 3], numbers=[11, 17], pbc=True
    )


@pytest.fixture(scope="module")
def salts(tmp_path_factory: pytest.TempPathFactory) -> CrystalStore:
    """Rock salt at many volumes."""
    records = [
        Record(f"s{place}", rock_salt(edge), {"energy": float((edge - 2.8) ** 2)})
        for place, edge in enumerate(EDGES)
    ]
    folder = tmp_path_factory.mktemp("salts") / "store"
    return write_store(records, folder, DatasetInfo("salts"), default_target="energy")


def train(store: CrystalStore, folder: Path, **changes: object) -> CrystalModel:
    given = {"target": ["energy"], "epochs": 1, "batch_size": 4, "threads": 1, "network": TINY}
    Trainer(read_settings(changes={**given, **changes}), folder).fit(store)
    return md.load(folder)


@pytest.fixture(scope="module")
def runs(salts: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("runs") / f"r{seed}" for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        train(salts, folder, seed=seed, split_seed=7, validation_parts=2)
    return folders


@pytest.fixture(scope="module")
def model(runs: list[Path]) -> CrystalModel:
    return md.load(runs[0])


def kinds(model: CrystalModel, crystal: Crystal) -> set[str]:
    """Which of the three warnings there are."""
    said = model.predict(crystal).warnings
    return {word for word in WORDS if any(word in text for text in said)}


def learnt_edges(model: CrystalModel) -> list[float]:
    """The distances that were in training, from the pairs of sodium, which are √2 as far apart."""
    assert model.card.geometry is not None
    shortest = model.card.geometry.shortest_distances
    assert shortest["Na-Na"] == pytest.approx(np.sqrt(2.0) * shortest["Cl-Na"], abs=2e-3)
    return [edge for edge in EDGES if edge >= shortest["Cl-Na"] - 1e-3]


def test_the_card_of_a_trained_model_states_its_geometry(model: CrystalModel) -> None:
    geometry = model.card.geometry
    assert geometry is not None
    nearest = min(learnt_edges(model))
    assert geometry.shortest_distances["Cl-Na"] == pytest.approx(nearest, abs=6e-4)
    low, high = geometry.volumes
    assert low == pytest.approx(relative_volume(rock_salt(nearest)))
    assert high <= relative_volume(rock_salt(EDGES[-1])) + 1e-9
    # Six of the other kind; Na-Na count where they are nearer than 1.3 times 2 * 1.66 Å.
    assert geometry.coordination["Cl"] == (6, 6)
    assert geometry.coordination["Na"] in {(6, 18), (18, 18)}
    # 2 * 1.02 Å and 1.66 + 1.02 Å are the radii: Cl and Na are the nearest of all pairs.
    assert geometry.shortest_relative == pytest.approx(nearest / 2.68, abs=1e-3)


def test_what_was_learnt_is_not_warned_of(model: CrystalModel) -> None:
    low, high = model.card.geometry.volumes  # type: ignore[union-attr]
    for edge in learnt_edges(model):
        if low <= relative_volume(rock_salt(edge)) <= high:
            assert not kinds(model, rock_salt(edge))


def test_short_distances_are_said_with_both_numbers(model: CrystalModel) -> None:
    nearest = min(learnt_edges(model))
    found = model.predict(rock_salt(0.8 * nearest)).warnings
    (line,) = [text for text in found if "distances shorter" in text]
    assert f"Cl-Na {0.8 * nearest:.3g} Å ({nearest:.3g} Å)" in line
    # A few per cent are what pressure does.
    assert "distances shorter" not in kinds(model, rock_salt(0.97 * nearest))


def test_volumes_are_said_with_all_numbers(model: CrystalModel) -> None:
    expanded = rock_salt(4.0)
    (line,) = [text for text in model.predict(expanded).warnings if "volume" in text]
    low, high = model.card.geometry.volumes  # type: ignore[union-attr]
    # 2 d³ for two atoms; spheres of 1.66 and 1.02 Å.
    share = 2 * 4.0**3 / (4 / 3 * np.pi * (1.66**3 + 1.02**3))
    assert "is 64 Å³" in line and f"{share:.2f} of the spheres" in line
    assert f"between {low:.2f} and {high:.2f}" in line


def test_coordination_is_said_with_its_range(model: CrystalModel) -> None:
    found = model.predict(caesium_chloride(2.9)).warnings
    (line,) = [text for text in found if "numbers of neighbours" in text]
    assert "Cl 8 (6 to 6)" in line


def test_pairs_that_never_met_are_compared_with_the_nearest_of_all(model: CrystalModel) -> None:
    # Cl and Cl, at the distance of a molecule and much nearer.
    for distance, wrong in ((1.99, False), (1.2, True)):
        crystal = Crystal(
            cell=8.0 * np.eye(3), positions=[[0, 0, 0], [distance, 0, 0]], numbers=[17, 17]
        )
        geometry = model.card.geometry
        assert geometry is not None
        own = geometry.model_copy(update={"shortest_distances": {"Cl-Na": 2.6}})
        said = [text for text in own.warnings(crystal) if "distances" in text]
        assert bool(said) is wrong
        assert all("Cl-Cl 1.2 Å (never so near)" in text for text in said)


def test_a_command_lists_the_warnings(runs: list[Path], tmp_path: Path) -> None:
    crystal = rock_salt(1.9)
    lines = ["NaCl", "1.0", *(" ".join(map(str, row)) for row in np.asarray(crystal.cell))]
    lines += ["Na Cl", "1 1", "Cartesian"]
    lines += [" ".join(map(str, row)) for row in np.asarray(crystal.positions)]
    path = tmp_path / "POSCAR"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["predict", str(path), "--model", str(runs[0]), "--json"])
    (entry,) = json.loads(result.stdout)
    assert any("Cl-Na 1.9 Å" in text for text in entry["warnings"])


def test_an_ensemble_holds_the_training_crystals_of_all(
    runs: list[Path], salts: CrystalStore, tmp_path: Path
) -> None:
    own = [md.load(folder).card.geometry for folder in runs]
    joint = ensemble_runs(runs, tmp_path / "both", dataset=salts.folder).model.card.geometry
    assert joint is not None and all(one is not None for one in own)
    assert joint.shortest_distances["Cl-Na"] == min(
        one.shortest_distances["Cl-Na"] for one in own if one
    )
    assert joint.volumes == (
        min(one.volumes[0] for one in own if one),
        max(one.volumes[1] for one in own if one),
    )


def test_a_run_that_starts_from_a_model_knows_its_crystals(
    runs: list[Path], tmp_path: Path
) -> None:
    records = [
        Record(f"p{place}", rock_salt(edge, (19, 35)), {"energy": float(edge)})
        for place, edge in enumerate(np.linspace(3.1, 3.5, 12))
    ]
    store = write_store(records, tmp_path / "store", DatasetInfo("others"), default_target="energy")
    later = train(store, tmp_path / "later", initial=str(runs[0]), network={})
    assert later.card.geometry is not None
    assert {"Cl-Na", "Br-K"} <= set(later.card.geometry.shortest_distances)
    assert {"Na", "K"} <= set(later.card.geometry.coordination)


def test_models_without_the_field_load_and_do_not_warn() -> None:
    squeezed = rock_salt(1.9)
    former = md.load(FROZEN_MODELS / "format-6")
    assert former.card.geometry is None and not kinds(former, squeezed)
    present = md.load(FROZEN_MODELS / "format-7")
    assert present.card.geometry is not None
    assert "volume" in kinds(present, squeezed)


def test_distances_and_neighbours_agree_with_ase(store: CrystalStore) -> None:
    ase_list = pytest.importorskip("ase.neighborlist")
    from ase.data import covalent_radii

    for row in range(0, 40):
        crystal = store[row].crystal
        atoms = crystal.to_ase()
        first, second, distance = ase_list.neighbor_list("ijd", atoms, 7.5)
        sums = covalent_radii[atoms.numbers[first]] + covalent_radii[atoms.numbers[second]]
        contacts = crystal_contacts(crystal)
        bonded = np.bincount(first[distance < 1.3 * sums], minlength=len(atoms))
        assert np.array_equal(bonded, contacts.coordination)
        expected: dict[tuple[int, int], float] = {}
        for ends, length, radii in zip(
            np.sort(atoms.numbers[np.stack([first, second], axis=1)]), distance, sums, strict=True
        ):
            if length < max(4.0, 1.3 * radii):
                key = (int(ends[0]), int(ends[1]))
                expected[key] = min(length, expected.get(key, length))
        found = dict(zip(map(tuple, contacts.pairs.tolist()), contacts.distances, strict=True))
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("edges", [(0.01, 0.01, 0.01), (1e-7, 3.0, 3.0), (2.0, 2.0, 1e7)])
def test_absurd_cells_take_no_memory(edges: tuple[float, float, float]) -> None:
    crystal = replace(rock_salt(2.8), cell=np.diag(edges))
    contacts = crystal_contacts(crystal)
    assert contacts.distances.min() <= min(edges) * 1.0001
    geometry = learn_geometry([rock_salt(2.8), rock_salt(2.9)])
    assert any("Å³" in text for text in geometry.warnings(crystal))


def test_names_of_pairs_do_not_depend_on_the_order() -> None:
    one, other = rock_salt(2.8), rock_salt(2.8, (17, 11))
    assert learn_geometry([one]) == learn_geometry([other])
    assert isinstance(learn_geometry([one]), TrainedGeometry)
