"""Spreads of quantities that modes are made of."""

from __future__ import annotations

import numpy as np
import pytest

from madelung.phonons.spread import edge_spread, mode_spreads, thermal_spreads
from madelung.phonons.thermodynamics import thermodynamics


def test_members_that_agree_have_no_spread() -> None:
    own = np.tile(np.random.default_rng(0).uniform(1.0, 9.0, (1, 5, 6)), (3, 1, 1))
    spreads = mode_spreads(own)
    assert np.abs(spreads).max() < 1e-12
    found = thermal_spreads(own[0], spreads, np.full(5, 0.2), [300.0])
    assert all(values[0] == pytest.approx(0.0, abs=1e-9) for values in found.values())


def test_small_spreads_change_the_free_energy_by_its_derivative() -> None:
    """dF/dω = ħ (n + ½), for each of three modes."""
    mean = np.array([[4.0, 4.0, 4.0]])
    found = thermal_spreads(mean, np.full((1, 3), 1e-4), np.ones(1), [300.0])
    step = 1e-3
    pair = [thermodynamics(mean + sign * step, np.ones(1), [300.0]) for sign in (1.0, -1.0)]
    slope = (pair[0].free_energy[0] - pair[1].free_energy[0]) / (2.0 * step)
    assert found["free_energy"][0] == pytest.approx(1e-4 * slope, rel=1e-4)


def test_edges_look_at_the_modes_beside_them() -> None:
    mean = np.array([[1.0, 5.0, 20.0]])
    spreads = np.array([[0.1, 0.5, 2.0]])
    assert edge_spread(mean, spreads, 20.0) == pytest.approx(2.0, rel=1e-3)
    assert edge_spread(mean, spreads, 1.0) == pytest.approx(0.107, abs=2e-3)
