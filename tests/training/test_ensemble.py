"""Several runs as one model."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.optimize import brentq
from scipy.stats import laplace
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.data.store import CrystalStore, write_store
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import WEIGHTS_FILE, CrystalModel
from madelung.training.ensemble_members import note_of, read_members
from madelung.training.ensembles import combine_models, ensemble_runs
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

pytestmark = pytest.mark.slow  # it trains networks
TARGET = "formation_energy_peratom"
SHORT = {
    "target": [TARGET],
    "epochs": 2,
    "training_limit": 48,
    "max_atoms": 8,
    "batch_size": 16,
    "threads": 1,
    "split_seed": 7,
    "network": {
        "architecture": "potnet",
        "features": 8,
        "layers": 1,
        "gaussians": 16,
        "multiquadrics": 8,
    },
}


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


@pytest.fixture(scope="module")
def runs(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs that differ in their seeds."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        Trainer(settings(seed=seed), folder / f"run-{seed}").fit(store)
    return [folder / f"run-{seed}" for seed in range(3)]


@pytest.fixture(scope="module")
def together(
    store: CrystalStore, runs: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("together")
    ensemble_runs(runs, folder, dataset=store.folder)
    return folder


def agreed(models: list[CrystalModel], crystals: list[md.Crystal]) -> list[float]:
    """Medians of the mixtures of what models predict of crystals, by scipy."""
    found = []
    for predictions in zip(*(model.predict(crystals) for model in models), strict=True):
        values = np.array([one.value for one in predictions])
        factors = [model.card.targets[0].factor_68 for model in models]
        errors = np.array([one.uncertainty for one in predictions]) / factors
        start, end = values.min(), values.max()
        found.append(
            brentq(
                lambda x, values=values, errors=errors: laplace.cdf(x, values, errors).mean() - 0.5,
                start,
                end,
            )
        )
    return found


def test_the_value_is_the_median_of_the_members_distributions(runs: list[Path]) -> None:
    """And its error the one to be expected of it; both as scipy's Laplace distributions have it."""
    members = [md.load(run) for run in runs]
    graph = md.build_graph(md.example("TiO2"), members[0].card.graph)
    with torch.no_grad():
        parts = [member.network(graph) for member in members]
        values, log_scales, embedding = NetworkEnsemble(m.network for m in members)(graph)
    distributions = [laplace(float(part[0]), math.exp(float(part[1]))) for part in parts]
    assert np.mean([one.cdf(float(values)) for one in distributions]) == pytest.approx(0.5)
    errors = [one.expect(lambda y: abs(y - float(values))) for one in distributions]
    assert float(log_scales) == pytest.approx(math.log(np.mean(errors)), rel=1e-4)
    mean = torch.stack([part[2] for part in parts]).mean(0)
    assert torch.allclose(embedding, mean)


def test_older_ensembles_keep_to_the_mean(runs: list[Path]) -> None:
    """Their errors and calibration were measured with it."""
    members = [md.load(run) for run in runs]
    graph = md.build_graph(md.example("TiO2"), members[0].card.graph)
    together = NetworkEnsemble((member.network for member in members), "mean")
    with torch.no_grad():
        parts = [member.network(graph) for member in members]
        values, log_scales, _ = together(graph)
    found = np.array([float(part[0]) for part in parts])
    scales = np.exp([float(part[1]) for part in parts])
    assert float(values) == pytest.approx(found.mean(), rel=1e-5)
    # The variance of a mixture of Laplace distributions of scales b is mean(2 b²) + var(means).
    variance = (2 * scales**2).mean() + found.var()
    assert float(log_scales) == pytest.approx(0.5 * math.log(variance / 2), rel=1e-4)


