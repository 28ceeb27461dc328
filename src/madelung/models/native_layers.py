"""Parts of networks in prediction by the native core: first of all the layers of a SumNet.

For one crystal PyTorch spends more time between operations than in them. The core passes through a
layer in one go, with the weights where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from madelung.native_core import native_core
from madelung.pair_graph import PairGraph

if TYPE_CHECKING:
    from madelung.models.sumnet import SumLayer

__all__ = ["Slot", "kept_by_core", "linear_slots", "pass_natively", "passes_natively"]

# With more orbits PyTorch's products of matrices are as fast.
_MOST_ORBITS = 64
Slot = tuple[dict[str, Any], str]
"""A dictionary of a module's tensors, and the name of one; looking through modules takes longer."""
# For each module where its weights are found, where they were in memory and how often changed, and
# what the core made of them.
_Made = tuple[list[Slot], list[tuple[int, int]], Any]
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


def kept_by_core(
    module: nn.Module, slots: Callable[[], list[Slot]], make: Callable[[list[Any]], Any]
) -> Any:
    """Return what the core makes of a module, made again where weights have moved or were changed.

    Parameters
    ----------
    module
        A part of a network.
    slots
        Finds where its weights are.
    make
        Makes the core's object of arrays on the weights.
    """
    known = _made.get(module)
    found = slots() if known is None else known[0]
    weights = [tensors[name] for tensors, name in found]
    states = [(weight.data_ptr(), weight._version) for weight in weights]
    if known is None or known[1] != states:
        made = make([weight.detach().numpy() for weight in weights])
        known = _made[module] = (found, states, made)
    return known[2]


def linear_slots(*maps: nn.Linear) -> list[Slot]:
    """Where weights and biases are found."""
    return [(linear._parameters, name) for linear in maps for name in ("weight", "bias")]


def _native_layer(layer: SumLayer) -> Any:
    def make(arrays: list[Any]) -> Any:
        width, epsilons = layer.norm.weight.shape[0], (layer.norm.eps, layer.invariant_norm.eps)
        return native_core().SumLayer(arrays, width, *epsilons)

    return kept_by_core(layer, lambda: _slots(layer), make)


def _slots(layer: SumLayer) -> list[Slot]:
    """Where the weights are found, in the order of ``core/pairs_module.hpp``."""
    norm = layer.invariant_norm
    return [
        *((layer.norm._parameters, name) for name in ("weight", "bias")),
        *linear_slots(layer.sender),
        (layer.scalars._parameters, "weight"),
        *((mix._parameters, "weight") for mix in layer.tensors),
        *((norm._parameters, name) for name in ("weight", "bias")),
        *((norm._buffers, name) for name in ("running_mean", "running_var")),
        *linear_slots(layer.gate, layer.hidden, layer.update),
    ]
