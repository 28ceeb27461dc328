"""PotNet: the network of the paper, its blocks, its symmetries."""

import math

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import madelung as md
from madelung.inputs.near_graph import CrystalGraph, build_graph
from madelung.inputs.settings import GraphSettings
from madelung.models.edges import EdgeBlock, EdgeInput, EdgeSet
from madelung.models.element_features import element_features
from madelung.models.potnet import PotNet
from madelung.models.settings import PotNetSettings

GRAPH = GraphSettings(primitive=False, tolerance=1e-9)
WHOLE = GraphSettings(primitive=False, tolerance=1e-9, merge_tolerance=0.0)
SMALL = PotNetSettings(features=16, layers=2, gaussians=32, multiquadrics=16)


def network(*, trained: bool = True, attention: bool = False, sums: int = 3) -> PotNet:
    """A network with random weights and, if trained, with random running statistics."""
    torch.manual_seed(1)
    result = PotNet(SMALL.model_copy(update={"attention": attention}), 2, sums)
    if trained:
        for name, buffer in result.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
        result.eval()
    return result


def normalised(norm: torch.nn.BatchNorm1d, rows: torch.Tensor) -> torch.Tensor:
    """PyTorch's batch normalisation with the weights of another one."""
    if norm.training:
        return torch.nn.functional.batch_norm(rows, None, None, norm.weight, norm.bias, True)
    mean, variance = norm.running_mean, norm.running_var
    return torch.nn.functional.batch_norm(rows, mean, variance, norm.weight, norm.bias)


def plain_layer(layer: torch.nn.Module, atoms: torch.Tensor, edges: EdgeBlock) -> torch.Tensor:
    """A layer as the paper writes it: two networks over the concatenation of x_i, x_j and e."""
    receivers, senders = edges.receivers, edges.senders
    joined = torch.cat([atoms[receivers], atoms[senders], edges.features[edges.kinds]], dim=1)
    first = torch.cat([layer.receiver.weight, layer.sender.weight, layer.edge.weight], dim=1)
    hidden = torch.nn.functional.silu(joined @ first.T + layer.receiver.bias)
    width = atoms.shape[1]
    gate = torch.sigmoid(normalised(layer.gate_norm, layer.gate(hidden[:, :width])))
    messages = gate * layer.message(hidden[:, width:])
    total = torch.stack([messages[receivers == atom].sum(0) for atom in range(len(atoms))])
    return torch.relu(atoms + normalised(layer.norm, total))


@pytest.mark.parametrize("trained", [True, False])
def test_layers_are_those_of_the_paper(trained: bool) -> None:
    graph = build_graph([md.example("TiO2"), md.example("NaCl")], WHOLE)
    potnet = network(trained=trained)
    potnet.train(not trained)
    near_ones, pair_ones = torch.ones(len(graph.centre)), torch.ones(len(graph.first))
    near = EdgeInput(
        graph.centre, graph.neighbour, near_ones, near_ones,
        graph.near_kinds, graph.distance, potnet.near,
    )  # fmt: skip
    pairs = EdgeInput(
        graph.first, graph.second, pair_ones, pair_ones,
        graph.pair_kinds, graph.sums, potnet.complete,
    )  # fmt: skip
    edges = EdgeSet([near, pairs], learning=True)
    atoms = torch.randn(len(graph.numbers), SMALL.features)
    for layer in potnet.layers:
        # Batch statistics are used in learning, so that both see the same ones.
        found = layer(atoms, graph.weights, edges, None)
        torch.testing.assert_close(
            found, plain_layer(layer, atoms, next(iter(edges))), atol=2e-5, rtol=2e-5
        )


def test_edge_embeddings() -> None:
    potnet = network()
    distance = torch.tensor([1.5, 2.9])
    expected = torch.stack(
        [torch.exp(-31 / 8 * (-0.75 / r - potnet.near.centres) ** 2) for r in distance]
    )
    torch.testing.assert_close(
        potnet.near(distance, torch.ones(2)), torch.nn.functional.silu(potnet.near.linear(expected))
    )
    sums = torch.tensor([[0.5, 0.2, -0.3]])
    mixed = -0.801 * 0.5 - 0.074 * 0.2 + 0.145 * -0.3
    basis = torch.tensor([math.hypot(1.0, 15 / 8 * (mixed - c)) for c in np.linspace(-4, 4, 16)])
    raw = torch.nn.functional.softplus(potnet.complete.linear(basis.float()))
    torch.testing.assert_close(
        potnet.complete(sums, torch.ones(1))[0], normalised(potnet.complete.norm, raw[None])[0]
    )


def test_the_published_size() -> None:
    """About 1.75 million parameters with the paper's sizes."""
    count = sum(weight.numel() for weight in PotNet(PotNetSettings(), 1).parameters())
    assert count == pytest.approx(1.75e6, rel=0.02)


