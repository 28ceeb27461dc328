"""Layers of a SumNet in prediction, by the native core.

For one crystal PyTorch spends more time between operations than in them. The core passes through a
layer in one go, with the weights where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from madelung.native_core import native_core
from madelung.pair_graph import PairGraph

if TYPE_CHECKING:
    from madelung.models.sumnet import SumLayer

__all__ = ["pass_natively", "passes_natively"]

# With more orbits PyTorch's products of matrices are as fast.
_MOST_ORBITS = 64
# A dictionary of a module's tensors, and the name of one: a look-up through modules takes longer.
_Slot = tuple[dict[str, Any], str]
# For each layer where its weights are found, where they were in memory and how often changed, and
# the core's layer.
_Made = tuple[list[_Slot], list[tuple[int, int]], Any]
_made: WeakKeyDictionary[nn.Module, _Made] = WeakKeyDictionary()


def passes_natively(network: nn.Module, atoms: Tensor) -> bool:
    """Tell whether layers can be left to the core: small crystals on a CPU, nothing to learn."""
    return (
        not network.training
        and not torch.is_grad_enabled()
        and atoms.dtype is torch.float32
        # PyTorch does not count changes of tensors that were made for inference alone.
        and not next(network.parameters()).is_inference()
        and atoms.device.type == "cpu"
        and len(atoms) <= _MOST_ORBITS
        and not torch.is_autocast_enabled("cpu")
        and native_core() is not None
    )


def pass_natively(layers: Iterable[SumLayer], atoms: Tensor, graph: PairGraph) -> Tensor:
    """Pass features through layers, as ``layer(atoms, graph)`` does for each in turn.

    Parameters
    ----------
    layers
        The layers, in evaluation mode.
    atoms
        (N, features) features of atoms.
    graph
        Pairs of the atoms.

    Returns
    -------
    (N, features) Tensor
    """
    passed = atoms.contiguous().clone()
    array = passed.numpy()
    for layer in layers:
        _native_layer(layer).run(array, *graph.near.arrays, *graph.complete.arrays)
    return passed


def _native_layer(layer: SumLayer) -> Any:
    """The core's layer, made again where weights have moved or were changed."""
    known = _made.get(layer)
    slots = _slots(layer) if known is None else known[0]
    weights = [tensors[name] for tensors, name in slots]
    states = [(weight.data_ptr(), weight._version) for weight in weights]
    if known is None or known[1] != states:
        arrays = [weight.detach().numpy() for weight in weights]
        native = native_core().SumLayer(
            arrays, layer.norm.weight.shape[0], layer.norm.eps, layer.invariant_norm.eps
        )
        known = _made[layer] = (slots, states, native)
    return known[2]


def _slots(layer: SumLayer) -> list[_Slot]:
    """Where the weights are found, in the order of ``core/pairs_module.hpp``."""
    norm = layer.invariant_norm
    linear = ("weight", "bias")
    return [
        *((layer.norm._parameters, name) for name in linear),
        *((layer.sender._parameters, name) for name in linear),
        (layer.scalars._parameters, "weight"),
        *((mix._parameters, "weight") for mix in layer.tensors),
        *((norm._parameters, name) for name in linear),
        *((norm._buffers, name) for name in ("running_mean", "running_var")),
        *((layer.gate._parameters, name) for name in linear),
        *((layer.hidden._parameters, name) for name in linear),
        *((layer.update._parameters, name) for name in linear),
    ]
