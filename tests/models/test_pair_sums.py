"""Sums of functions times features, against einsum, by the core and by PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from judging import needs_core
from torch import Tensor

from madelung.inputs.pair_graph import PairList
from madelung.models import pair_sums as module
from madelung.models.pair_sums import pair_sums

EXECUTORS = ["torch", pytest.param("native", marks=needs_core)]


@contextmanager
def sums_by(executor: str) -> Iterator[None]:
    """Sums by the core, or by PyTorch in several portions."""
    with pytest.MonkeyPatch.context() as patch:
        if executor == "torch":
            patch.setattr(module, "native_core", lambda: None)
            patch.setattr(module, "_PRODUCTS", 2_000)
        yield


def random_pairs(seed: int, sections: tuple[int, ...] = (5, 6, 15)) -> PairList:
    """Pairs between orbits at random; some orbits receive none."""
    generator = np.random.default_rng(seed)
    orbits, pairs = int(generator.integers(1, 40)), int(generator.integers(1, 200))
    receivers = np.sort(generator.integers(0, orbits, pairs))
    return PairList(
        starts=torch.from_numpy(np.searchsorted(receivers, np.arange(orbits + 1))),
        senders=torch.from_numpy(generator.integers(0, orbits, pairs)),
        functions=torch.from_numpy(generator.normal(size=(pairs, sum(sections)))).float(),
        sections=sections,
    )


def expected(features: Tensor, pairs: PairList) -> Tensor:
    """The same in double precision, as one dense product."""
    orbits = len(pairs.starts) - 1
    dense = torch.zeros(orbits, orbits, sum(pairs.sections), dtype=torch.float64)
    receivers = torch.repeat_interleave(torch.arange(orbits), pairs.starts.diff())
    dense.index_put_((receivers, pairs.senders), pairs.functions.double(), accumulate=True)
    return torch.einsum("ijd,jr->idr", dense, features.double())


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("width", [1, 7, 16, 33])
@given(seed=st.integers(0, 2**32 - 1))
def test_sums_are_dense_products(executor: str, width: int, seed: int) -> None:
    pairs = random_pairs(seed)
    features = torch.randn(len(pairs.starts) - 1, width, generator=torch.Generator().manual_seed(0))
    with sums_by(executor):
        found = torch.cat(pair_sums(features, pairs), 1)
    torch.testing.assert_close(found.double(), expected(features, pairs), rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@given(seed=st.integers(0, 2**32 - 1))
def test_gradients_are_those_of_the_dense_product(executor: str, seed: int) -> None:
    pairs = random_pairs(seed)
    features = torch.randn(len(pairs.starts) - 1, 9, generator=torch.Generator().manual_seed(0))
    one, two = features.clone().requires_grad_(), features.double().requires_grad_()
    other = expected(two, pairs)
    weights = torch.randn(other.shape, generator=torch.Generator().manual_seed(1))
    with sums_by(executor):
        (torch.cat(pair_sums(one, pairs), 1) * weights).sum().backward()
    (other * weights.double()).sum().backward()
    assert one.grad is not None and two.grad is not None
    torch.testing.assert_close(one.grad.double(), two.grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_low_precision_is_the_rounded_sum(executor: str) -> None:
    pairs = random_pairs(3)
    features = torch.randn(len(pairs.starts) - 1, 12, generator=torch.Generator().manual_seed(0))
    features.requires_grad_()
    with sums_by(executor):
        whole = pair_sums(features, pairs)
        with torch.autocast("cpu", torch.bfloat16):
            low = pair_sums(features, pairs)
        for one, two in zip(whole, low, strict=True):
            assert two.dtype is torch.bfloat16 and torch.equal(one.bfloat16(), two)
        gradients = []
        for sums in (whole, low):
            features.grad = None
            torch.cat([total.float().square() for total in sums], 1).sum().backward()
            assert features.grad is not None
            gradients.append(features.grad.clone())
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.5)


@needs_core
def test_instruction_sets_agree() -> None:
    core = module.native_core()
    pairs = random_pairs(5)
    features = torch.randn(len(pairs.starts) - 1, 21, generator=torch.Generator().manual_seed(0))
    chosen = core.instruction_set()
    try:
        found = []
        for name in core.instruction_sets():
            core.set_instruction_set(name)
            found.append(torch.cat(pair_sums(features, pairs), 1))
    finally:
        core.set_instruction_set(chosen)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-5)


@needs_core
def test_nothing_is_written_to_a_copy() -> None:
    """Arrays of another layout or type are refused, and not converted."""
    core = module.native_core()
    pairs = random_pairs(9)
    functions, starts, senders = (
        tensor.numpy() for tensor in (pairs.functions, pairs.starts, pairs.senders)
    )
    orbits = len(pairs.starts) - 1
    features = np.zeros((orbits, 4), dtype=np.float32)
    sums = np.zeros((orbits, 5, 4), dtype=np.uint16)
    wrong = [
        (np.asfortranarray(functions), 0, starts, senders, features, sums),
        (functions, 0, starts, senders, features, sums.astype(np.float64)),
        (functions, 0, starts, senders, features.astype(np.float64), sums),
        (functions, 0, starts, senders, features, np.asfortranarray(sums)),
    ]
    for arguments in wrong:
        with pytest.raises(TypeError):
            core.pair_sums(*arguments)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_functions_of_any_layout_give_the_same(executor: str) -> None:
    pairs = random_pairs(10)
    turned = PairList(pairs.starts, pairs.senders, pairs.functions.T.contiguous().T, pairs.sections)
    features = torch.randn(len(pairs.starts) - 1, 4, generator=torch.Generator().manual_seed(0))
    with sums_by(executor), torch.autocast("cpu", torch.bfloat16):
        for one, two in zip(pair_sums(features, pairs), pair_sums(features, turned), strict=True):
            assert torch.equal(one, two)


@needs_core
def test_arrays_that_do_not_fit_are_refused() -> None:
    core = module.native_core()
    pairs = random_pairs(7)
    functions, starts, senders = (
        tensor.numpy() for tensor in (pairs.functions, pairs.starts, pairs.senders)
    )
    orbits = len(pairs.starts) - 1
    features = np.zeros((orbits, 4), dtype=np.float32)
    sums = np.zeros((orbits, 5, 4), dtype=np.float32)
    core.pair_sums(functions, 0, starts, senders, features, sums)
    wrong = [
        (functions, 25, starts, senders, features, sums),
        (functions, 0, starts[:-1], senders, features, sums),
        (functions, 0, starts, senders + orbits, features, sums),
        (functions, 0, starts, senders[:-1], features, sums),
        (functions, 0, starts[::-1].copy(), senders, features, sums),
        (functions, 0, starts, senders, features, np.zeros((orbits, 5, 3), dtype=np.float32)),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match="do not fit together"):
            core.pair_sums(*arguments)
