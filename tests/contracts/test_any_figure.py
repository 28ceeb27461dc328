"""What every figure must do: show all of its data, name its axes, and their units."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from figure_cases import FIGURES
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from places import ROOT

PACKAGE = ROOT / "src" / "madelung"
# Names of what has no unit, be it a number or a name.
WITHOUT_UNIT = {
    "angle function g", "atom", "atom i", "atom j", "bond function f", "cosine of the angle",
    "density n", "density ρ", "epoch", "labelled configurations", "step", "strain", "stress",
    "support by force data", "training configurations",
    "first component of the structure", "second component",
}  # fmt: skip
# Of pair energies the wall is cut off, as it rises without limit where atoms overlap.
WALLS = {"forcefields.uf3.plots.plot_pairs"}
names = pytest.mark.parametrize("name", FIGURES)


@cache
def figures(name: str) -> list[Figure]:
    """Pages of a figure, made once: tests only look at them."""
    made = FIGURES[name]()
    return made if isinstance(made, list) else [made]


def panels(name: str) -> Iterator[Axes]:
    """All axes but those of colour bars."""
    for figure in figures(name):
        yield from (axes for axes in figure.axes if axes.get_label() != "<colorbar>")


def functions_that_draw() -> set[str]:
    """Functions ``plot_…``, and methods ``plot``, of the package."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("plot_"):
                found.add(f"{module}.{node.name}")
            if isinstance(node, ast.ClassDef):
                methods = (one.name for one in node.body if isinstance(one, ast.FunctionDef))
                found.update(f"{module}.{node.name}.plot" for one in methods if one == "plot")
    return found


def drawn_points(axes: Axes) -> Iterator[NDArray[np.float64]]:
    """(n, 2) points of curves, of clouds and of bands, in the units of the axes."""
    for line in axes.lines:
        if line.get_transform() == axes.transData:
            yield np.asarray(line.get_xydata(), dtype=float)
    for cloud in axes.collections:
        if cloud.get_offset_transform() == axes.transData and len(cloud.get_paths()) <= 1:
            yield np.asarray(cloud.get_offsets(), dtype=float)
        elif cloud.get_transform() == axes.transData:
            for path in cloud.get_paths():
                yield np.asarray(path.vertices, dtype=float)
    for bar in axes.patches:
        yield bar.get_path().transformed(bar.get_patch_transform()).vertices


def test_every_figure_is_looked_at() -> None:
    assert set(FIGURES) == functions_that_draw()


@names
def test_nothing_lies_beyond_the_limits(name: str) -> None:
    for axes in panels(name):
        for column, (low, high), scale in (
            (0, sorted(axes.get_xlim()), axes.get_xscale()),
            (1, sorted(axes.get_ylim()), axes.get_yscale()),
        ):
            for points in drawn_points(axes):
                values = points[np.isfinite(points).all(axis=1), column]
                values = values[values > 0.0] if scale == "log" else values
                spare = 1e-6 * (high - low)
                if len(values):
                    assert values.min() >= low - spare, (axes.get_xlabel(), axes.get_ylabel())
                    if not (name in WALLS and column == 1):
                        assert values.max() <= high + spare, (axes.get_xlabel(), axes.get_ylabel())


@names
def test_axes_say_what_they_are_and_in_what_unit(name: str) -> None:
    for axes in panels(name):
        for axis, others in (
            (axes.xaxis, axes.get_shared_x_axes()),
            (axes.yaxis, axes.get_shared_y_axes()),
        ):
            shared = [getattr(one, f"get_{axis.axis_name}label")() for one in
                      others.get_siblings(axes)]  # fmt: skip
            named = bool(axis.get_majorticklabels() and axis.get_majorticklabels()[0].get_text())
            label = next(filter(None, [axis.get_label_text(), *shared]), "")
            assert label or named, f"an {axis.axis_name} axis of {axes.get_title()!r} has no name"
            plain = label.partition("\n(every error")[0].removesuffix(", by element")
            assert not label or "(" in plain or plain in WITHOUT_UNIT, label


@names
def test_colours_have_a_unit_or_a_title(name: str) -> None:
    for figure in figures(name):
        for axes in figure.axes:
            if axes.get_label() == "<colorbar>":
                titles = [one.get_title() for one in figure.axes if one.images]
                assert "(" in axes.get_ylabel() or all("(" in title for title in titles)


@names
def test_powers_are_raised(name: str) -> None:
    for axes in panels(name):
        texts = [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()]
        plain = [re.sub(r"\$[^$]*\$", "", text) for text in texts]
        assert not any("^" in text or "**" in text for text in plain), plain


@names
def test_what_is_compared_has_equal_axes(name: str) -> None:
    for axes in panels(name):
        abscissa, ordinate = axes.get_xlabel(), axes.get_ylabel()
        if abscissa.removeprefix("reference ") == ordinate.removeprefix("predicted "):
            assert axes.get_aspect() == 1.0
            assert axes.get_xlim() == axes.get_ylim()
