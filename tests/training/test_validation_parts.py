"""Members that take turns with their validation crystals, and what calibrates them together."""

import csv
import json
import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import laplace, norm

import madelung as md
from madelung.data.store import CrystalStore
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import Prediction
from madelung.training.calibration import averaged_factor
from madelung.training.ensemble_members import read_members
from madelung.training.ensembles import combine_models, ensemble_runs
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.splits import Membership, resolve_membership
from madelung.training.trainer import Trainer
from madelung.training.unseen import joint_membership

pytestmark = pytest.mark.slow  # it trains networks
TARGET = "bulk_modulus_kv"
PARTS = 3
SHORT = {
    "target": [TARGET],
    "epochs": 2,
    "max_atoms": 6,
    "batch_size": 32,
    "threads": 1,
    "split_seed": 7,
    "validation_parts": PARTS,
    "network": {"architecture": "sumnet", "features": 16, "layers": 1},
}


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


@pytest.fixture(scope="module")
def runs(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(PARTS):
        Trainer(settings(seed=seed), folder / f"{seed}").fit(store)
    return [folder / f"{seed}" for seed in range(PARTS)]


@pytest.fixture(scope="module")
def together(
    store: CrystalStore, runs: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("together")
    ensemble_runs(runs, folder, dataset=store.folder)
    return folder


def rows_of(folder: Path, part: str) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["fold"] == part]


def mass_below(value: float, predictions: Sequence[Prediction]) -> float:
    """Of the mixture of Laplace distributions, each as wide as its member's validation makes it."""
    distances = [value - one.value for one in predictions]
    widths = [one.uncertainty for one in predictions]
    return float(np.mean(laplace.cdf(distances, scale=widths)))


def test_each_crystal_validates_one_member_and_teaches_the_others(store: CrystalStore) -> None:
    own = [resolve_membership(store, settings(seed=seed)) for seed in range(PARTS)]
    plain = resolve_membership(store, settings(validation_parts=None))
    learnt = np.isin(plain.labels, ("train", "val")) & np.isfinite(plain.values)
    validating = np.stack([one.labels == "val" for one in own]) & learnt
    assert (validating.sum(axis=0) == learnt).all()
    sizes = validating.sum(axis=(1, 2))
    assert sizes.max() - sizes.min() <= 1
    for one in own:
        assert ((one.labels == "test") == (plain.labels == "test")).all()
        assert ((one.labels == "train") | (one.labels == "val"))[learnt].all()
    again = resolve_membership(store, settings(seed=PARTS))
    assert (again.labels == own[0].labels).all()


def test_parts_of_several_targets_are_the_same_crystals(store: CrystalStore) -> None:
    """Else what one target holds back would teach another."""
    both = settings(target=[TARGET, "formation_energy_peratom"])
    labels = resolve_membership(store, both).labels
    learnt = np.isin(labels, ("train", "val")).all(axis=1)
    assert (labels[learnt, 0] == labels[learnt, 1]).all()


def test_each_validation_crystal_is_predicted_by_the_one_that_has_not_learnt_it(
    store: CrystalStore, runs: list[Path], together: Path
) -> None:
    alone = {}
    for run in runs:
        alone |= {row["id"]: row["prediction"] for row in rows_of(run, "val")}
    rows = rows_of(together, "val")
    assert {row["id"] for row in rows} == set(alone)
    expected = [float(alone[row["id"]]) for row in rows]
    assert [float(row["prediction"]) for row in rows] == pytest.approx(expected, abs=1e-3)
    errors = json.loads((together / "results.json").read_text(encoding="utf-8"))["errors"]["val"]
    rank = math.ceil((len(rows) + 1) * 0.9)
    # The last one lies on the edge of its interval, up to rounding.
    assert round(errors[TARGET]["coverage_90"] * len(rows)) in (rank - 1, rank)


def test_members_keep_the_scales_of_what_they_learnt(
    store: CrystalStore, runs: list[Path], together: Path
) -> None:
    """The ensemble agrees on values, wherever the zero and unit of its members' outputs are."""
    ensemble = md.load(together)
    assert ensemble.card.member_scales and ensemble.card.format >= 6
    members = [md.load(run) for run in runs]
    means = [float(member.scale.mean) for member in members]
    assert len(set(means)) == PARTS
    crystals = [record.crystal for record in store][:20]
    for predictions, whole in zip(
        zip(*(member.predict(crystals) for member in members), strict=True),
        ensemble.predict(crystals),
        strict=True,
    ):
        assert mass_below(whole.value, predictions) == pytest.approx(0.5, abs=1e-3)
        # What they expect holds their disagreement already.
        expected = np.mean([one.uncertainty for one in predictions])
        factor = ensemble.card.targets[0].factor_68
        assert whole.uncertainty / factor == pytest.approx(expected, rel=1e-4)


def test_the_card_counts_all_that_was_learnt(store: CrystalStore, together: Path) -> None:
    plain = resolve_membership(store, settings(validation_parts=None))
    counts = md.load(together).card.training["values"][TARGET]
    small = store.sizes <= 6
    learnt = np.isin(plain.labels, ("train", "val"))[:, 0] & np.isfinite(plain.values[:, 0]) & small
    assert counts["val"] == counts["train"] == learnt.sum()


def test_members_come_apart_as_they_were(runs: list[Path], together: Path) -> None:
    for run, member in zip(runs, read_members([together]), strict=True):
        own = md.load(run)
        for name, value in own.tensors().items():
            if not name.startswith("novelty"):
                assert torch.equal(member.model.tensors()[name], value), name
        assert member.settings.seed == own.card.training["settings"]["seed"]
        assert not member.model.card.member_scales


def test_a_run_of_another_part_joins(
    store: CrystalStore, runs: list[Path], together: Path, tmp_path: Path
) -> None:
    ensemble_runs(runs[:2], tmp_path / "two", dataset=store.folder)
    ensemble_runs([tmp_path / "two", runs[2]], tmp_path / "all", dataset=store.folder)
    joined, at_once = md.load(tmp_path / "all"), md.load(together)
    for name, value in at_once.tensors().items():
        assert torch.equal(joined.tensors()[name], value), name
    assert joined.card.targets == at_once.card.targets


def test_members_that_share_a_part_predict_it_together(store: CrystalStore, tmp_path: Path) -> None:
    """Parts come again where there are more members than parts."""
    folders = [tmp_path / f"{seed}" for seed in range(4)]
    for seed, folder in enumerate(folders):
        Trainer(settings(seed=seed, validation_parts=2, epochs=1), folder).fit(store)
    ensemble_runs(folders, tmp_path / "four", dataset=store.folder)
    by_id = {record.id: record.crystal for record in store}
    for part in range(2):
        own = {row["id"] for row in rows_of(folders[part], "val")}
        members = [md.load(folder) for folder in folders[part::2]]
        for row in rows_of(tmp_path / "four", "val"):
            if row["id"] in own:
                predictions = [member.predict(by_id[row["id"]]) for member in members]
                below = mass_below(float(row["prediction"]), predictions)
                assert below == pytest.approx(0.5, abs=1e-3)

    def ratios(folder: Path, expected: dict[str, float]) -> list[float]:
        return sorted(
            abs(float(row["prediction"]) - float(row["truth"])) / expected[row["id"]]
            for row in rows_of(folder, "val")
        )

    alone: list[float] = []
    judges: dict[str, list[float]] = {}
    for folder in folders:
        own = {row["id"]: float(row["uncertainty"]) for row in rows_of(folder, "val")}
        alone += ratios(folder, own)
        for name, width in own.items():
            judges.setdefault(name, []).append(width)
    means = {name: float(np.mean(widths)) for name, widths in judges.items()}
    together = ratios(tmp_path / "four", means)
    (card,) = md.load(tmp_path / "four").card.targets
    for share, factor in ((0.68, card.factor_68), (0.90, card.factor_90)):
        one, two = (
            found[math.ceil((len(found) + 1) * share) - 1] for found in (sorted(alone), together)
        )
        # In the reciprocal number of members four are half as far from two as one is.
        assert two < one
        assert factor == pytest.approx(two - (one - two) / 2, rel=1e-3)


@given(
    common=st.floats(0.0, 3.0),
    own=st.floats(0.01, 3.0),
    count=st.integers(2, 9),
    further=st.integers(0, 20),
)
def test_what_averaging_takes_off_is_never_overstated(
    common: float, own: float, count: int, further: int
) -> None:
    """Normal errors of which members share one part: the line stays above what is true."""

    def quantile(members: int) -> float:
        return float(norm.ppf(0.95) * np.hypot(common, own / math.sqrt(members)))

    members = count + further
    found = averaged_factor(quantile(1), quantile(count), count, members)
    assert quantile(members) <= found * (1.0 + 1e-12) <= quantile(count) * (1.0 + 1e-12)
    assert averaged_factor(1.0, 1.2, count, members) == 1.2


def test_a_crystal_may_teach_one_target_and_validate_another(
    store: CrystalStore, tmp_path: Path
) -> None:
    """Each target follows its own split, so that members have learnt some of each crystal."""
    both = [TARGET, "formation_energy_peratom"]
    folders = [tmp_path / f"{seed}" for seed in range(2)]
    for seed, folder in enumerate(folders):
        own = settings(target=both, seed=seed, validation_parts=None, epochs=1)
        Trainer(own, folder).fit(store)
    labels = resolve_membership(store, own).labels
    mixed = (labels == "val").any(axis=1) & (labels == "train").any(axis=1)
    assert mixed.any()
    result = ensemble_runs(folders, tmp_path / "both", dataset=store.folder)
    alone = [md.load(folder).card.targets for folder in folders]
    for column, name in enumerate(both):
        assert result.errors["val"][name].count == alone[0][column].validation["count"]
        worst = max(targets[column].validation["mae"] for targets in alone)
        assert result.errors["val"][name].mae <= worst + 1e-9


def test_members_of_other_crystals_are_widened_though_their_scales_are_equal(
    store: CrystalStore, runs: list[Path]
) -> None:
    """As those of frequencies are, whatever was learnt."""
    memberships = [prepare(store, settings(seed=seed)).membership for seed in range(2)]
    first = md.load(runs[0])
    models = [first, deepcopy(first)]
    models[1].card.targets[0].factor_68 *= 2.0
    apart, _ = combine_models(models, store, memberships)
    assert apart.card.member_scales
    assert isinstance(apart.network, NetworkEnsemble)
    assert apart.network.widening[1] == pytest.approx(2.0 * apart.network.widening[0])
    shared, _ = combine_models(models, store, memberships[:1] * 2)
    assert not shared.card.member_scales


def test_members_with_other_test_crystals_are_refused() -> None:
    values = np.ones((4, 1))
    parts = [
        Membership(("energy",), values, np.array([[label] for label in labels]), ("drawn",))
        for labels in (("train", "val", "test", ""), ("train", "val", "train", "test"))
    ]
    with pytest.raises(md.TrainingError, match="tested on different crystals"):
        joint_membership(parts)
    joint = joint_membership([parts[0], parts[0]])
    assert (joint.labels == parts[0].labels).all()


def test_a_benchmark_learns_from_all_but_its_test_crystals(
    store: CrystalStore, tmp_path: Path
) -> None:
    from madelung.leaderboards.benchmark import run_benchmark
    from madelung.leaderboards.tasks import benchmark_task

    task = replace(
        benchmark_task("jarvis_bulk_modulus_kv"),
        crystals=int((np.asarray(store.split(TARGET)) == "test").sum()),
    )
    own = settings(target=[], epochs=1)
    result = run_benchmark(
        task, tmp_path / "out", settings=own, members=PARTS, data=store.folder, quiet=True
    )
    (fold,) = result.folds
    plain = resolve_membership(store, settings(validation_parts=None))
    tested = {
        name for name, label in zip(store.ids, plain.labels[:, 0], strict=True) if label == "test"
    }
    assert set(fold.predictions.ids) <= tested
    assert fold.crystals["train"] == fold.crystals["val"] > 0
    model = md.load(tmp_path / "out" / "fold-0" / "model")
    assert model.card.member_scales and len(model.card.training["members"]) == PARTS
