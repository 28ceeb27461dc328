"""Errors of force fields against reference data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from madelung.forcefields.reference.comparison import ComparedConfiguration, Comparison


def compared(seed: int, offset: float, atoms: int = 3) -> ComparedConfiguration:
    random = np.random.default_rng(seed)
    forces = random.normal(size=(atoms, 3))
    energy = float(random.normal())
    return ComparedConfiguration(
        f"c{seed}", "test", "odd" if seed % 2 else "even", atoms, energy,
        energy + offset + 0.01 * float(random.normal()), forces, forces + 0.1,
    )  # fmt: skip


def test_a_mean_shift_leaves_the_spread_of_energies() -> None:
    comparison = Comparison([compared(seed, 2.0) for seed in range(20)])
    errors = comparison.energy_errors
    assert errors.mean() == pytest.approx(2.0, abs=0.02)
    shifted = comparison.with_mean_shift()
    assert shifted.energy_errors.mean() == pytest.approx(0.0, abs=1e-12)
    assert shifted.energy_rmse == pytest.approx(1000.0 * errors.std())
    assert shifted.force_rmse == pytest.approx(0.1)


def test_groups_add_up_to_the_whole(tmp_path: Path) -> None:
    comparison = Comparison([compared(seed, 0.0, atoms=1 + seed % 4) for seed in range(20)])
    groups = comparison.errors_by_group()
    squares = sum(found["configurations"] * found["energy_rmse"] ** 2 for found in groups.values())
    assert np.sqrt(squares / 20) == pytest.approx(comparison.energy_rmse)
    comparison.with_mean_shift().write(tmp_path / "predictions.csv")
    rows = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(rows) == 21 and rows[0].startswith("id,part,group,atoms,energy,predicted_energy")
