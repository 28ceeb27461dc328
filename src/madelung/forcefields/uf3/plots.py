"""Pictures of UF3 potentials with the data behind them, and of how errors fall with data.

How much data stand behind a distance is read from the normal equations: the diagonal of the force
part is, for each coefficient, the sum of the squares of its features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.axes import colour_axis, log_scale, twin_axes
from madelung.common.figures import BLUE, GREY, ORANGE, in_style, new_figure, pages_of
from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.normal_equations import NormalEquations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_learning_curve", "plot_pairs", "plot_triplets", "support_of_pairs"]

_POINTS = 400
# A distance counts as unseen where its splines have this small a part of the largest support.
_UNSEEN = 1e-8
_ANGLES = (60.0, 90.0, 120.0, 180.0)
_COLUMNS = 3
# A darker grey than that of the shaded support: it is read.
_SUPPORT = "#5f5f5f"


@in_style
def plot_pairs(equations: NormalEquations, coefficients: NDArray[np.float64]) -> list[Figure]:
    """Draw every V2 over the distance, the support by data, and gaps in the data.

    Parameters
    ----------
    equations
        Normal equations of the fit.
    coefficients
        Solution of the fit.

    Returns
    -------
    list of Figure
        Pages of panels with the same axes.
    """
    pairs = equations.basis.pairs(coefficients)
    distances = [np.linspace(pair.knots[0], pair.knots[-1], _POINTS) for pair in pairs]
    lowest = min(float(pair(own).min()) for pair, own in zip(pairs, distances, strict=True))
    low, high = 2.6 * min(lowest, -0.02), max(-6.0 * lowest, 0.3)
    view = {
        "xlim": (min(own[0] for own in distances), max(own[-1] for own in distances)),
        "ylim": (low, high),
    }
    figures = []
    for page in pages_of(pairs):
        columns = min(_COLUMNS, len(page))
        rows = -(-len(page) // columns)
        figure = new_figure(4.2 * columns, 3.1 * rows + 0.3)
        panels = np.ravel(figure.subplots(rows, columns))
        for axes, pair in zip(panels, page, strict=False):
            _draw_pair(axes, pair, equations)
            axes.set(**view)
        for axes in panels[len(page) :]:
            axes.remove()
        figure.suptitle("pairs, and the support by the training data")
        figures.append(figure)
    return figures


def _draw_pair(axes: Any, pair: PairFunction, equations: NormalEquations) -> None:
    distances = np.linspace(pair.knots[0], pair.knots[-1], _POINTS)
    axes.plot(distances, 2.0 * pair(distances), color=BLUE)
    axes.axhline(0.0, color="black", linewidth=0.5)
    support = support_of_pairs(equations, pair, distances)
    axes.set(xlabel="distance (Å)", ylabel="energy of a pair (eV)", title=f"V₂ {pair.name}")
    _shade_gaps(axes, distances, support)
    other = twin_axes(axes, BLUE, _SUPPORT)
    view = _support_range(support)
    other.fill_between(distances, view[0], support, color=GREY, alpha=0.3, linewidth=0)
    other.set(ylabel=_support_label(equations), ylim=view)
    log_scale(other.yaxis)
    colour_axis(other, "right", _SUPPORT)
    axes.set_zorder(other.get_zorder() + 1)
    axes.patch.set_visible(False)


def _support_label(equations: NormalEquations) -> str:
    kind = "force" if equations.count("forces") else "energy"
    return f"support by {kind} data"


def support_of_pairs(
    equations: NormalEquations, pair: PairFunction, distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much the force data say about V2 at distances.

    The mean, over the splines that are not zero there, of the sums of their squared features.
    """
    columns = equations.basis.pair_columns[pair.species]
    diagonal = _force_diagonal(equations)
    return _averaged(pair.knots, np.where(columns >= 0, diagonal[columns], np.nan), distances)


