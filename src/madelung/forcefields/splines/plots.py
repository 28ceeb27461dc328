"""Pictures of spline MEAMs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.common.figures import GREY, in_style, new_figure
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.fit import SplineMEAMFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_meam"]

_PANELS = (
    ("pair", "pair energy φ", "distance (Å)", "pair energy φ (eV)"),
    ("density", "density ρ of the neighbour", "distance (Å)", "density ρ"),
    ("bond", "bond function f of the neighbour", "distance (Å)", "bond function f"),
    ("angle", "angle function g of both neighbours", "cosine of the angle", "angle function g"),
    ("embedding", "embedding energy U of the centre", "density n", "embedding energy U (eV)"),
)
_POINTS = 300
_COLUMNS = 3


@in_style
def plot_meam(fit: SplineMEAMFit) -> Figure:
    """Draw all functions of a spline MEAM with their knots, named by their elements.

    Parameters
    ----------
    fit
        A fit.
    """
    potential = fit.potential
    panels = [panel for panel in _PANELS if getattr(potential, panel[0])]
    rows = -(-len(panels) // _COLUMNS)
    figure = new_figure(3.6 * _COLUMNS, 3.0 * rows)
    grid = np.ravel(figure.subplots(rows, _COLUMNS))
    symbols = [ELEMENT_SYMBOLS[number] for number in potential.numbers]
    for axis, (name, title, abscissa, ordinate) in zip(grid, panels, strict=False):
        functions = getattr(potential, name)
        for spline, label in zip(functions, _labels(symbols, len(functions)), strict=True):
            _draw(axis, spline, label)
        axis.set(xlabel=abscissa, ylabel=ordinate, title=title)
        axis.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
        axis.legend()
    for axis in grid[len(panels) :]:
        axis.remove()
    return figure


def _labels(symbols: Sequence[str], count: int) -> list[str]:
    """Elements of functions of one type or, where there are as many, of two."""
    pairs = ["–".join(pair) for pair in combinations_with_replacement(symbols, 2)]
    return list(symbols) if count == len(symbols) else pairs


def _draw(axis: Any, spline: CubicSpline, label: str) -> None:
    points = np.linspace(spline.knots[0], spline.knots[-1], _POINTS)
    (line,) = axis.plot(points, spline(points), label=label)
    axis.plot(spline.knots, spline(spline.knots), "o", markersize=3, color=line.get_color())
