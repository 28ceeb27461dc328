"""Auxiliary objectives beside the targets, in training; and the elements of masked atoms."""

import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import StartedCommand, run_command, run_together

from madelung.common.errors import TrainingError
from madelung.data.store import CrystalStore
from madelung.inputs.pair_functions import function_sections, near_sections, pair_functions
from madelung.inputs.pair_graph import PairGraph, join_pairs
from madelung.inputs.settings import PairSettings
from madelung.models.model import WEIGHTS_FILE
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet
from madelung.training.element_masking import ElementMasking
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

pytestmark = pytest.mark.slow  # it trains networks
GRAPH = PairSettings(cutoff=5.0)
NETWORK = SumNetSettings(features=16, layers=2)
SHORT = {
    "target": ["formation_energy_peratom"],
    "epochs": 2,
    "training_limit": 64,
    "batch_size": 16,
    "threads": 1,
    "max_atoms": 12,
    "denoising": 0.1,
    "masking": 0.1,
    "network": {"features": 16, "layers": 1},
}


@pytest.fixture(scope="module")
def unstopped(store: CrystalStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unstopped") / "run"
    Trainer(settings(), folder).fit(store)
    return folder


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


def command(store: CrystalStore, out: Path) -> list[str]:
    """The command line that trains what the settings above say."""
    words = ["train", str(store.folder), "--out", str(out), "--quiet"]
    for name, value in {**SHORT, **SHORT["network"], "target": SHORT["target"][0]}.items():
        if name != "network":
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def weights(folder: Path) -> bytes:
    return (folder / "model" / WEIGHTS_FILE).read_bytes()


def graph_of(store: CrystalStore, indices: np.ndarray) -> PairGraph:
    made = [pair_functions(store[int(index)].crystal, GRAPH) for index in indices]
    return join_pairs(made, near_sections(GRAPH), multiple=64)


def network_and_objective() -> tuple[SumNet, ElementMasking]:
    torch.manual_seed(0)
    network = SumNet(NETWORK, 1, function_sections(GRAPH))
    return network, ElementMasking(NETWORK, GRAPH)


def test_a_run_that_was_killed_ends_with_the_same_weights(
    store: CrystalStore, unstopped: Path, tmp_path: Path
) -> None:
    words = [*command(store, tmp_path / "run"), "--checkpoint-minutes", "0"]
    process = StartedCommand(*words, errors=tmp_path / "errors")
    while not (tmp_path / "run/checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run_command(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "run") == weights(unstopped)


@pytest.mark.parametrize("name", ["denoising", "masking"])
def test_each_exercise_changes_what_is_learnt(
    store: CrystalStore, unstopped: Path, tmp_path: Path, name: str
) -> None:
    Trainer(settings(**{name: 0.0}), tmp_path / "without").fit(store)
    assert weights(tmp_path / "without") != weights(unstopped)


def test_two_processes_exercise_together(store: CrystalStore, tmp_path: Path) -> None:
    run_together(2, *command(store, tmp_path / "run"), folder=tmp_path)
    assert (tmp_path / "run/model/card.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": {"degree": 0}}, "denoising needs directions"),
        ({"network": {"architecture": "potnet", "features": 16}}, "only a SumNet"),
    ],
)
def test_networks_that_cannot_do_them_are_refused(
    store: CrystalStore, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        Trainer(settings(**changes), tmp_path / "run").fit(store)


def test_hidden_atoms_do_not_tell_their_elements(store: CrystalStore) -> None:
    """Guesses do not change when what is hidden is another element of another radius."""
    network, masking = network_and_objective()
    network.eval()
    crystal = store[int(np.flatnonzero(store.sizes == 8)[0])].crystal
    settings = GRAPH.model_copy(update={"symmetry_tolerance": 0.0})
    numbers = np.asarray(crystal.numbers)
    for seed in range(40):
        torch.manual_seed(seed)
        hidden = (torch.rand(len(numbers)) < 0.15).numpy()
        if 0 < hidden.sum() < len(numbers):
            break
    predictions = []
    masking.guess.register_forward_hook(lambda module, inputs, output: predictions.append(output))
    for heavy in (False, True):
        changed = np.where(hidden, 82, numbers) if heavy else numbers
        made = pair_functions(replace(crystal, numbers=changed), settings)
        torch.manual_seed(seed)
        error, count = masking(network, join_pairs([made], near_sections(settings)))
        assert count == hidden.sum() and torch.isfinite(error)
    torch.testing.assert_close(predictions[0], predictions[1], rtol=1e-5, atol=1e-6)


def test_elements_can_be_predicted(store: CrystalStore) -> None:
    """On crystals that were not learnt from, better than by how frequent elements are."""
    network, masking = network_and_objective()
    network.train()
    indices = np.flatnonzero(store.sizes <= 10)
    learnt, kept = indices[:-100], indices[-100:]
    graphs = [graph_of(store, part) for part in np.array_split(learnt, len(learnt) // 40)]
    optimiser = torch.optim.AdamW([*network.parameters(), *masking.parameters()], lr=5e-3)
    for _ in range(25):
        for graph in graphs:
            optimiser.zero_grad()
            error, count = masking(network, graph)
            (error / count).backward()
            optimiser.step()
    test = graph_of(store, kept)
    with torch.no_grad():
        error, count = masking(network, test)
    seen = torch.cat([graph.numbers[graph.weights > 0] for graph in graphs])
    shares = torch.bincount(seen, minlength=119).float() + 1.0
    likelihood = -torch.log(shares / shares.sum())[test.numbers[test.weights > 0]].mean()
    assert error / count < 0.8 * likelihood


def test_running_statistics_are_those_of_whole_crystals(store: CrystalStore) -> None:
    network, masking = network_and_objective()
    network.train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    graph = graph_of(store, np.arange(8))
    kept = graph.near.functions.clone()
    masking(network, graph)[0].backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert torch.equal(graph.near.functions, kept)
    assert masking.guess.weight.grad is not None