def _averaged(
    knots: NDArray[np.float64], values: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.interpolate import BSpline

    splines = BSpline(knots, np.eye(len(knots) - 4), 3)(distances)
    known = np.isfinite(values)
    weights = splines[:, known].sum(axis=1)
    total = splines[:, known] @ values[known]
    return np.where(weights > 1e-3, total / np.maximum(weights, 1e-3), np.nan)


def _force_diagonal(equations: NormalEquations) -> NDArray[np.float64]:
    return equations.diagonal("forces" if equations.count("forces") else "energy")


def _support_range(support: NDArray[np.float64]) -> tuple[float, float]:
    top = float(np.nanmax(support)) if np.isfinite(support).any() else 1.0
    return (max(top, 1e-300) * 1e-9, max(top, 1e-300) * 30.0)


def _shade_gaps(axis: Any, distances: NDArray[np.float64], support: NDArray[np.float64]) -> None:
    """Mark where nothing but regularisation decides."""
    top = np.nanmax(support) if np.isfinite(support).any() else 1.0
    unseen = ~(support > _UNSEEN * top) & np.isfinite(support)
    if unseen.sum() > 1:
        axis.fill_between(
            distances, 0.0, 1.0, where=unseen, transform=axis.get_xaxis_transform(),
            color=ORANGE, alpha=0.15, linewidth=0, label="no data",
        )  # fmt: skip
        axis.legend()


@in_style
def plot_triplets(equations: NormalEquations, coefficients: NDArray[np.float64]) -> list[Figure]:
    """Draw slices of every V3: both neighbours at one distance, over distance and angle.

    Parameters
    ----------
    equations
        Normal equations of the fit.
    coefficients
        Solution of the fit.

    Returns
    -------
    list of Figure
        Pages of panels with the same axes and colours; none for a pair potential. Where no data
        reach, a map is left blank.
    """
    triplets = equations.basis.triplets(coefficients)
    maps = [_map(triplet, equations) for triplet in triplets]
    known = np.concatenate([np.zeros(0), *(one[2][np.isfinite(one[2])] for one in maps)])
    size = float(np.quantile(np.abs(known), 0.98)) if len(known) else 1.0
    figures = []
    for page in pages_of(list(zip(triplets, maps, strict=True)), panels=2):
        figure = new_figure(8.6, 2.7 * len(page) + 0.4)
        grid = figure.subplots(len(page), 2, squeeze=False, sharex=True)
        for (left, right), (triplet, drawn) in zip(grid, page, strict=True):
            mesh = _draw_map(left, triplet, drawn, size or 1.0)
            _draw_slices(right, triplet)
        figure.colorbar(
            mesh, ax=list(grid[:, 0]), label="energy of a triplet (eV)", extend="both",
            aspect=24 * len(page), extendfrac=0.03 / len(page),
        )  # fmt: skip
        for axes in grid[-1]:
            axes.set_xlabel("both distances from the centre (Å)")
        grid[0, 1].legend(title="angle")
        figure.suptitle("triplets, the centre first; blank: no training data")
        figures.append(figure)
    _share_ordinates([axes for figure in figures for axes in figure.axes[1:-1:2]])
    return figures


def _share_ordinates(panels: Sequence[Any]) -> None:
    """Give panels, on whatever page, the limits that hold all their curves."""
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _isosceles(
    triplet: TripletFunction, count: int, angles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances, and the opposite sides (count, angles) of isosceles triangles."""
    low = max(triplet.knots[0][0], triplet.knots[1][0])
    high = min(triplet.knots[0][-1], triplet.knots[1][-1])
    # At the very ends rounding may fall outside.
    distances = np.linspace(low, high, count + 2)[1:-1]
    return distances, 2.0 * distances[:, None] * np.sin(np.radians(angles) / 2.0)


def _map(
    triplet: TripletFunction, equations: NormalEquations
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distances, angles, and energies of isosceles triplets, NaN where no data reach."""
    angles = np.linspace(20.0, 180.0, 90)
    distances, opposite = _isosceles(triplet, 90, angles)
    values = triplet(distances[:, None], distances[:, None], opposite)
    columns = equations.basis.triplet_columns[triplet.species]
    support = np.where(columns >= 0, _force_diagonal(equations)[columns], 0.0)
    seen = TripletFunction(triplet.species, triplet.knots, support)(
        distances[:, None], distances[:, None], opposite
    )
    return distances, angles, np.where(seen > _UNSEEN * support.max(), values, np.nan)


def _draw_map(axis: Any, triplet: TripletFunction, drawn: Any, size: float) -> Any:
    distances, angles, values = drawn
    mesh = axis.pcolormesh(
        distances, angles, values.T, cmap="RdBu_r", vmin=-size, vmax=size, rasterized=True
    )
    axis.set(ylabel="angle (degrees)", title=f"V₃ {triplet.name}", facecolor="#e4e4e4")
    axis.set_yticks(range(30, 181, 30))
    return mesh


def _draw_slices(axis: Any, triplet: TripletFunction) -> None:
    distances, opposite = _isosceles(triplet, _POINTS, np.array(_ANGLES))
    for column, angle in enumerate(_ANGLES):
        values = triplet(distances, distances, opposite[:, column])
        axis.plot(distances, values, label=f"{angle:.0f}°")
    axis.axhline(0.0, color="black", linewidth=0.5)
    axis.set(ylabel="energy of a triplet (eV)", title=f"V₃ {triplet.name}")


@in_style
def plot_learning_curve(rows: Sequence[dict[str, float]], measured_on: str) -> Figure:
    """Draw errors over the number of training configurations.

    Parameters
    ----------
    rows
        For each size: "configurations", "energy_rmse" in meV/atom, "force_rmse" in eV/Å.
    measured_on
        Which configurations the errors are of.
    """
    figure = new_figure(7.6, 3.4)
    counts = [row["configurations"] for row in rows]
    panels = (("energy_rmse", "energy RMSE (meV/atom)"), ("force_rmse", "force RMSE (eV/Å)"))
    for axis, (name, label), colour in zip(
        figure.subplots(1, 2), panels, (BLUE, ORANGE), strict=True
    ):
        values = [row[name] for row in rows]
        axis.plot(counts, values, "o-", color=colour)
        axis.set(xlabel="training configurations", ylabel=label)
        log_scale(axis.xaxis)
        # Of what the data do not hold there is no error.
        if any(value > 0.0 for value in values):
            log_scale(axis.yaxis)
    figure.suptitle(f"errors on {measured_on}")
    return figure
