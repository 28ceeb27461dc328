"""Guessing displacements beside the targets: what is asked, what is learnt, what stays as it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import madelung as md
from madelung.arrays import to_numpy
from madelung.crystal import Crystal
from madelung.data.store import CrystalStore
from madelung.errors import TrainingError
from madelung.graph_settings import PairSettings
from madelung.models.model import WEIGHTS_FILE
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet
from madelung.pair_functions import function_sections
from madelung.training.displacements import (
    Displaced,
    DisplacementGuess,
    Displacer,
    displaced_crystals,
)
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

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
    "network": {"features": 16, "layers": 1},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CrystalStore:
    return md.open_dataset("example:jarvis", folder=tmp_path_factory.mktemp("data") / "store")


def network_and_guess() -> tuple[SumNet, DisplacementGuess]:
    torch.manual_seed(0)
    network = SumNet(NETWORK, 1, function_sections(GRAPH))
    return network, DisplacementGuess(NETWORK, GRAPH)


def settings(**changes: object) -> TrainingSettings:
    return read_settings(changes={**SHORT, **changes})


def weights(folder: Path) -> bytes:
    return (folder / "model" / WEIGHTS_FILE).read_bytes()


def small(store: CrystalStore, count: int) -> np.ndarray:
    return np.flatnonzero(store.sizes <= 12)[:count]


def test_moves_are_normal_and_leave_the_crystal_in_place(store: CrystalStore) -> None:
    crystals = [store[int(index)].crystal for index in small(store, 100)]
    displaced = displaced_crystals(crystals, GRAPH, np.random.default_rng(0))
    sizes = [len(crystal) for crystal in crystals]
    assert len(displaced.moves) == sum(sizes)
    moves = np.split(displaced.moves.numpy().astype(float), np.cumsum(sizes)[:-1])
    assert max(np.abs(move.sum(axis=0)).max() for move in moves) < 1e-5
    # Taking off the mean takes a share of 1/n of the variance.
    expected = sum(3 * (size - 1) for size in sizes)
    assert np.square(displaced.moves.numpy()).sum() == pytest.approx(expected, rel=0.1)


def test_a_batch_gets_the_same_displacements_whenever_it_comes(store: CrystalStore) -> None:
    indices = small(store, 64)
    first, again = Displacer(store, GRAPH, 3)(indices), Displacer(store, GRAPH, 3)(indices)
    other, seed = Displacer(store, GRAPH, 3)(indices[::-1]), Displacer(store, GRAPH, 4)(indices)
    assert first is not None and again is not None and other is not None and seed is not None
    assert len(first.graph) == 8
    assert torch.equal(first.moves, again.moves)
    assert torch.equal(first.graph.near.functions, again.graph.near.functions)
    assert not torch.equal(first.moves[:4], seed.moves[:4])
    assert not torch.equal(first.moves[:4], other.moves[:4])
    large = np.flatnonzero(store.sizes > 12)
    assert Displacer(store, GRAPH, 3)(large) is None


def test_a_guess_turns_with_the_crystal(store: CrystalStore) -> None:
    """The error of turned displacements in a turned crystal is the same; of others it is not."""
    network, guess = network_and_guess()
    network.eval()
    crystal = store[int(np.flatnonzero(store.sizes == 8)[0])].crystal
    rotation, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))
    turned = Crystal(
        cell=to_numpy(crystal.cell) @ rotation,
        positions=to_numpy(crystal.positions) @ rotation,
        numbers=crystal.numbers,
    )
    still = [
        displaced_crystals([each], GRAPH, _Nowhere())  # type: ignore[arg-type]
        for each in (crystal, turned)
    ]
    moves = torch.randn(len(crystal), 3, generator=torch.Generator().manual_seed(1))
    there = moves @ torch.from_numpy(rotation).float()
    error = guess(network, Displaced(still[0].graph, moves)).item()
    assert guess(network, Displaced(still[1].graph, there)).item() == pytest.approx(error, rel=1e-4)
    assert guess(network, Displaced(still[1].graph, moves)).item() != pytest.approx(error, rel=1e-3)


class _Nowhere:
    """Displacements of nothing."""

    def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
        return np.zeros(shape)


def test_displacements_can_be_guessed(store: CrystalStore) -> None:
    """A quarter of what is unknown is learnt in a minute, on crystals that were not learnt from."""
    network, guess = network_and_guess()
    displacer, every = Displacer(store, GRAPH, 0), small(store, 1000)
    learnt, kept = every[:-64], every[-64:]
    optimiser = torch.optim.AdamW([*network.parameters(), *guess.parameters()], lr=3e-3)
    network.train()
    generator = np.random.default_rng(0)
    for _ in range(250):
        displaced = displacer(generator.choice(learnt, 64, replace=False))
        assert displaced is not None
        optimiser.zero_grad()
        (guess(network, displaced) / len(displaced.moves)).backward()
        optimiser.step()
    crystals = [store[int(index)].crystal for index in kept]
    test = displaced_crystals(crystals, GRAPH, np.random.default_rng(1))
    with torch.no_grad():
        error = guess(network, test) / len(test.moves)
    assert error < 0.75 * test.moves.square().mean()


def test_running_statistics_are_those_of_real_crystals(store: CrystalStore) -> None:
    network, guess = network_and_guess()
    network.train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    displaced = Displacer(store, GRAPH, 0)(small(store, 32))
    guess(network, displaced).backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert all(weight.grad is not None for weight in guess.parameters())
    assert network.layers[0].sender.weight.grad.abs().max() > 0


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    store: CrystalStore, tmp_path: Path
) -> None:
    Trainer(settings(), tmp_path / "whole").fit(store)
    words = ["train", str(store.folder), "--out", str(tmp_path / "run"), "--quiet"]
    for name, value in SHORT.items():
        if name not in ("network", "target"):
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--target", "formation_energy_peratom", "--features", "16", "--layers", "1"]
    words += ["--checkpoint-minutes", "0"]
    launched = [sys.executable, "-m", "madelung.cli", *words]
    process = subprocess.Popen(launched, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    done = subprocess.run([*launched, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    Trainer(settings(denoising=0.0), tmp_path / "without").fit(store)
    assert weights(tmp_path / "without") != weights(tmp_path / "whole")


def test_two_processes_learn_together(store: CrystalStore, tmp_path: Path) -> None:
    words = ["-m", "madelung.cli", "train", str(store.folder), "--out", str(tmp_path / "run")]
    words += ["--quiet", "--target", "formation_energy_peratom", "--denoising", "0.1"]
    words += ["--epochs", "1", "--training-limit", "64", "--batch-size", "16", "--features", "16"]
    launched = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        *words, "--layers", "1", "--threads", "1",
    ]  # fmt: skip
    done = subprocess.run(launched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "changes", [{"graph": {"degree": 0}}, {"network": {"architecture": "potnet", "features": 16}}]
)
def test_networks_without_directions_are_refused(
    store: CrystalStore, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(TrainingError, match="denoising needs directions"):
        Trainer(settings(**changes), tmp_path / "run").fit(store)
