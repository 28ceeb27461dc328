"""What to label next: where, that nothing hidden is looked at, and the command."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from numpy.typing import NDArray
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.teaching.active import (
    choose_at_random,
    choose_farthest,
    choose_next,
    ensemble_uncertainties,
    places_of,
)
from madelung.teaching.descriptors import describe
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.mixture import fit_mixture
from madelung.teaching.proposal import propose_next
from madelung.teaching.sources import reference_energies_of

NETWORK = {
    "elements": ("Cu",), "cutoff": 4.0, "features": 12, "channels": 6, "cubic_channels": 3,
    "senders": 2, "radial": 5, "long_range": False,
}  # fmt: skip
LABELLED, TOTAL = 12, 60
EXPANDED = range(40, 60)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by effective medium theory; some labelled, and none of those that are expanded."""
    random = np.random.default_rng(2)
    frames = []
    for number in range(TOTAL):
        edge = 4.3 if number in EXPANDED else 3.6
        atoms = ase.build.bulk("Cu", cubic=True, a=edge * (1.0 + 0.01 * random.normal()))
        atoms.positions += random.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info["config_type"] = "expanded" if number in EXPANDED else "usual"
        if number < LABELLED:
            atoms.calc = EMT()
            atoms.get_potential_energy(), atoms.get_forces()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture(scope="module")
def configurations(data: Path) -> list[Configuration]:
    return list(read_configurations(data, bare=True))


@pytest.fixture(scope="module")
def places(configurations: list[Configuration]) -> NDArray[np.float64]:
    return places_of(describe((item.crystal for item in configurations), (29,)))


@pytest.fixture(scope="module")
def labels(configurations: list[Configuration]) -> TeacherLabels:
    """Two teachers: the reference with an error that grows with the volume, and a worse one."""
    energies = []
    for item in configurations:
        atoms = item.crystal.to_ase()
        atoms.calc = EMT()
        energy, volume = atoms.get_potential_energy(), atoms.get_volume()
        energies.append([energy + 0.01 * (volume - 46.0), 0.8 * energy])
    return TeacherLabels(
        teachers=("good", "bad"),
        ids=tuple(item.id for item in configurations),
        elements=(29,),
        compositions=np.full((TOTAL, 1), 4),
        energies=np.array(energies),
    )


def test_places_have_the_mean_square_one(places: NDArray[np.float64]) -> None:
    assert np.abs(places.mean(0)).max() < 1e-12
    assert (places**2).sum(1).mean() == pytest.approx(1.0)


def test_the_region_without_labels_comes_first(
    configurations: list[Configuration], labels: TeacherLabels, places: NDArray[np.float64]
) -> None:
    labelled = np.arange(LABELLED)
    reference = reference_energies_of(configurations)
    mixture = fit_mixture(labels, reference, labelled)
    errors = mixture.standard_errors_per_atom
    assert choose_next(places, labelled, 3).indices[0] in EXPANDED
    assert choose_next(places, labelled, 3, uncertainties=errors).indices[0] in EXPANDED


def test_a_choice_is_that_of_plain_matrices() -> None:
    """Squared errors of all are summed anew for each candidate; see the module for the model."""
    random = np.random.default_rng(0)
    places, scales = random.normal(size=(40, 2)) / 1.4, random.uniform(0.1, 1.0, 40)
    scales /= scales.max()
    scaled = np.sqrt(5.0) * np.linalg.norm(places[:, None] - places, axis=2)
    covariance = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled) * np.outer(scales, scales)
    found = choose_next(places, [3, 5], 6, uncertainties=7.0 * scales)
    whole = np.trace(covariance)
    for index, share in zip(found.indices, found.shares, strict=True):
        left = [
            np.outer(covariance[i], covariance[i]) / (covariance[i, i] + 0.1 * scales[i] ** 2)
            for i in range(40)
        ]
        gains = np.array([np.trace(item) for item in left])
        gains[[3, 5, *found.indices[: list(found.indices).index(index)]]] = -1.0
        assert gains.argmax() == index
        assert share == pytest.approx(gains[index] / whole)
        covariance = covariance - left[index]


def test_many_configurations_are_represented_by_some() -> None:
    """The middle of the larger of two clouds is chosen first, and an outlier late."""
    random = np.random.default_rng(1)
    clouds = [random.normal(size=(900, 2)) * 0.3, random.normal(size=(300, 2)) * 0.3 + [4.0, 0.0]]
    places = np.concatenate([*clouds, [[0.0, 9.0]]])
    found = choose_next(places, [], 5, uncertainties=np.ones(1201), seed=3)
    assert found.indices[0] < 900
    assert 900 <= found.indices[1] < 1200
    assert 1200 not in found.indices
    assert np.linalg.norm(places[found.indices[0]]) < 0.3
    assert found.likes[0] > 300.0
    assert 1200 in choose_farthest(places, found.indices[:1], 1)


