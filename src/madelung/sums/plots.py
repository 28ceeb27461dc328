"""Pictures of complete sums: heat maps of the pair matrices, and site potentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.crystals.crystal import Crystal
from madelung.sums.formatting import bound_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from madelung.sums.electrostatics import Electrostatics

__all__ = ["plot_sums"]

_COLUMNS = 3
_PANEL = 3.4
# Above these numbers of atoms, ticks and bars would run into each other.
_NAMED_ATOMS = 30
_BARS = 60
# Positive sums that span more than this factor are shown on a logarithmic scale.
_WIDE_RANGE = 50.0


def plot_sums(
    crystal: Crystal,
    values: NDArray[np.float64],
    titles: Sequence[str],
    certificate: NDArray[np.float64] | None = None,
    electrostatics: Electrostatics | None = None,
) -> Figure:
    """Draw the sums of one crystal.

    Parameters
    ----------
    crystal
        The crystal.
    values
        (P, n, n) complete sums.
    titles
        P titles of the heat maps, with units.
    certificate
        (P,) bounds on the errors, printed under the maps.
    electrostatics
        If given, the site potentials (V) are drawn below the maps.

    Returns
    -------
    matplotlib.figure.Figure
        Made without matplotlib's global state; :func:`save_figure` writes it.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(values))
    map_rows = math.ceil(len(values) / columns)
    rows = map_rows + (electrostatics is not None)
    # A single heat map is given more width, so that the row of site potentials stays readable.
    width = _PANEL * max(columns, 1.6) + 0.6
    figure = Figure(figsize=(width, _PANEL * map_rows + 2.6 * (rows - map_rows) + 0.5))
    figure.set_layout_engine("constrained")
    grid = figure.add_gridspec(
        rows, columns, height_ratios=[1.0] * map_rows + [0.75] * (rows - map_rows)
    )
    for index, (matrix, title) in enumerate(zip(values, titles, strict=True)):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        bound = None if certificate is None else float(certificate[index])
        _draw_matrix(axes, crystal, matrix, title, bound)
    if electrostatics is not None:
        _draw_site_potentials(figure.add_subplot(grid[-1, :]), crystal, electrostatics)
    figure.suptitle(f"{crystal.formula}: complete lattice sums", fontsize=12)
    return figure


def _draw_matrix(
    axes: Axes, crystal: Crystal, matrix: NDArray[np.float64], title: str, bound: float | None
) -> None:
    image = axes.imshow(matrix, interpolation="nearest", **_colours(matrix))
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.ax.tick_params(labelsize=8)
    axes.set_title(title, fontsize=10)
    if len(crystal) <= _NAMED_ATOMS:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(crystal)), crystal.symbols, fontsize=8)
    else:
        axes.tick_params(labelsize=8)
    axes.set_xlabel(
        "atom j" if bound is None else f"atom j\n(every error below {bound_text(bound)})",
        fontsize=8,
    )
    axes.set_ylabel("atom i", fontsize=8)


def _colours(matrix: NDArray[np.float64]) -> dict[str, Any]:
    from matplotlib.colors import LogNorm

    lowest, highest = float(matrix.min()), float(matrix.max())
    if lowest < 0.0 < highest:
        limit = max(-lowest, highest)
        return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    if lowest > 0.0 and highest > _WIDE_RANGE * lowest:
        return {"cmap": "viridis", "norm": LogNorm(lowest, highest)}
    return {"cmap": "viridis"}


def _draw_site_potentials(axes: Axes, crystal: Crystal, result: Electrostatics) -> None:
    palette = [f"C{index}" for index in range(10)]
    places = np.arange(len(crystal))
    for index, number in enumerate(crystal.species):
        chosen = np.flatnonzero(crystal.numbers == number)
        colour = palette[index % len(palette)]
        label = crystal.symbols[chosen[0]]
        if len(crystal) <= _BARS:
            axes.bar(places[chosen], result.site_potentials[chosen], color=colour, label=label)
        else:
            axes.plot(
                places[chosen], result.site_potentials[chosen], ".", color=colour, label=label
            )
    axes.axhline(0.0, color="black", linewidth=0.8)
    if len(crystal) <= _NAMED_ATOMS:
        axes.set_xticks(places, crystal.symbols, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("atom", fontsize=8)
    axes.set_ylabel("site potential (V)", fontsize=9)
    axes.legend(fontsize=8, ncols=len(crystal.species), frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    if result.madelung_constant is not None and result.madelung_certificate is not None:
        constant = value_text(result.madelung_constant, result.madelung_certificate)
        axes.set_title(f"Madelung constant {constant}", fontsize=10)
    elif not result.is_neutral:
        axes.set_title(f"net charge {result.net_charge:+g} e, neutral background", fontsize=10)
