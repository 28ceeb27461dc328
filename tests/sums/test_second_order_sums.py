"""Second derivatives of complete sums, against PyTorch's own through its executor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal
from madelung.sums.executors import choose_executor
from madelung.sums.potentials import Coulomb, London
from madelung.sums.request import SumRequest
from madelung.sums.second_order import twice_differentiable_sums

POTENTIALS = (Coulomb(), London())


def _batch() -> CrystalBatch:
    generator = np.random.default_rng(3)
    crystals = []
    for atoms in (1, 3, 5):
        cell = 4.0 * np.eye(3) + 0.4 * generator.normal(size=(3, 3))
        positions = generator.uniform(size=(atoms, 3)) @ cell
        crystals.append(Crystal(cell, positions, np.full(atoms, 11), True))
    return CrystalBatch.from_crystals(crystals)


def _by_torch(cells: torch.Tensor, positions: torch.Tensor, batch: CrystalBatch) -> torch.Tensor:
    job = SumRequest(
        cells, positions, batch.offsets, list(POTENTIALS), np.zeros(len(batch)), None, 1
    )
    run = choose_executor("torch", job)
    values: torch.Tensor = run(job, np.full((len(batch), len(POTENTIALS)), 1e-10)).values
    return values


def _second_derivatives(function: object, batch: CrystalBatch) -> list[torch.Tensor]:
    """Derivatives of a square of first derivatives, by weights, cells and positions."""
    cells = torch.tensor(batch.cells, requires_grad=True)
    positions = torch.tensor(batch.positions, requires_grad=True)
    pairs = int((np.diff(batch.offsets) ** 2).sum())
    weights = torch.linspace(-1.0, 2.0, 2 * pairs, dtype=torch.float64).view(2, pairs)
    weights.requires_grad_(True)
    energy = (weights * function(cells, positions)).sum()  # type: ignore[operator]
    first = torch.autograd.grad(energy, (cells, positions), create_graph=True)
    square = sum(part.square().sum() for part in first)
    return list(torch.autograd.grad(square, (weights, cells, positions)))


@pytest.mark.slow
def test_second_derivatives_are_those_of_pytorch() -> None:
    batch = _batch()
    found = _second_derivatives(
        lambda cells, positions: twice_differentiable_sums(
            cells, positions, batch.offsets, POTENTIALS, 1e-10
        ),
        batch,
    )
    expected = _second_derivatives(
        lambda cells, positions: _by_torch(cells, positions, batch), batch
    )
    for part, reference in zip(found, expected, strict=True):
        assert float((part - reference).abs().max()) < 2e-5 * float(reference.abs().max())


def test_without_the_core_derivatives_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from madelung.sums import second_order

    batch = _batch()

    def function(cells: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return twice_differentiable_sums(cells, positions, batch.offsets, POTENTIALS, 1e-10)

    with_core = _second_derivatives(function, batch)
    monkeypatch.setattr(
        second_order, "choose_executor", lambda name, job: choose_executor("torch", job)
    )
    for part, reference in zip(_second_derivatives(function, batch), with_core, strict=True):
        assert float((part - reference).abs().max()) < 1e-5 * float(reference.abs().max())