def test_members_that_agree_are_like_one_of_them(runs: list[Path]) -> None:
    member = md.load(runs[0])
    graph = md.build_graph(md.example("ZnS"), member.card.graph)
    with torch.no_grad():
        alone = member.network(graph)
        thrice = NetworkEnsemble([member.network] * 3)(graph)
    for one, other in zip(alone, thrice, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_an_ensemble_is_loaded_as_any_model(
    store: CrystalStore, runs: list[Path], together: Path
) -> None:
    model = md.load(together)
    assert model.card.members == 3 and isinstance(model.network, NetworkEnsemble)
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    values = agreed([md.load(run) for run in runs], crystals)
    for prediction, value in zip(model.predict(crystals), values, strict=True):
        assert prediction.value == pytest.approx(value, abs=1e-5)
        assert prediction.uncertainty_90 > prediction.uncertainty > 0
    seeds = [member["seed"] for member in model.card.training["members"]]
    assert seeds == [0, 1, 2]
    errors = [member["errors"][TARGET]["mae"] for member in model.card.training["members"]]
    assert model.card.targets[0].errors["mae"] <= np.mean(errors) + 1e-9


def test_the_files_are_those_of_a_run(store: CrystalStore, together: Path) -> None:
    with (together / "predictions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    results = json.loads((together / "results.json").read_text(encoding="utf-8"))
    for part in ("val", "test"):
        own = [row for row in rows if row["fold"] == part]
        errors = [abs(float(row["truth"]) - float(row["prediction"])) for row in own]
        assert results["errors"][part][TARGET]["mae"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert len(results["member_errors"]) == 3 and results["members"] == 3


def test_intervals_hold_what_they_state_of_the_validation_crystals(together: Path) -> None:
    """The conformal rank: the smallest whole number of crystals that is enough."""
    errors = json.loads((together / "results.json").read_text(encoding="utf-8"))["errors"]["val"]
    count = errors[TARGET]["count"]
    for share in (68, 90):
        rank = min(math.ceil((count + 1) * share / 100), count)
        assert errors[TARGET][f"coverage_{share}"] == pytest.approx(rank / count)


def test_models_that_do_not_fit_are_refused(
    store: CrystalStore, runs: list[Path], together: Path
) -> None:
    parts = [prepare(store, settings()).membership] * 2
    models = [md.load(run) for run in runs[:2]]
    with pytest.raises(md.ModelError, match="two models"):
        combine_models(models[:1], store, parts[:1])
    with pytest.raises(md.ModelError, match="is an ensemble itself"):
        combine_models([models[0], md.load(together)], store, parts)
    other = md.load(runs[1])
    other.card.targets[0].name = "colour"
    with pytest.raises(md.ModelError, match="other targets"):
        combine_models([models[0], other], store, parts)
    other = md.load(runs[1])
    other.card.network = other.card.network.model_copy(update={"layers": 5})
    with pytest.raises(md.ModelError, match="settings of the network"):
        combine_models([models[0], other], store, parts)


def test_runs_that_do_not_fit_are_refused(
    store: CrystalStore, runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(md.TrainingError, match="no finished run"):
        ensemble_runs([runs[0], tmp_path], tmp_path / "out", dataset=store.folder)
    with pytest.raises(md.ModelError, match="two models"):
        ensemble_runs(runs[:1], tmp_path / "out", dataset=store.folder)
    part = write_store([store[row] for row in range(300)], tmp_path / "part", store.info)
    with pytest.raises(md.TrainingError, match="another data set"):
        ensemble_runs(runs, tmp_path / "out", dataset=part.folder)
    assert not (tmp_path / "out").exists()


def test_the_command(store: CrystalStore, runs: list[Path], tmp_path: Path) -> None:
    words = ["ensemble", *map(str, runs[:2]), "--out", str(tmp_path), "--name", "two"]
    done = CliRunner().invoke(app, [*words, "--dataset", str(store.folder)])
    assert done.exit_code == 0, done.output
    assert "2 members" in done.output
    assert md.load(tmp_path).card.name == "two" and md.load(tmp_path).card.members == 2


def test_training_can_start_from_an_ensemble(
    store: CrystalStore, together: Path, tmp_path: Path
) -> None:
    """Each seed starts from another member."""
    chosen = {**SHORT, "initial": str(together), "epochs": 1, "seed": 4, "learning_rate": 1e-12}
    result = Trainer(read_settings(changes=chosen), tmp_path / "run").fit(store)
    assert result.model.card.members == 1
    assert result.model.card.training["initial"]["name"] == str(together)
    member = md.load(together).network.members[4 % 3]
    trained = dict(result.model.network.named_parameters())
    for name, value in member.named_parameters():
        assert torch.allclose(trained[name], value, atol=1e-7), name


def test_sum_networks_too(store: CrystalStore, tmp_path: Path) -> None:
    network = {"architecture": "sumnet", "features": 8, "layers": 1, "senders": 4, "tensors": 4}
    chosen = {**SHORT, "epochs": 1, "network": network}
    for seed in range(2):
        Trainer(read_settings(changes={**chosen, "seed": seed}), tmp_path / f"run-{seed}").fit(
            store
        )
    runs = [tmp_path / "run-0", tmp_path / "run-1"]
    ensemble_runs(runs, tmp_path / "together", dataset=store.folder)
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    found = [one.value for one in md.load(tmp_path / "together").predict(crystals)]
    assert found == pytest.approx(agreed([md.load(run) for run in runs], crystals), abs=1e-5)
    from_it = {**SHORT, "epochs": 1, "initial": str(tmp_path / "together")}
    del from_it["network"]
    result = Trainer(read_settings(changes=from_it), tmp_path / "next").fit(store)
    assert result.model.card.network == md.load(runs[0]).card.network


def test_a_run_joins_an_ensemble(
    store: CrystalStore, runs: list[Path], together: Path, tmp_path: Path
) -> None:
    """The same model as that of all its runs, and what is known of each member is kept."""
    ensemble_runs(runs[:2], tmp_path / "two", dataset=store.folder)
    ensemble_runs([tmp_path / "two", runs[2]], tmp_path / "all", dataset=store.folder)
    joined, at_once = md.load(tmp_path / "all"), md.load(together)
    for name, value in at_once.tensors().items():
        assert torch.equal(joined.tensors()[name], value), name
    for name in ("targets", "graph", "network", "elements", "members"):
        assert getattr(joined.card, name) == getattr(at_once.card, name), name
    assert joined.card.training["members"] == at_once.card.training["members"]


def test_the_members_of_an_ensemble_keep_their_training_crystals(
    store: CrystalStore, tmp_path: Path
) -> None:
    """Also where these were drawn with the seed of one of them."""
    runs = [tmp_path / f"{seed}" for seed in range(3)]
    for seed, run in enumerate(runs):
        Trainer(settings(seed=3 + seed, split_seed=3 if seed else None, epochs=1), run).fit(store)
    two = tmp_path / "two"
    ensemble_runs(runs[:2], two, dataset=store.folder)
    with pytest.raises(md.TrainingError, match="this network is there already"):
        ensemble_runs([two, runs[0]], tmp_path / "twice", dataset=store.folder)
    again = ensemble_runs([two, runs[2]], tmp_path / "three", dataset=store.folder)
    assert again.model.card.members == 3 and not again.model.card.member_scales
    drawn = [member.settings_on(store).drawn_with for member in read_members([tmp_path / "three"])]
    assert drawn == [3, 3, 3]


def test_shipped_ensembles_come_apart() -> None:
    """What their members agree on is the model; each has the graph that it was trained with."""
    crystal = md.example("TiO2")
    for name in ("jarvis-ehull-column", "bulk-modulus"):
        model = md.load(name)
        members = read_members([name])
        assert len(members) == model.card.members > 1
        if model.card.consensus == "median":
            (value,) = agreed([member.model for member in members], [crystal])
        else:
            value = np.mean([member.model.predict(crystal).value for member in members])
        assert model.predict(crystal).value == pytest.approx(value, rel=1e-5)
        for note, member in zip(model.card.training["members"], members, strict=True):
            # Older ones lack the factors.
            assert {key: note_of(member.model)[key] for key in note} == note
        for number, member in enumerate(members):
            assert member.model.card.graph == model.card.graph_of(number)


def test_half_precision_takes_half_the_space(
    runs: list[Path], store: CrystalStore, tmp_path: Path
) -> None:
    """What is stored in half precision is what was calibrated and tested, to the last bit."""
    whole = ensemble_runs(runs, tmp_path / "whole", dataset=store.folder)
    half = ensemble_runs(runs, tmp_path / "half", dataset=store.folder, half=True)
    stored = [load_file(result.folder / "model" / WEIGHTS_FILE) for result in (whole, half)]
    # What is kept of the training crystals is not of the network.
    sizes = [
        sum(value.nbytes for name, value in tensors.items() if name.startswith("network."))
        for tensors in stored
    ]
    assert sizes[1] < 0.7 * sizes[0]
    loaded = md.load(half.folder)
    for name, value in half.model.tensors().items():
        assert torch.equal(loaded.tensors()[name], value), name
    crystal = md.example("TiO2")
    assert loaded.predict(crystal).value == pytest.approx(
        whole.model.predict(crystal).value, abs=0.05
    )


@pytest.fixture(scope="module")
def mixed(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two SumNets of different reach, and the ensemble of both."""
    folder = tmp_path_factory.mktemp("mixed")
    small = {"architecture": "sumnet", "features": 16, "layers": 1}
    for seed, cutoff in enumerate((5.0, 6.0)):
        changes = {"network": small, "graph": {"cutoff": cutoff}, "epochs": 1}
        Trainer(settings(seed=seed, **changes), folder / str(seed)).fit(store)
    ensemble_runs([folder / "0", folder / "1"], folder / "both", dataset=store.folder)
    return [folder / "0", folder / "1", folder / "both"]


def test_members_may_see_crystals_in_different_ways(store: CrystalStore, mixed: list[Path]) -> None:
    """Each gets its own graph: alone, in batches, and where validation calibrates them."""
    *runs, both = mixed
    model, members = md.load(both), [md.load(run) for run in runs]
    assert [graph.cutoff for graph in model.card.member_graphs] == [5.0, 6.0]
    assert model.card.format >= 3  # earlier versions would take all members to be alike
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    found = [one.value for one in model.predict(crystals)]
    assert found == pytest.approx(agreed(members, crystals), abs=1e-5)
    assert model.predict(crystals[0]).value == pytest.approx(found[0], abs=1e-5)
    with (both / "predictions.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["fold"] == "val"]
    by_id = {record.id: record.crystal for record in store}
    expected = agreed(members, [by_id[row["id"]] for row in rows])
    assert [float(row["prediction"]) for row in rows] == pytest.approx(expected, abs=2e-5)


def test_a_run_starts_from_the_member_that_its_seed_chooses(
    store: CrystalStore, mixed: list[Path], tmp_path: Path
) -> None:
    for seed, cutoff in ((2, 5.0), (3, 6.0)):
        content = {**SHORT, "seed": seed, "initial": str(mixed[2]), "epochs": 1}
        del content["network"]
        result = Trainer(read_settings(changes=content), tmp_path / str(seed)).fit(store)
        assert result.model.card.graph.cutoff == cutoff
        assert result.model.card.member_graphs == ()


def test_a_card_with_too_few_graphs_is_refused(mixed: list[Path], tmp_path: Path) -> None:
    model = md.load(mixed[2])
    model.card.member_graphs = model.card.member_graphs[:1]
    model.save(tmp_path / "model")
    with pytest.raises(md.ModelError, match="1 graphs for 2 members"):
        md.load(tmp_path / "model")
