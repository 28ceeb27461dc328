"""Sums over senders of pair functions times features, by the native core or by PyTorch.

For each degree l with D_l functions, sums[i, d, r] = Σ_p functions[p, d] features[sender(p), r],
where p are the pairs that orbit i receives: equation 2 of docs/theory/sumnet.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from madelung.common.native import native_core
from madelung.inputs.pair_graph import PairList

__all__ = ["pair_sums"]

# Products that PyTorch holds in memory at a time.
_PRODUCTS = 4_000_000


def pair_sums(features: Tensor, pairs: PairList) -> tuple[Tensor, ...]:
    """Sum functions times features of the senders.

    Parameters
    ----------
    features
        (N, R) features that orbits send, float32.
    pairs
        Who sends to whom. Its functions are data and get no gradient.

    Returns
    -------
    tuple of Tensor
        (N, D_l, R) for each degree l; in the precision of PyTorch's autocast where that is on.
    """
    sums: tuple[Tensor, ...] = _PairSums.apply(features, pairs)
    return sums


class _PairSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, pairs: PairList) -> tuple[Tensor, ...]:
        ctx.pairs, ctx.shape = pairs, features.shape
        device = features.device.type
        low = torch.is_autocast_enabled(device)
        precision = torch.get_autocast_dtype(device) if low else torch.float32
        if _runs_natively(features, precision):
            return _native_sums(features, pairs, precision)
        return tuple(total.to(precision) for total in _torch_sums(features, pairs))

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None]:
        pairs = ctx.pairs
        gradient = cotangents[0].new_zeros(ctx.shape, dtype=torch.float32)
        if _runs_natively(cotangents[0], cotangents[0].dtype):
            _add_natively(gradient, pairs, cotangents)
        else:
            _add_with_torch(gradient, pairs, cotangents)
        return gradient, None


def _runs_natively(tensor: Tensor, precision: torch.dtype) -> bool:
    known = precision in (torch.float32, torch.bfloat16)
    return known and tensor.device.type == "cpu" and native_core() is not None


def _array(tensor: Tensor) -> Any:
    """An array on the memory of a tensor; bfloat16 as its bits."""
    tensor = tensor.detach()
    return tensor.view(torch.uint16).numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()


def _native_sums(features: Tensor, pairs: PairList, precision: torch.dtype) -> tuple[Tensor, ...]:
    functions, starts, senders = pairs.arrays
    sent = _array(features.contiguous())
    sums, begin = [], 0
    for count in pairs.sections:
        total = features.new_empty(len(features), count, features.shape[1], dtype=precision)
        native_core().pair_sums(functions, begin, starts, senders, sent, _array(total))
        sums.append(total)
        begin += count
    return tuple(sums)


def _add_natively(gradient: Tensor, pairs: PairList, cotangents: tuple[Tensor, ...]) -> None:
    functions, starts, senders = pairs.arrays
    begin = 0
    for cotangent in cotangents:
        values = _array(cotangent.contiguous())
        native_core().pair_gradients(functions, begin, starts, senders, values, _array(gradient))
        begin += cotangent.shape[1]


def _torch_sums(features: Tensor, pairs: PairList) -> tuple[Tensor, ...]:
    width = sum(pairs.sections)
    total = features.new_zeros(len(features), width, features.shape[1], dtype=torch.float32)
    for part, receivers in _portions(pairs, features.shape[1]):
        sent = features.float().index_select(0, pairs.senders[part])
        products = pairs.functions[part][:, :, None] * sent[:, None, :]
        total.index_add_(0, receivers, products)
    return tuple(section.contiguous() for section in total.split(pairs.sections, dim=1))


def _add_with_torch(gradient: Tensor, pairs: PairList, cotangents: tuple[Tensor, ...]) -> None:
    whole = torch.cat([cotangent.float() for cotangent in cotangents], dim=1)
    for part, receivers in _portions(pairs, gradient.shape[1]):
        received = whole.index_select(0, receivers)
        shares = torch.bmm(pairs.functions[part][:, None, :], received).squeeze(1)
        gradient.index_add_(0, pairs.senders[part], shares)


def _portions(pairs: PairList, features: int) -> Iterator[tuple[slice, Tensor]]:
    """Pairs that fit into memory at a time, with their receivers."""
    degrees = pairs.starts.diff()
    receivers = torch.repeat_interleave(torch.arange(len(degrees), device=degrees.device), degrees)
    step = max(_PRODUCTS // max(sum(pairs.sections) * features, 1), 1)
    for start in range(0, len(receivers), step):
        part = slice(start, start + step)
        yield part, receivers[part]
