"""PotNet with the networks of its edges written as formulas are, one concatenation for each edge.

It is the same function as :class:`madelung.models.potnet.PotNet`, and has the same weights under
other names: what differs is that tensors of the size of edges times three feature lengths are built
and multiplied. It is the measure of what applying linear maps to atoms before edges saves.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from madelung.inputs.near_graph import CrystalGraph
from madelung.models.edges import EdgeSet
from madelung.models.normalisation import WeightedBatchNorm
from madelung.models.potnet import PotNet, PotNetLayer

__all__ = ["PlainLayer", "differences", "plain_tensors", "plain_twin"]

# What a layer of ours splits into a receiver's, a sender's and an edge's part.
SPLIT = ("receiver.weight", "sender.weight", "edge.weight", "receiver.bias")
HIDDEN = ("gate", "message")
# What a batch norm subtracts again has no gradient but rounding: tensors whose gradients are
# smaller than this part of the largest one are compared with that instead.
SMALL = 1e-2


class PlainLayer(nn.Module):
    """One step of message passing, with two networks over (x_i, x_j, e_ij) for each edge."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = _edge_network(width)
        self.message = _edge_network(width)
        self.gate_norm = WeightedBatchNorm(width)
        self.norm = WeightedBatchNorm(width)

    def forward(
        self, atoms: Tensor, weights: Tensor, local: EdgeSet, complete: EdgeSet | None
    ) -> Tensor:
        """Return new (N, width) features of atoms; complete edges of their own are not served."""
        total = torch.zeros_like(atoms)
        for block in local:
            ends = [atoms.index_select(0, end) for end in (block.receivers, block.senders)]
            joined = torch.cat([*ends, block.features[block.kinds]], dim=1)
            gate = self.gate_norm(self.gate(joined), block.statistical_weights)
            messages = torch.sigmoid(gate) * self.message(joined)
            total = total.index_add(0, block.receivers, messages * block.weights[:, None])
        return functional.relu(atoms + self.norm(total, weights))


def plain_twin(network: PotNet) -> PotNet:
    """Return a PotNet with plain layers and the weights of one without attention.

    Raises
    ------
    ValueError
        If it has attention layers.
    """
    settings = network.settings
    if settings.attention:
        raise ValueError("the plain network has no attention layers; give a PotNet without them")
    sums = 0 if network.complete is None else len(network.complete.mixture)
    twin = PotNet(settings, network.value.out_features, sums)
    twin.layers = nn.ModuleList(PlainLayer(settings.features) for _ in network.layers)
    twin.train(network.training)
    twin.load_state_dict(plain_tensors(network, network.state_dict()))
    return twin


def plain_tensors(network: PotNet, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and join tensors of a PotNet as its plain twin has them.

    Parameters
    ----------
    network
        The PotNet.
    tensors
        Its weights, or gradients with respect to them, by the names of its parameters.
    """
    joined = dict(tensors)
    for index, layer in enumerate(network.layers):
        if isinstance(layer, PotNetLayer):
            own = {name: joined.pop(f"layers.{index}.{name}") for name in _own_names()}
            for name, value in _joined(own).items():
                joined[f"layers.{index}.{name}"] = value
    return joined


def differences(network: PotNet, twin: PotNet, graph: CrystalGraph) -> dict[str, float]:
    """Compare a PotNet that learns with its plain twin.

    Parameters
    ----------
    network, twin
        Both are left with gradients of the mean size of all outputs.
    graph
        Crystals.

    Returns
    -------
    dict
        Largest difference of outputs, relative to the largest one, and of gradients, relative to
        the largest one of each tensor.
    """
    results = []
    for each in (network, twin):
        each.train().zero_grad(set_to_none=True)
        values, scales, _ = each(graph)
        (values.abs().mean() + scales.abs().mean()).backward()
        gradients = {name: _gradient(weight) for name, weight in each.named_parameters()}
        results.append(({"values": values.detach(), "scales": scales.detach()}, gradients))
    (ours, our_gradients), (plain, plain_gradients) = results
    expected = plain_tensors(network, our_gradients)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    return {
        "outputs": _largest_difference(plain, ours, 0.0),
        "gradients": _largest_difference(plain_gradients, expected, SMALL * largest),
    }


def _edge_network(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3 * width, width), nn.SiLU(), nn.Linear(width, width))


def _own_names() -> list[str]:
    second = [f"{name}.{part}" for name in HIDDEN for part in ("weight", "bias")]
    return [*SPLIT, *second]


def _joined(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a plain layer from those of one of ours; its hidden rows are gate and message."""
    weight = torch.cat([own[f"{part}.weight"] for part in ("receiver", "sender", "edge")], dim=1)
    tensors = {}
    for name, first, bias in zip(
        HIDDEN, weight.chunk(2), own["receiver.bias"].chunk(2), strict=True
    ):
        tensors[f"{name}.0.weight"], tensors[f"{name}.0.bias"] = first, bias
        for part in ("weight", "bias"):
            tensors[f"{name}.2.{part}"] = own[f"{name}.{part}"]
    return tensors


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _largest_difference(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], floor: float
) -> float:
    return max(
        float((found[name] - value).abs().max()) / max(float(value.abs().max()), floor)
        for name, value in expected.items()
    )