@pytest.mark.parametrize("attention", [False, True])
def test_edges_in_blocks_give_the_same(attention: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build_graph([md.example("SiO2"), md.example("CaF2")], GRAPH)
    potnet = network(attention=attention)
    whole = potnet(graph)
    monkeypatch.setattr(
        "madelung.models.potnet.EdgeSet", lambda kinds, learning: EdgeSet(kinds, learning, 37)
    )
    for one, other in zip(whole, potnet(graph), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_network_that_learns_gets_all_edges_at_once() -> None:
    numbers, ones = torch.arange(9), torch.ones(9)
    lengths = torch.full((9,), 2.0)
    kind = EdgeInput(numbers, numbers, ones, ones, numbers, lengths, network().near)
    assert [len(block.receivers) for block in EdgeSet([kind], True, 4)] == [9]
    assert [len(block.receivers) for block in EdgeSet([kind], False, 4)] == [4, 4, 1]


@pytest.mark.slow
@examples(40)
@given(
    name=st.sampled_from(["NaCl", "TiO2", "SiO2", "SrTiO3"]),
    seed=st.integers(0, 2**31),
    attention=st.booleans(),
)
def test_predictions_do_not_depend_on_the_description(
    name: str, seed: int, attention: bool
) -> None:
    """Rotated, shifted, permuted, wrapped otherwise, with another basis of the same lattice."""
    generator = np.random.default_rng(seed)
    crystal = md.example(name)
    rotation = Rotation.random(random_state=seed % 2**32).as_matrix()
    order = generator.permutation(len(crystal))
    change = np.eye(3)
    for _ in range(3):
        shear = np.eye(3)
        a, b = generator.permutation(3)[:2]
        shear[a, b] = generator.integers(-1, 2)
        change = shear @ change
    moved = crystal.positions + generator.normal(size=3)
    moved = moved + generator.integers(-2, 3, size=(len(crystal), 3)) @ crystal.cell
    other = md.Crystal(
        cell=change @ crystal.cell @ rotation,
        positions=(moved @ rotation)[order],
        numbers=crystal.numbers[order],
    )
    potnet = network(attention=attention)
    for one, two in zip(
        potnet(build_graph(crystal, GRAPH)), potnet(build_graph(other, GRAPH)), strict=True
    ):
        torch.testing.assert_close(one, two, atol=2e-4, rtol=2e-4)


def test_a_crystal_does_not_depend_on_its_batch() -> None:
    potnet = network()
    crystals = [md.example(name) for name in ("NaCl", "SiO2", "ZnS")]
    together = potnet(build_graph(crystals, GRAPH))
    for index, crystal in enumerate(crystals):
        for one, all_of_them in zip(potnet(build_graph(crystal, GRAPH)), together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[index], atol=1e-4, rtol=1e-4)


def test_potnet_depends_on_the_supercell() -> None:
    """A known fault of the network itself: the embedding of a sum is not linear in it."""
    crystal = md.example("CsCl")
    potnet = network()
    one, two = (potnet(build_graph(item, GRAPH))[0] for item in (crystal, crystal.repeat(2)))
    assert (one - two).abs().max() > 1e-3
    local = network(sums=0)
    without = GraphSettings(primitive=False, potentials=())
    one, two = (local(build_graph(item, without))[0] for item in (crystal, crystal.repeat(2)))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["NaCl", "TiO2", "SiO2", "CaF2"])
@pytest.mark.parametrize("counts", [(1, 1, 2), (2, 2, 1), (3, 1, 2)])
def test_reduced_to_primitive_cells_supercells_are_the_same(
    name: str, counts: tuple[int, int, int]
) -> None:
    crystal, settings_of_use = md.example(name), GraphSettings(tolerance=1e-9)
    graphs = [build_graph(item, settings_of_use) for item in (crystal, crystal.repeat(counts))]
    for one, two in zip(*map(network(), graphs), strict=True):
        torch.testing.assert_close(one, two, atol=2e-4, rtol=2e-4)


def test_scales_pass_no_gradient_to_the_embedding() -> None:
    potnet = network(trained=False)
    potnet(build_graph([md.example("NaCl"), md.example("ZnS")], GRAPH))[1].sum().backward()
    touched = {name for name, weight in potnet.named_parameters() if weight.grad is not None}
    assert touched == {"scale.weight", "scale.bias"}


def test_element_features_are_those_of_cgcnn() -> None:
    """Oxygen: group 16, period 2, p block; each property has at most one group."""
    features = element_features()
    assert features.shape == (119, 92) and features[101:].sum() == 0 and features[0].sum() == 0
    assert features[8].nonzero().flatten().tolist()[:2] == [16, 20]
    groups, periods = features[1:101, :19].sum(1), features[1:101, 19:26].sum(1)
    assert set(groups.tolist()) == {1.0} or groups.max() == 1.0
    assert periods.max() == 1.0
    # Only some neighbouring lanthanides cannot be told apart.
    assert len({tuple(row) for row in features[1:58].tolist()}) == 57


def test_graphs_move_between_devices() -> None:
    graph = build_graph(md.example("NaCl"), GRAPH).to("cpu")
    assert isinstance(graph, CrystalGraph) and len(graph) == 1


@pytest.mark.parametrize("sums", [1, 2, 4])
def test_a_wrong_number_of_sums_is_refused(sums: int) -> None:
    with pytest.raises(ValueError, match="Coulomb, London, Pauli"):
        PotNet(SMALL, 1, sums)
