"""What every figure promises: nothing outside of the limits, few clean ticks, readable numbers."""

from __future__ import annotations

import math
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from madelung.common.axes import (
    ParitySeries,
    draw_parity,
    log_scale,
    log_ticks,
    shared_limits,
    tick_text,
    twin_axes,
    write_numbers,
)
from madelung.common.figures import (
    BLUE,
    COLOURS,
    MOST_PANELS,
    ORANGE,
    in_style,
    new_figure,
    number_text,
    pages_of,
    save_figure,
    save_pages,
    subscripts,
    superscripts,
    unit_text,
)


def test_the_style_is_the_same_whatever_the_user_has_set_and_leaves_that_alone() -> None:
    @in_style
    def settings() -> tuple[float, list[str]]:
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
        return matplotlib.rcParams["font.size"], [to_hex(colour).upper() for colour in cycle]

    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "black"}):
        size, cycle = settings()
        figure = new_figure()
        assert matplotlib.rcParams["font.size"] == 31.0
    assert size == 8.5 and tuple(cycle) == COLOURS
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_a_parity_holds_outliers_of_the_predictions_on_equal_axes() -> None:
    references = np.linspace(-3.0, 3.0, 50)
    predictions = references.copy()
    predictions[7], predictions[9] = 30.0, -25.0
    axes = new_figure().subplots()
    draw_parity(
        axes, [ParitySeries("test", references, predictions)], "energy", "eV/atom",
        error_unit="meV/atom", error_factor=1000.0,
    )  # fmt: skip
    assert axes.get_xlim() == axes.get_ylim() and axes.get_aspect() == 1.0
    low, high = axes.get_ylim()
    assert low < -25.0 and high > 30.0
    (label,) = [text.get_text() for text in axes.get_legend().get_texts()]
    rmse = 1000.0 * math.sqrt(np.mean((predictions - references) ** 2))
    assert label.startswith(f"test: RMSE {rmse:.3g}, MAE ") and label.endswith("(n = 50)")
    assert "meV/atom" in label


@pytest.mark.parametrize(
    ("references", "predictions"), [([], []), ([2.0], [2.0]), ([0.0], [0.0]), ([1.0], [np.nan])]
)
def test_limits_of_few_points_have_a_width(references: list[float], predictions: list[float]):
    low, high = shared_limits([ParitySeries("", np.array(references), np.array(predictions))])
    assert low < high
    assert all(low <= value <= high for value in references)


@pytest.mark.parametrize(
    ("low", "high"),
    [(1e-5, 1.0), (3e-4, 0.7), (1e-12, 1e9), (22, 300), (1.3, 9), (0.0401, 0.0436), (0.9, 1100)],
)
def test_logarithmic_axes_have_few_clean_ticks(low: float, high: float) -> None:
    axes = new_figure().subplots()
    axes.plot([low, high], [low, high])
    log_scale(axes.yaxis)
    axes.figure.canvas.draw()
    view = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if view[0] <= tick <= view[1]]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert 2 <= len(ticks) <= 6
    assert len(set(labels)) == len(labels) and all(len(label) < 12 for label in labels)
    assert not any(label.get_text() for label in axes.get_yticklabels(minor=True))


def test_powers_of_ten_are_written_plainly_or_raised() -> None:
    assert [tick_text(value) for value in (0.02, 1.0, 500.0)] == ["0.02", "1", "500"]
    assert tick_text(1e-6) == "$10^{-6}$" and tick_text(1e5) == "$10^{5}$"
    assert tick_text(2e-5) == r"$2\cdot10^{-5}$"
    assert log_ticks(1e-5, 1.0) == pytest.approx([10.0**power for power in range(-5, 1)])


@pytest.mark.parametrize(
    ("plain", "raised"),
    [
        ("eV/Å^3", "eV/Å³"),
        ("Å^-12", "Å⁻¹²"),
        ("Å**2", "Å²"),
        ("r^(-3) (Å^-3)", "r⁻³ (Å⁻³)"),
        ("r^-3.5", "r$^{-3.5}$"),
        ("K", "K"),
    ],
)
def test_units_have_superscripts(plain: str, raised: str) -> None:
    assert superscripts(plain) == raised
    assert unit_text(plain) == f" ({raised})"
    assert unit_text("") == "" and subscripts("Ti2O4") == "Ti₂O₄"


@pytest.mark.parametrize("value", [-0.0, -1e-12, -0.049, 0.0])
def test_zero_has_no_sign(value: float) -> None:
    assert number_text(value, 1) == "0.0"
    assert number_text(-1.26, 1) == "−1.3"


def test_numbers_on_a_map_are_left_out_where_they_would_be_too_small() -> None:
    for size, written in ((6, True), (60, False)):
        axes = new_figure().subplots()
        values = np.full((size, size), -1e-9)
        values[0, 0] = 48.7
        assert write_numbers(axes, values, axes.imshow(values), 3.2, 1) is written
        texts = {text.get_text() for text in axes.texts}
        assert texts == ({"48.7", "0.0"} if written else set())


def test_each_side_of_two_curves_has_its_colour() -> None:
    axes = new_figure().subplots()
    other = twin_axes(axes, BLUE, ORANGE)
    assert axes.yaxis.label.get_color() == BLUE and other.yaxis.label.get_color() == ORANGE
    assert to_hex(other.spines["right"].get_edgecolor()).upper() == ORANGE


@pytest.mark.parametrize("panels", [1, 2])
def test_pages_hold_all_and_not_too_many(panels: int) -> None:
    pages = pages_of(range(40), panels)
    assert [item for page in pages for item in page] == list(range(40))
    assert all(panels * len(page) <= MOST_PANELS for page in pages)


def test_pages_have_numbers_and_those_of_a_longer_figure_vanish(tmp_path: Path) -> None:
    def names() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir())

    (tmp_path / "two_body-x.png").write_bytes(b"not a page")
    save_pages([new_figure(1, 1) for _ in range(3)], tmp_path / "two_body.png")
    assert names() == ["two_body-2.png", "two_body-3.png", "two_body-x.png", "two_body.png"]
    save_pages([new_figure(1, 1)], tmp_path / "two_body.png")
    assert names() == ["two_body-x.png", "two_body.png"]


def test_a_suffix_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(".png, .svg or .pdf")):
        save_figure(new_figure(), tmp_path / "figure.txt")
    assert not list(tmp_path.iterdir())
