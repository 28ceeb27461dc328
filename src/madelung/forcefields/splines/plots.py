"""Pictures of spline MEAMs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.fit import SplineMEAMFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_meam"]

_PANELS = (
    ("pair", "φ", "distance (Å)", "pair energy φ (eV)"),
    ("density", "ρ", "distance (Å)", "density ρ"),
    ("bond", "f", "distance (Å)", "bond function f"),
    ("angle", "g", "cosine of the angle", "angle function g"),
    ("embedding", "U", "density n", "embedding energy U (eV)"),
)
_POINTS = 300


def plot_meam(fit: SplineMEAMFit) -> Figure:
    """Draw all functions of a spline MEAM with their knots.

    Parameters
    ----------
    fit
        A fit.
    """
    from matplotlib.figure import Figure

    panels = [panel for panel in _PANELS if getattr(fit.potential, panel[0])]
    figure = Figure(figsize=(2.6 * len(panels), 3.2), layout="constrained")
    for axis, (name, symbol, abscissa, ordinate) in zip(
        figure.subplots(1, len(panels)), panels, strict=True
    ):
        functions = getattr(fit.potential, name)
        for number, spline in enumerate(functions):
            _draw(axis, spline, f"{symbol}{number + 1}" if len(functions) > 1 else "")
        axis.set(xlabel=abscissa, ylabel=ordinate)
        axis.axhline(0.0, color="black", linewidth=0.5)
        if len(functions) > 1:
            axis.legend(frameon=False, fontsize=7)
    return figure


def _draw(axis: Any, spline: CubicSpline, label: str) -> None:
    points = np.linspace(spline.knots[0], spline.knots[-1], _POINTS)
    (line,) = axis.plot(points, spline(points), linewidth=1.2, label=label)
    axis.plot(spline.knots, spline(spline.knots), "o", markersize=3, color=line.get_color())
