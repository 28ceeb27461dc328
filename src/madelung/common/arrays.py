"""Arrays that may be NumPy arrays or PyTorch tensors.

PyTorch is never imported here: a tensor can only exist once whoever made it has imported PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["as_floats", "as_tensors", "is_tensor", "join", "to_numpy"]


def is_tensor(value: Any) -> TypeGuard[Tensor]:
    """Tell whether a value is a PyTorch tensor, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor)


def to_numpy(value: Any) -> Any:
    """Return the values of a tensor as a NumPy array, and anything else as it is."""
    return value.detach().cpu().numpy() if is_tensor(value) else value


def as_tensors(values: Sequence[Any]) -> list[Any]:
    """Turn arrays into tensors on the device of the first tensor among them; graphs are kept."""
    torch = sys.modules["torch"]
    device = next(value.device for value in values if is_tensor(value))
    return [torch.as_tensor(value, device=device) for value in values]


def join(values: Sequence[Any]) -> Any:
    """Concatenate arrays along their first axis; the result is a tensor if any of them is one."""
    if any(is_tensor(value) for value in values):
        return sys.modules["torch"].cat(as_tensors(values))
    return np.concatenate(values)


def as_floats(values: Any) -> NDArray[np.float64]:
    """Return an array, or a tensor without its graph, as a float64 array on the CPU."""
    return np.asarray(to_numpy(values), dtype=np.float64)
