"""V3 where a distance falls below its first knot: fits are smooth there, and the check looks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from uf3_cases import random_potential

from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import read_configurations
from madelung.forcefields.soundness.validation import validate_force_field
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.settings import ThreeBodyRange, TwoBodyRange, UF3Settings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
CASES = Path(__file__).parent / "cases"
COPPER = UF3Settings(
    elements=("Cu",),
    two_body=TwoBodyRange(intervals=8),
    three_body=ThreeBodyRange(intervals=(5, 5, 8)),
)


def triangle(distance: float) -> Crystal:
    positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0], [0.4, 2.6, 0.0]])
    return Crystal(np.zeros((3, 3)), positions, [29, 29, 29], False)


def test_a_fit_does_not_jump_at_its_first_knot() -> None:
    data = [item for item in read_configurations(CASES / "cu_iso.extxyz.xz")][:12]
    potential = fit_uf3(data, COPPER).potential
    below, above = (potential.evaluate(triangle(1.5 + step)) for step in (-1e-8, 1e-8))
    assert below.energy == pytest.approx(above.energy, abs=1e-5)
    np.testing.assert_allclose(below.forces, above.forces, atol=1e-5)
    free = fit_uf3(data, COPPER.model_copy(update={"leading": 0}))
    assert fit_uf3(data, COPPER).errors["forces"] < 1.05 * free.errors["forces"] + 1e-3


@pytest.mark.parametrize("leading", [0, 1, 2, 3])
def test_the_check_looks_at_first_knots(leading: int) -> None:
    settings = COPPER.model_copy(update={"leading": leading})
    potential = random_potential(settings.basis(), seed=3)
    report = validate_force_field(potential, [triangle(2.4)], strict=False)
    failed = {check.name for check in report.failed}
    wrong = {
        0: {"energy does not jump nearby", "forces do not jump nearby"},
        1: {"forces do not jump nearby"},
    }
    assert failed == wrong.get(leading, set())
