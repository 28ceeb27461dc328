"""The optimiser of neural force fields: Adam in slowly turning bases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from madelung.learning.soap import Soap


def _least_squares(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs and outputs of sizes that differ by factors of thousand, along mixed directions."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    left, right = torch.linalg.qr(draw(12, 12))[0], torch.linalg.qr(draw(20, 20))[0]
    inputs = draw(200, 20) * torch.logspace(0, -1.5, 20) @ right
    wanted = draw(12, 20)
    return inputs, inputs @ wanted.T @ (torch.logspace(0, -1.5, 12)[:, None] * left), wanted


def _loss_after(kind: type[torch.optim.Optimizer], steps: int, seed: int) -> float:
    inputs, outputs, wanted = _least_squares(seed)
    weight = torch.nn.Parameter(torch.zeros_like(wanted))
    optimiser = kind([weight], lr=0.1)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 * (1.0 - step / steps)
        optimiser.zero_grad()
        loss = (inputs @ weight.T - outputs).square().mean()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_mixed_directions_are_learnt_sooner_than_by_adam(seed: int) -> None:
    assert _loss_after(Soap, 300, seed) < _loss_after(torch.optim.Adam, 300, seed)


def test_it_is_adam_where_there_is_no_basis() -> None:
    start = torch.linspace(-1.0, 1.0, 7)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimisers = [
        Soap([ours], lr=0.1, weight_decay=0.2, epsilon=1e-8),
        torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.99), weight_decay=0.2, eps=1e-8),
    ]
    for step in range(25):
        for parameter, optimiser in zip((ours, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            (parameter - step % 3).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(ours, theirs)


def test_rotated_problems_take_rotated_steps() -> None:
    inputs, outputs, wanted = _least_squares()
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(20, 20, generator=generator))[0]
    losses = []
    for own in (inputs, inputs @ turn):
        weight = torch.nn.Parameter(torch.zeros_like(wanted))
        optimiser = Soap([weight], lr=0.1)
        for step in range(400):
            optimiser.param_groups[0]["lr"] = 0.1 * (1.0 - step / 400)
            optimiser.zero_grad()
            loss = (own @ weight.T - outputs).square().mean()
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    assert 0.5 < losses[0] / losses[1] < 2.0


def test_bases_stay_orthogonal_and_nothing_moves_without_gradient() -> None:
    weight = torch.nn.Parameter(torch.ones(6, 9))
    still = torch.nn.Parameter(torch.ones(6, 9))
    optimiser = Soap([weight, still], lr=0.01)
    generator = torch.Generator().manual_seed(1)
    for _ in range(45):
        weight.grad = torch.outer(
            torch.randn(6, generator=generator), torch.randn(9, generator=generator)
        )
        still.grad = torch.zeros_like(still)
        optimiser.step()
    assert torch.equal(still, torch.ones(6, 9))
    for side, length in ((0, 6), (1, 9)):
        basis = optimiser.state[weight][f"basis_{side}"]
        torch.testing.assert_close(basis.T @ basis, torch.eye(length), atol=1e-5, rtol=0.0)


def test_long_sides_keep_their_axes() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 30))
    optimiser = Soap([weight], largest_side=10)
    weight.square().sum().backward()
    optimiser.step()
    assert "basis_0" in optimiser.state[weight]
    assert "basis_1" not in optimiser.state[weight]
