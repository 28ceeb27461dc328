"""Pictures of UF3 potentials with the data behind them, and of how errors fall with data.

How much data stand behind a distance is read from the normal equations: the diagonal of the force
part is, for each coefficient, the sum of the squares of its features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.forcefields.uf3.basis import PairFunction, TripletFunction
from madelung.forcefields.uf3.normal_equations import NormalEquations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_learning_curve", "plot_pairs", "plot_triplets", "support_of_pairs"]

_BLUE, _ORANGE, _GREY, _RED = "#1f5fa8", "#d9772b", "#b8b8b8", "#c0392b"
_POINTS = 400
# A distance counts as unseen where its splines have this small a part of the largest support.
_UNSEEN = 1e-8
_ANGLES = (60.0, 90.0, 120.0, 180.0)


def plot_pairs(equations: NormalEquations, coefficients: NDArray[np.float64]) -> Figure:
    """Draw every V2 over the distance, the support by data, and gaps in the data.

    Parameters
    ----------
    equations
        Normal equations of the fit.
    coefficients
        Solution of the fit.
    """
    from matplotlib.figure import Figure

    pairs = equations.basis.pairs(coefficients)
    figure = Figure(figsize=(4.8 * len(pairs), 3.8), layout="constrained")
    for axis, pair in zip(np.ravel(figure.subplots(1, len(pairs))), pairs, strict=True):
        distances = np.linspace(pair.knots[0], pair.knots[-1], _POINTS)
        values = 2.0 * pair(distances)
        axis.plot(distances, values, color=_BLUE)
        axis.axhline(0.0, color="black", linewidth=0.5)
        support = support_of_pairs(equations, pair, distances)
        depth = max(-3.0 * float(values.min()), 0.3)
        axis.set(
            xlabel="distance (Å)", ylabel="energy of a pair (eV)", title=f"V₂ {pair.name}",
            ylim=(1.3 * min(float(values.min()), -0.05), depth),
        )  # fmt: skip
        _shade_gaps(axis, distances, support)
        other = axis.twinx()
        other.fill_between(distances, support, color=_GREY, alpha=0.45, linewidth=0)
        other.set(yscale="log", ylabel="support by force data", ylim=_support_range(support))
        axis.set_zorder(other.get_zorder() + 1)
        axis.patch.set_visible(False)
    return figure


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
    sums = equations.sums()
    chosen = sums["forces"] if sums["forces"].count else sums["energy"]
    return np.diag(chosen.gram)


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
            color=_RED, alpha=0.15, linewidth=0, label="no data",
        )  # fmt: skip
        axis.legend(frameon=False, fontsize=8)


def plot_triplets(equations: NormalEquations, coefficients: NDArray[np.float64]) -> Figure | None:
    """Draw slices of every V3: both neighbours at one distance, over distance and angle.

    Parameters
    ----------
    equations
        Normal equations of the fit.
    coefficients
        Solution of the fit.

    Returns
    -------
    Figure or None
        None for a pair potential. Where no data reach, the map is left blank.
    """
    from matplotlib.figure import Figure

    triplets = equations.basis.triplets(coefficients)
    if not triplets:
        return None
    figure = Figure(figsize=(10.0, 3.8 * len(triplets)), layout="constrained")
    grid = figure.subplots(len(triplets), 2, squeeze=False)
    for (left, right), triplet in zip(grid, triplets, strict=True):
        _draw_map(left, triplet, equations)
        _draw_slices(right, triplet)
    return figure


def _isosceles(
    triplet: TripletFunction, count: int, angles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances, and the opposite sides (count, angles) of isosceles triangles."""
    low = max(triplet.knots[0][0], triplet.knots[1][0])
    high = min(triplet.knots[0][-1], triplet.knots[1][-1])
    # At the very ends rounding may fall outside.
    distances = np.linspace(low, high, count + 2)[1:-1]
    return distances, 2.0 * distances[:, None] * np.sin(np.radians(angles) / 2.0)


def _draw_map(axis: Any, triplet: TripletFunction, equations: NormalEquations) -> None:
    angles = np.linspace(20.0, 180.0, 90)
    distances, opposite = _isosceles(triplet, 90, angles)
    values = triplet(distances[:, None], distances[:, None], opposite)
    columns = equations.basis.triplet_columns[triplet.species]
    support = np.where(columns >= 0, _force_diagonal(equations)[columns], 0.0)
    seen = TripletFunction(triplet.species, triplet.knots, support)(
        distances[:, None], distances[:, None], opposite
    )
    shown = np.where(seen > _UNSEEN * support.max(), values, np.nan)
    size = float(np.nanquantile(np.abs(shown), 0.98)) if np.isfinite(shown).any() else 1.0
    mesh = axis.pcolormesh(
        distances, angles, shown.T, cmap="RdBu_r", vmin=-size, vmax=size, rasterized=True
    )
    axis.figure.colorbar(mesh, ax=axis, label="energy of a triplet (eV)")
    axis.set(
        xlabel="both distances from the centre (Å)", ylabel="angle (degrees)",
        title=f"V₃ {triplet.name}; blank: no data", facecolor="#eeeeee",
    )  # fmt: skip


def _draw_slices(axis: Any, triplet: TripletFunction) -> None:
    distances, opposite = _isosceles(triplet, _POINTS, np.array(_ANGLES))
    for column, angle in enumerate(_ANGLES):
        values = triplet(distances, distances, opposite[:, column])
        axis.plot(distances, values, label=f"{angle:.0f}°", linewidth=1.2)
    axis.axhline(0.0, color="black", linewidth=0.5)
    axis.legend(frameon=False, fontsize=8, title="angle", title_fontsize=8)
    axis.set(xlabel="both distances from the centre (Å)", ylabel="energy of a triplet (eV)")


def plot_learning_curve(rows: Sequence[dict[str, float]]) -> Figure:
    """Draw errors over the number of training configurations.

    Parameters
    ----------
    rows
        For each size: "configurations", "energy_rmse" in meV/atom, "force_rmse" in eV/Å.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    counts = [row["configurations"] for row in rows]
    panels = (("energy_rmse", "energy error (meV/atom)"), ("force_rmse", "force error (eV/Å)"))
    for axis, (name, label), colour in zip(
        figure.subplots(1, 2), panels, (_BLUE, _ORANGE), strict=True
    ):
        axis.plot(counts, [row[name] for row in rows], "o-", color=colour)
        axis.set(xlabel="training configurations", ylabel=label, xscale="log", yscale="log")
    return figure
