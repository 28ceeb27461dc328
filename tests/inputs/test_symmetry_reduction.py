"""Equivalent atoms are merged, and only those: against spglib, and against the whole graph."""

import numpy as np
import pytest
import spglib
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.inputs.near_graph import build_graph
from madelung.inputs.settings import GraphSettings
from madelung.inputs.symmetry_reduction import EdgeArrays, reduce_by_symmetry
from madelung.models.normalisation import WeightedBatchNorm
from madelung.models.potnet import PotNet
from madelung.models.settings import PotNetSettings

WHOLE = GraphSettings(primitive=False, merge_tolerance=0.0, tolerance=1e-9)
MERGED = GraphSettings(primitive=False, tolerance=1e-9)


def orbits(crystal: md.Crystal) -> np.ndarray:
    """The orbit of each atom under the symmetry of crystal and cell that spglib finds."""
    cell = (crystal.cell, crystal.scaled_positions, crystal.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=1e-4)
    return np.asarray(found.equivalent_atoms)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (1, 2, 3)])
def test_atoms_of_an_orbit_are_merged(name: str, counts: tuple[int, int, int]) -> None:
    crystal = md.example(name).repeat(counts)
    graph = build_graph(crystal, MERGED)
    sizes = np.bincount(np.unique(orbits(crystal), return_inverse=True)[1])
    assert sorted(graph.weights.tolist()) == sorted(sizes.tolist())
    assert float(graph.weights.sum()) == len(crystal) == int(graph.counts[0])


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_edges_keep_their_number(name: str) -> None:
    crystal = md.example(name)
    merged, whole = build_graph(crystal, MERGED), build_graph(crystal, WHOLE)
    near = (merged.near_weights * merged.weights[merged.centre]).sum()
    pairs = (merged.pair_weights * merged.weights[merged.first]).sum()
    assert float(near) == len(whole.centre) and float(pairs) == len(whole.first)
    assert len(merged.centre) < len(whole.centre) / 3


@examples(50)
@given(seed=st.integers(0, 2**31), atoms=st.integers(1, 8))
def test_atoms_without_symmetry_are_left_alone(seed: int, atoms: int) -> None:
    generator = np.random.default_rng(seed)
    cell = (np.eye(3) + 0.2 * generator.normal(size=(3, 3))) * (12.0 * atoms) ** (1 / 3)
    crystal = md.Crystal(
        cell=cell, positions=generator.random((atoms, 3)) @ cell, numbers=[6] * atoms
    )
    graph = build_graph(crystal, MERGED)
    # Two atoms of one element are always images of each other by an inversion between them.
    assert graph.weights.tolist() == ([2.0] if atoms == 2 else [1.0] * atoms)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("learning", [False, True])
def test_a_network_sees_no_difference(attention: bool, learning: bool) -> None:
    """Values, running statistics and gradients are those of the whole graph."""
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    size = PotNetSettings(features=16, layers=3, gaussians=32, attention=attention)
    outcomes = []
    for graph_settings in (WHOLE, MERGED):
        torch.manual_seed(0)
        network = PotNet(size, 2)
        network.train(learning)
        values, _, embedding = network(build_graph(crystals, graph_settings))
        (values.square().sum() + embedding.sin().sum()).backward()
        gradients = {
            f"gradient of {name}": weight.grad
            for name, weight in network.named_parameters()
            if weight.grad is not None
        }
        outcomes.append({"values": values, **dict(network.named_buffers()), **gradients})
    for name, expected in outcomes[0].items():
        # Rounding of float32: some gradients are differences of much larger numbers.
        scale = max(float(expected.detach().abs().max()), 1.0)
        difference = (expected - outcomes[1][name]).detach().abs().max()
        assert float(difference) <= 1e-3 * scale, name


@examples(50)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 12), width=st.integers(1, 5))
def test_weighted_normalisation_is_that_of_repeated_rows(seed: int, rows: int, width: int) -> None:
    torch.manual_seed(seed % 2**31)
    counts = torch.randint(1, 5, (rows,))
    counts[0] += 1  # a single row has no variance
    values = torch.randn(rows, width, dtype=torch.float64).float()
    outcomes = []
    for repeated in (False, True):
        own = values.clone().requires_grad_()
        normal = torch.nn.BatchNorm1d(width) if repeated else WeightedBatchNorm(width)
        with torch.no_grad():
            normal.weight.copy_(torch.linspace(0.5, 2.0, width))
            normal.bias.copy_(torch.linspace(-1.0, 1.0, width))
        if repeated:
            result = normal(own.repeat_interleave(counts, 0))
            (result.sin()).sum().backward()
            result = result[torch.cumsum(counts, 0) - 1]
        else:
            result = normal(own, counts.float())
            (result.sin() * counts[:, None]).sum().backward()
        outcomes.append(
            [result, own.grad, normal.weight.grad, normal.bias.grad, normal.running_mean,
             normal.running_var]
        )  # fmt: skip
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


def test_values_are_merged_within_twice_the_tolerance_only() -> None:
    """A chain of small steps is cut, so that its ends are never taken for equal."""
    values = np.arange(0.0, 1.0, 0.01)[:, None]
    count = len(values)
    ring = EdgeArrays(
        receivers=np.zeros(count, dtype=np.int64),
        senders=np.zeros(count, dtype=np.int64),
        kinds=np.arange(count),
        values=values,
        weights=np.ones(count, dtype=np.int64),
    )
    _, _, (merged,) = reduce_by_symmetry(np.array([1]), np.array([0]), [ring], 0.02)
    assert merged.weights.sum() == count
    assert 20 <= len(merged.weights) <= 30 and merged.weights.max() <= 5


def test_crystals_of_a_batch_are_not_merged_with_each_other() -> None:
    graph = build_graph([md.example("NaCl"), md.example("NaCl")], MERGED)
    assert graph.weights.tolist() == [4.0] * 4 and graph.owner.tolist() == [0, 0, 1, 1]