def test_none_is_chosen_twice_and_a_seed_fixes_all(places: NDArray[np.float64]) -> None:
    labelled, rest = np.arange(LABELLED), TOTAL - LABELLED
    errors = np.full(TOTAL, np.nan)
    for chosen, again in (
        (choose_next(places, labelled, rest).indices, choose_next(places, labelled, rest).indices),
        (
            choose_next(places, labelled, rest, uncertainties=errors).indices,
            choose_next(places, labelled, rest, uncertainties=errors).indices,
        ),
        (choose_farthest(places, labelled, rest), choose_farthest(places, labelled, rest)),
        (
            choose_at_random(TOTAL, labelled, rest, seed=1),
            choose_at_random(TOTAL, labelled, rest, seed=1),
        ),
    ):
        assert sorted(chosen) == list(range(LABELLED, TOTAL))
        assert list(chosen) == list(again)
    zeros = choose_next(places, labelled, rest, uncertainties=np.zeros(TOTAL))
    assert np.isfinite(zeros.shares).all()
    with pytest.raises(ForceFieldError, match="cannot be chosen"):
        choose_next(places, labelled, rest + 1)
    with pytest.raises(ForceFieldError, match="do not fit"):
        choose_next(places, labelled, 1, uncertainties=np.ones(3))


def test_no_reference_of_the_unlabelled_is_looked_at(
    configurations: list[Configuration], labels: TeacherLabels, places: NDArray[np.float64]
) -> None:
    labelled = np.arange(LABELLED)
    reference = reference_energies_of(configurations)
    chosen = []
    for forged in (np.nan, 1e3, -5.0):
        energies = np.where(np.arange(TOTAL) < LABELLED, reference, forged)
        errors = fit_mixture(labels, energies, labelled).standard_errors_per_atom
        chosen.append(choose_next(places, labelled, 10, uncertainties=errors).indices.tolist())
    assert chosen[0] == chosen[1] == chosen[2]


def test_ensembles_say_where_they_differ(
    configurations: list[Configuration], tmp_path: Path
) -> None:
    settings = NeuralSettings.model_validate(NETWORK)
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(EnergyModel(settings))
    crystals: list[Crystal] = [item.crystal for item in configurations[:5]]
    ensemble = NeuralForceField(models)
    forces = ensemble_uncertainties(ensemble, crystals)
    energies = ensemble_uncertainties(ensemble, crystals, forces=False)
    assert forces.shape == energies.shape == (5,)
    assert (forces > 0.0).all()
    assert (energies > 0.0).all()
    with pytest.raises(ForceFieldError, match="at least two"):
        ensemble_uncertainties(NeuralForceField(models[:1]), crystals)
    proposal = propose_next(configurations, None, tmp_path, count=2, force_field=ensemble)
    assert "eV/Å" in proposal.rows[0]["why"]


def test_the_command_writes_what_to_calculate(
    data: Path, configurations: list[Configuration], labels: TeacherLabels, tmp_path: Path
) -> None:
    stored = tmp_path / "labels.safetensors"
    labels.save(stored)
    for source in (str(stored), "-"):
        out = tmp_path / ("structure" if source == "-" else "mixture")
        words = ["teach", "next", source, str(data), "--count", "4", "--out", str(out), "--quiet"]
        run = CliRunner().invoke(app, words)
        assert run.exit_code == 0, run.output
        with (out / "next.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0]) == ["id", "score", "group", "why"]
        assert rows[0]["group"] == "expanded"
        assert ("meV/atom" in rows[0]["why"]) == (source != "-")
        written = list(read_configurations(out / "next.extxyz", bare=True))
        assert [item.id for item in written] == [row["id"] for row in rows]
        assert all(item.energy is None for item in written)
        known = {item.id for item in configurations if item.energy is not None}
        assert not known & {item.id for item in written}
    words[words.index("4")] = "100"
    assert CliRunner().invoke(app, words).exit_code != 0


def test_labels_of_others_are_refused(
    configurations: list[Configuration], labels: TeacherLabels, tmp_path: Path
) -> None:
    with pytest.raises(ForceFieldError, match="the labels"):
        propose_next(
            configurations, replace(labels, ids=labels.ids[::-1]), tmp_path / "out", count=2
        )
