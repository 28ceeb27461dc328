"""Training that starts from the weights of an earlier model."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import StartedCommand

import madelung as md
from madelung.data.store import CrystalStore
from madelung.learning.checkpoints import CHECKPOINT_FILE, read_checkpoint
from madelung.models.card import CARD_FILE
from madelung.models.model import WEIGHTS_FILE, CrystalModel
from madelung.training.initial import adopt_settings, start_from
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

pytestmark = pytest.mark.slow  # it trains networks
NETWORK = {
    "architecture": "potnet",
    "features": 8,
    "layers": 1,
    "gaussians": 16,
    "multiquadrics": 8,
}
SHORT = {
    "target": ["formation_energy_peratom"],
    "epochs": 2,
    "training_limit": 48,
    "max_atoms": 8,
    "batch_size": 16,
    "threads": 1,
}


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


@pytest.fixture(scope="module")
def earlier(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two targets that others start from."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    both = ["optb88vdw_bandgap", "formation_energy_peratom"]
    Trainer(settings(target=both, network=NETWORK, graph={"neighbours": 12}), folder).fit(store)
    return folder


def test_rows_of_known_targets_and_all_inner_weights_are_taken_over(earlier: Path) -> None:
    initial = md.load(earlier)
    card = initial.card.model_copy(deep=True)
    card.targets = [card.targets[1], card.targets[0].model_copy(update={"name": "colour"})]
    torch.manual_seed(5)
    network = CrystalModel.from_card(card).network
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    start_from(initial, network, [target.name for target in card.targets], seed=0)
    given = initial.network.state_dict()
    for name, value in network.state_dict().items():
        if name.startswith(("value.", "scale.")):
            assert torch.equal(value[0], given[name][1])
            assert torch.equal(value[1], fresh[name][1])
        else:
            assert torch.equal(value, given[name])


def test_a_run_starts_from_the_model_and_says_so(
    store: CrystalStore, earlier: Path, tmp_path: Path
) -> None:
    result = Trainer(settings(initial=str(earlier), epochs=1), tmp_path / "run").fit(store)
    initial, card = md.load(earlier), result.model.card
    assert card.graph == initial.card.graph and card.network == initial.card.network
    noted = json.loads((tmp_path / "run" / "model" / CARD_FILE).read_text(encoding="utf-8"))
    assert noted["training"]["initial"]["weights_sha256"] == initial.card.weights_sha256
    assert noted["training"]["initial"]["name"] == str(earlier)
    alone = Trainer(
        settings(epochs=1, network=NETWORK, graph={"neighbours": 12}), tmp_path / "alone"
    ).fit(store)
    for element, count in initial.card.elements.items():
        assert card.elements[element] == count + alone.model.card.elements.get(element, 0)


def test_training_goes_on_from_the_weights(
    store: CrystalStore, earlier: Path, tmp_path: Path
) -> None:
    """With steps of no length, the weights that come out are those that went in."""
    still = settings(initial=str(earlier), epochs=1, learning_rate=1e-12)
    trained = dict(Trainer(still, tmp_path / "run").fit(store).model.network.named_parameters())
    for name, value in md.load(earlier).network.named_parameters():
        own = value[1:] if name.startswith(("value.", "scale.")) else value
        assert torch.allclose(trained[name], own, atol=1e-7), name


def test_elements_of_the_earlier_model_count_as_seen(
    store: CrystalStore, tmp_path: Path, earlier: Path
) -> None:
    model = md.load(earlier)
    model.card.elements["Rn"] = 4
    model.save(tmp_path / "with-radon")
    result = Trainer(
        settings(initial=str(tmp_path / "with-radon"), epochs=1), tmp_path / "run"
    ).fit(store)
    radon = md.Crystal(cell=5 * np.eye(3), positions=np.zeros((1, 3)), numbers=[86])
    assert not [text for text in result.model.predict(radon).warnings if "never seen" in text]


def test_what_is_read_off_may_change_and_is_learnt_anew(
    store: CrystalStore, tmp_path: Path
) -> None:
    network = {"features": 8, "layers": 1, "senders": 4, "tensors": 4}
    Trainer(settings(network=network, epochs=1), tmp_path / "values").fit(store)
    initial = md.load(tmp_path / "values")
    changed = settings(
        initial=str(tmp_path / "values"), network={"readout": "area"}, graph={"areas": True}
    )
    adopted = adopt_settings(changed, initial)
    assert adopted.network == initial.card.network.model_copy(update={"readout": "area"})
    assert adopted.graph == initial.card.graph.model_copy(update={"areas": True})
    torch.manual_seed(5)
    fresh = CrystalModel.from_card(initial.card).network
    before = fresh.value.weight.clone()
    start_from(initial, fresh, ["formation_energy_peratom"], seed=0, readout="area")
    assert torch.equal(fresh.value.weight, before)
    assert torch.equal(fresh.first.weight, initial.network.first.weight)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"network": {"features": 16}}, "network.features is 16 and was 8"),
        ({"network": NETWORK, "graph": {"neighbours": 20}}, "graph.neighbours is 20 and was 12"),
    ],
)
def test_other_settings_than_the_models_are_refused(
    earlier: Path, tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    with pytest.raises(md.TrainingError, match=text):
        Trainer(settings(initial=str(earlier), **changes), tmp_path)


def test_the_same_settings_may_be_named(earlier: Path) -> None:
    named = settings(initial=str(earlier), network=NETWORK)
    assert adopt_settings(named, md.load(earlier)).graph.neighbours == 12


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(md.ModelError, match="no-such-model"):
        Trainer(settings(initial="no-such-model"), tmp_path)


def test_a_killed_run_goes_on_to_the_same_weights(
    store: CrystalStore, earlier: Path, tmp_path: Path
) -> None:
    changes = {"initial": str(earlier), "epochs": 30}
    Trainer(settings(**changes), tmp_path / "alone").fit(store)
    out = tmp_path / "run"
    words = [
        "train", str(store.folder), "--out", str(out),
        "--quiet", "--checkpoint-minutes", "0", "--initial", str(earlier), "--epochs", "30",
    ]  # fmt: skip
    for name in ("target", "training_limit", "max_atoms", "batch_size", "threads"):
        value = SHORT[name]
        words += [f"--{name.replace('_', '-')}", value[0] if name == "target" else str(value)]
    process = StartedCommand(*words, errors=tmp_path / "errors")
    while not (out / CHECKPOINT_FILE).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not read_checkpoint(out)[1].finished
    Trainer(settings(**changes), out, resume=True).fit(store)
    weights = [path / "model" / WEIGHTS_FILE for path in (out, tmp_path / "alone")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_does_not_go_on_from_other_weights(
    store: CrystalStore, earlier: Path, tmp_path: Path
) -> None:
    model = md.load(earlier)
    model.save(tmp_path / "initial")
    chosen = settings(initial=str(tmp_path / "initial"), epochs=1)
    Trainer(chosen, tmp_path / "run").fit(store)
    with torch.no_grad():
        next(model.network.parameters()).add_(1.0)
    model.save(tmp_path / "initial")
    with pytest.raises(md.TrainingError, match="another initial model"):
        Trainer(chosen, tmp_path / "run", resume=True).fit(store)


def test_runs_of_other_seeds_can_share_their_drawn_parts(store: CrystalStore) -> None:
    from madelung.training.splits import resolve_membership

    drawn = {"training_limit": 48, "target": ["formation_energy_peratom"]}
    labels = [
        resolve_membership(store, read_settings(changes={**drawn, **changes})).labels
        for changes in ({"seed": 1}, {"seed": 2, "split_seed": 1}, {"seed": 2})
    ]
    assert (labels[0] == labels[1]).all() and not (labels[0] == labels[2]).all()
