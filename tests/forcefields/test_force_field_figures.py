"""Pictures of force fields: every error is seen, and says what it was measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from figure_cases import equations_of, frames

from madelung.common.figures import MOST_PANELS
from madelung.common.units import GIGAPASCAL
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.comparison import ComparedConfiguration, Comparison, compare
from madelung.forcefields.reference.plots import plot_parity
from madelung.forcefields.uf3.plots import plot_learning_curve, plot_pairs, plot_triplets
from madelung.forcefields.uf3.settings import ThreeBodyRange


def compared(seed: int, part: str, with_stress: bool) -> ComparedConfiguration:
    random = np.random.default_rng(seed)
    forces, stress = random.normal(size=(3, 3)), GIGAPASCAL * random.normal(size=(3, 3))
    energy = float(random.normal())
    return ComparedConfiguration(
        f"c{seed}", part, "", 3, energy, energy + 0.01, forces, forces + 0.1,
        stress if with_stress else None, 10.0 * stress if with_stress else None,
    )  # fmt: skip


@pytest.mark.parametrize("with_stress", [False, True])
def test_stresses_have_a_panel_exactly_where_there_are_some(with_stress: bool) -> None:
    items = [compared(seed, "training", False) for seed in range(3)]
    items += [compared(seed, "test", with_stress) for seed in range(3, 5)]
    figure = plot_parity(Comparison(items))
    assert len(figure.axes) == 2 + with_stress
    assert ["stress" in axes.get_xlabel() for axes in figure.axes].count(True) == with_stress
    assert figure.get_suptitle() == "configurations: 3 of training, 2 of test"
    if with_stress:
        stress = figure.axes[2]
        largest = max(np.abs(item.predicted_stress).max() for item in items[3:]) / GIGAPASCAL
        assert max(np.abs(stress.get_ylim())) > largest and "GPa" in stress.get_ylabel()
        (label,) = [text.get_text() for text in stress.get_legend().get_texts()]
        assert label.startswith("test: ") and label.endswith("GPa (n = 12)")


def test_an_outlier_of_energy_and_of_force_stays_in_the_picture() -> None:
    items = [compared(seed, "test", False) for seed in range(9)]
    items[4] = replace(items[4], predicted_energy=40.0, predicted_forces=np.full((3, 3), -50.0))
    energy, force = plot_parity(Comparison(items)).axes
    for axes in (energy, force):
        assert axes.get_xlim() == axes.get_ylim() and axes.get_aspect() == 1.0
    assert energy.get_ylim()[1] > 40.0 and force.get_ylim()[0] < -50.0


def require_pages(figures: list[Any], pages: int, panels: int) -> list[str]:
    """Check pages of panels with the same axes, and return the panels' titles."""
    assert len(figures) == pages
    drawn = [[axes for axes in figure.axes if axes.get_title()] for figure in figures]
    assert all(len(page) <= MOST_PANELS for page in drawn)
    everything = [axes for page in drawn for axes in page]
    assert len(everything) == panels
    assert len({axes.get_xlim() for axes in everything}) == 1
    energies = [axes for axes in everything if "energy" in axes.get_ylabel()]
    assert len({axes.get_ylim() for axes in energies}) == 1
    return [axes.get_title() for axes in everything]


def test_many_pairs_have_pages_with_the_same_axes() -> None:
    figures = plot_pairs(*equations_of(("Ni", "Cu", "Pd", "Ag", "Pt"), None))
    titles = require_pages(figures, 2, 15)
    assert len(set(titles)) == 15 and "V₂ Ni-Pt" in titles


@pytest.mark.slow
def test_many_triplets_have_pages_with_the_same_axes() -> None:
    three_body = ThreeBodyRange(minimum=1.0, maximum=3.0, intervals=(2, 2, 3))
    titles = require_pages(plot_triplets(*equations_of(("Ni", "Cu", "Pd"), three_body)), 3, 36)
    assert len(set(titles)) == 18 and "V₃ Ni-Cu-Pd" in titles
    assert plot_triplets(*equations_of(("Ni", "Cu"), None)) == []


def test_a_learning_curve_says_what_it_was_measured_on() -> None:
    rows = [
        {"configurations": count, "energy_rmse": 90.0 / count, "force_rmse": 0.04 + 0.001 * count}
        for count in (3, 6, 12)
    ]
    figure = plot_learning_curve(rows, "4 test configurations")
    assert figure.get_suptitle() == "errors on 4 test configurations"
    for axes in figure.axes:
        assert not any(label.get_text() for label in axes.get_yticklabels(minor=True))


class _Resting:
    """Says that nothing pulls."""

    def evaluate(self, crystal: Crystal) -> Any:
        from madelung.forcefields.interface import Evaluation

        count = len(crystal)
        return Evaluation(
            np.zeros(count), np.zeros((count, 3)), np.eye(3),
            crystal.volume if crystal.pbc.all() else 0.0,
        )  # fmt: skip


def test_stresses_are_compared_where_reference_and_force_field_have_one() -> None:
    bulk, other = frames(2)
    molecule = Crystal(
        cell=bulk.crystal.cell, positions=bulk.crystal.positions, numbers=bulk.crystal.numbers,
        pbc=False,
    )  # fmt: skip
    items = [bulk, replace(other, stress=None), replace(bulk, crystal=molecule)]
    found = compare(_Resting(), [("test", item) for item in items]).configurations  # type: ignore[arg-type]
    assert [item.predicted_stress is not None for item in found] == [True, False, False]
    assert [item.stress is not None for item in found] == [True, False, False]
    assert found[0].predicted_stress == pytest.approx(np.eye(3) / bulk.crystal.volume)
