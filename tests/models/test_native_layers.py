"""Layers of a SumNet by the native core, against PyTorch's operations."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from judging import needs_core

import madelung as md
from madelung.common.native import native_core
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.inputs.build import build_input
from madelung.inputs.pair_graph import PairGraph
from madelung.inputs.settings import PairSettings
from madelung.models import native, sumnet
from madelung.models.native import passes_natively
from madelung.models.networks import build_network
from madelung.models.settings import SumNetSettings
from madelung.models.sumnet import SumNet, pass_natively

pytestmark = needs_core

SIZES = [
    (SumNetSettings(features=32, layers=2), PairSettings()),
    (SumNetSettings(features=20, layers=1, senders=7, tensors=5), PairSettings(degree=1)),
    (SumNetSettings(features=33, layers=2, senders=3), PairSettings(degree=3, angular=2)),
    (SumNetSettings(features=16, layers=1), PairSettings(degree=0, reduced=0, potentials=())),
]


def trained_network(size: SumNetSettings, inputs: PairSettings) -> SumNet:
    """A network whose weights, and running statistics, are none that a layer begins with."""
    torch.manual_seed(0)
    network = build_network(size, inputs, 2)
    assert isinstance(network, SumNet)
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            if value.dtype is torch.float32 and value.ndim == 1:
                value.add_(0.3 * torch.rand_like(value))
    return network.eval()


def by_pytorch(network: SumNet, graph: PairGraph) -> torch.Tensor:
    atoms = network.element(network.element_features[graph.numbers]) + network.own(graph.numbers)
    for layer in network.layers:
        atoms = layer(atoms, graph)
    return atoms


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("size", "inputs"), SIZES)
def test_the_features_are_those_of_pytorch(
    instruction_set: str, size: SumNetSettings, inputs: PairSettings, half: bool
) -> None:
    """Also of weights that half precision holds, which the core reads from a copy."""
    network = trained_network(size, inputs)
    if half:
        network.half().float()
    crystals = [md.example(name) for name in EXAMPLE_NAMES]
    lonely = md.Crystal(cell=20.0 * np.eye(3), positions=np.zeros((1, 3)), numbers=[18])
    for group in (crystals, [lonely], *([crystal] for crystal in crystals)):
        graph = build_input(group, inputs)
        with torch.no_grad():
            expected = by_pytorch(network, graph)
            assert passes_natively(network, expected)
            found = network.atoms(graph)
        scale = float(expected.abs().max())
        assert float((found - expected).abs().max()) < 3e-6 * scale, instruction_set


@pytest.mark.slow
def test_large_values_do_not_overflow() -> None:
    """Sigmoids of what single precision cannot exponentiate are zero and one."""
    size, inputs = SIZES[0]
    network = trained_network(size, inputs)
    with torch.no_grad():
        for layer in network.layers:
            layer.gate.weight.mul_(1e4)
            layer.hidden.weight.mul_(1e3)
        graph = build_input(md.example("TiO2"), inputs)
        expected, found = by_pytorch(network, graph), network.atoms(graph)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("half", [False, True])
def test_weights_that_change_are_seen(half: bool) -> None:
    """In place, as an optimiser changes them, by loading others, and where they move."""
    size, inputs = SIZES[0]
    network, other = trained_network(size, inputs), trained_network(size, inputs)
    if half:
        network, other = network.half().float(), other.half().float()
    graph = build_input(md.example("SiO2"), inputs)

    def check() -> torch.Tensor:
        with torch.no_grad():
            found = network.atoms(graph)
            torch.testing.assert_close(found, by_pytorch(network, graph), rtol=1e-4, atol=1e-5)
        return found

    first = check()
    with torch.no_grad():
        network.layers[0].update.weight.mul_(2.0)
        network.layers[1].invariant_norm.running_mean.add_(1.0)
    assert not torch.allclose(check(), first)
    network.load_state_dict(other.state_dict())
    assert torch.equal(check(), first)
    network.layers[1].gate.weight.data = 2.0 * network.layers[1].gate.weight.data
    assert not torch.allclose(check(), first)
    copied = deepcopy(network)
    with torch.no_grad():
        assert torch.equal(copied.atoms(graph), network.atoms(graph))


def test_only_predictions_of_small_crystals_are_left_to_the_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size, inputs = SIZES[0]
    network = trained_network(size, inputs)
    few, many = torch.zeros(8, 32), torch.zeros(10_000, 32)
    assert not passes_natively(network, few)  # gradients may be wanted
    with torch.inference_mode():
        assert passes_natively(network, few) and not passes_natively(network, many)
        assert not passes_natively(network, few.double())
        with torch.autocast("cpu", torch.bfloat16):
            assert not passes_natively(network, few)
        assert not passes_natively(network.train(), few)
        network.eval()
        # Nobody would know of it if these weights were changed.
        assert not passes_natively(trained_network(size, inputs), few)
        monkeypatch.setattr(native, "native_core", lambda: None)
        assert not passes_natively(network, few)


def test_gradients_are_those_of_pytorch_still() -> None:
    size, inputs = SIZES[0]
    network = trained_network(size, inputs)
    network.atoms(build_input(md.example("TiO2"), inputs)).sum().backward()
    assert network.layers[0].gate.weight.grad is not None


def test_graphs_that_do_not_fit_are_refused() -> None:
    """Nothing outside of the arrays is read."""
    network = trained_network(*SIZES[0])
    graph = build_input(md.example("TiO2"), SIZES[1][1])
    atoms = torch.zeros(len(graph.numbers), 32)
    with pytest.raises(ValueError, match="do not fit together"):
        pass_natively(network.layers, atoms, graph)
    good = build_input(md.example("TiO2"), SIZES[0][1])
    with pytest.raises(ValueError, match="do not fit together"):
        pass_natively(network.layers, torch.zeros(len(good.numbers) - 1, 32), good)
    with pytest.raises(ValueError, match="do not fit together"):
        pass_natively(network.layers, torch.zeros(len(good.numbers), 31), good)
    slots = sumnet._slots(network.layers[0])
    arrays = [tensors[name].detach().numpy() for tensors, name in slots]
    for position in range(len(arrays)):
        wrong = list(arrays)
        wrong[position] = np.ascontiguousarray(arrays[position][:-1])
        with pytest.raises(ValueError, match="do not fit together"):
            native_core().SumLayer(wrong, 32, 1e-5, 1e-5)
    with pytest.raises(ValueError, match="do not fit together"):
        native_core().SumLayer(arrays[:-1], 32, 1e-5, 1e-5)
