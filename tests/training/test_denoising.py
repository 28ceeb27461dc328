"""Guessing displacements beside the targets: what is asked, what is learnt, what stays as it is."""

import numpy as np
import pytest
import torch

from madelung.common.arrays import to_numpy
from madelung.crystals.crystal import Crystal
from madelung.data.store import CrystalStore
from madelung.inputs.pair_functions import function_sections
from madelung.inputs.settings import PairSettings
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet
from madelung.training.denoising import (
    Denoising,
    Displaced,
    Displacer,
    displaced_crystals,
)

GRAPH = PairSettings(cutoff=5.0)
NETWORK = SumNetSettings(features=16, layers=2)


def network_and_objective() -> tuple[SumNet, Denoising]:
    torch.manual_seed(0)
    network = SumNet(NETWORK, 1, function_sections(GRAPH))
    return network, Denoising(NETWORK, GRAPH)


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


def test_a_prediction_turns_with_the_crystal(store: CrystalStore) -> None:
    """The error of turned displacements in a turned crystal is the same; of others it is not."""
    network, denoising = network_and_objective()
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
    error = denoising(network, Displaced(still[0].graph, moves))[0].item()
    assert denoising(network, Displaced(still[1].graph, there))[0].item() == pytest.approx(
        error, rel=1e-4
    )
    assert denoising(network, Displaced(still[1].graph, moves))[0].item() != pytest.approx(
        error, rel=1e-3
    )


class _Nowhere:
    """Displacements of nothing."""

    def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
        return np.zeros(shape)


@pytest.mark.slow
def test_displacements_can_be_predicted(store: CrystalStore) -> None:
    """A quarter of what is unknown is learnt in a minute, on crystals that were not learnt from."""
    network, denoising = network_and_objective()
    displacer, every = Displacer(store, GRAPH, 0), small(store, 1000)
    learnt, kept = every[:-64], every[-64:]
    optimiser = torch.optim.AdamW([*network.parameters(), *denoising.parameters()], lr=5e-3)
    network.train()
    generator = np.random.default_rng(0)
    for _ in range(150):
        displaced = displacer(generator.choice(learnt, 48, replace=False))
        assert displaced is not None
        optimiser.zero_grad()
        error, atoms = denoising(network, displaced)
        assert atoms == len(displaced.moves)
        (error / atoms).backward()
        optimiser.step()
    crystals = [store[int(index)].crystal for index in kept]
    test = displaced_crystals(crystals, GRAPH, np.random.default_rng(1))
    with torch.no_grad():
        error, atoms = denoising(network, test)
    assert error / atoms < 0.75 * test.moves.square().mean()


def test_running_statistics_are_those_of_real_crystals(store: CrystalStore) -> None:
    network, denoising = network_and_objective()
    network.train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    displaced = Displacer(store, GRAPH, 0)(small(store, 32))
    denoising(network, displaced)[0].backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert all(weight.grad is not None for weight in denoising.parameters())
    assert network.layers[0].sender.weight.grad.abs().max() > 0
