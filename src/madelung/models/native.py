"""What the native core makes of parts of networks, kept while their weights stay as they are.

For one crystal PyTorch spends more time between operations than in them. The core passes through a
layer in one go, with the weights where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from madelung.common.native import native_core

__all__ = ["Slot", "kept_by_core", "linear_slots", "passes_natively"]


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
