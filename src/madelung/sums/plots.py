"""Pictures of complete sums: heat maps of the pair matrices, and site potentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.axes import log_colourbar, write_numbers
from madelung.common.figures import COLOURS, in_style, new_figure, subscripts, superscripts
from madelung.crystals.crystal import Crystal
from madelung.sums.formatting import bound_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from madelung.sums.electrostatics import Electrostatics

__all__ = ["plot_sums"]

_COLUMNS = 3
_PANEL = 3.4
# Above these numbers of atoms, ticks and bars would run into each other.
_NAMED_ROWS, _NAMED_BARS = 14, 30
_BARS = 60
# Width of a map in inches, and decimals that tell its largest number from others.
_MAP_WIDTH, _DIGITS = 2.1, 3
# Positive sums that span more than this factor are shown on a logarithmic scale.
_WIDE_RANGE = 50.0


@in_style
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
    columns = min(_COLUMNS, len(values))
    map_rows = math.ceil(len(values) / columns)
    rows = map_rows + (electrostatics is not None)
    # A single heat map is given more width, so that the row of site potentials stays readable.
    width = _PANEL * max(columns, 1.6) + 0.6
    figure = new_figure(width, _PANEL * map_rows + 2.6 * (rows - map_rows) + 0.5)
    grid = figure.add_gridspec(
        rows, columns, height_ratios=[1.0] * map_rows + [0.75] * (rows - map_rows)
    )
    for index, (matrix, title) in enumerate(zip(values, titles, strict=True)):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        bound = None if certificate is None else float(certificate[index])
        _draw_matrix(axes, crystal, matrix, title, bound)
    if electrostatics is not None:
        _draw_site_potentials(figure.add_subplot(grid[-1, :]), crystal, electrostatics)
    figure.suptitle(f"{subscripts(crystal.formula)}: complete lattice sums")
    return figure


def _draw_matrix(
    axes: Axes, crystal: Crystal, matrix: NDArray[np.float64], title: str, bound: float | None
) -> None:
    order = _order(crystal, _NAMED_ROWS)
    shown = matrix[np.ix_(order, order)]
    image = axes.imshow(shown, interpolation="nearest", **_colours(matrix))
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    if _is_logarithmic(matrix):
        log_colourbar(bar, float(matrix.min()), float(matrix.max()))
    else:
        decimals = _DIGITS - 1 - math.floor(math.log10(max(np.abs(matrix).max(), 1e-12)))
        write_numbers(axes, shown, image, _MAP_WIDTH, min(max(decimals - 1, 0), 6))
    axes.set_title(superscripts(title))
    for axis in (axes.xaxis, axes.yaxis):
        _name_atoms(axis, crystal, _NAMED_ROWS)
    sorting = "" if len(crystal) <= _NAMED_ROWS else ", by element"
    below = "" if bound is None else f"\n(every error below {bound_text(bound)})"
    axes.set(xlabel=f"atom j{sorting}{below}", ylabel=f"atom i{sorting}")


def _order(crystal: Crystal, most: int) -> NDArray[np.intp]:
    """Atoms as they are or, where they are too many for a name each, element by element."""
    if len(crystal) <= most:
        return np.arange(len(crystal))
    return np.argsort(crystal.numbers, kind="stable")


def _name_atoms(axis: Axis, crystal: Crystal, most: int) -> None:
    """Name each atom, or the block of each element where there are many."""
    if len(crystal) <= most:
        axis.set_ticks(range(len(crystal)), crystal.symbols)
        return
    _, firsts, counts = np.unique(crystal.numbers, return_index=True, return_counts=True)
    ends = np.cumsum(counts)
    names = [
        f"{crystal.symbols[first]} ({count})" for first, count in zip(firsts, counts, strict=True)
    ]
    axis.set_ticks(ends - 0.5 * counts - 0.5, names)
    axis.set_ticks(ends[:-1] - 0.5, minor=True)
    axis.set_tick_params(which="major", length=0.0)
    axis.set_tick_params(which="minor", length=8.0)


def _is_logarithmic(matrix: NDArray[np.float64]) -> bool:
    lowest, highest = float(matrix.min()), float(matrix.max())
    return lowest > 0.0 and highest > _WIDE_RANGE * lowest


def _colours(matrix: NDArray[np.float64]) -> dict[str, Any]:
    from matplotlib.colors import LogNorm

    lowest, highest = float(matrix.min()), float(matrix.max())
    if lowest < 0.0 < highest:
        limit = max(-lowest, highest)
        return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    if _is_logarithmic(matrix):
        return {"cmap": "viridis", "norm": LogNorm(lowest, highest)}
    return {"cmap": "viridis"}


def _draw_site_potentials(axes: Axes, crystal: Crystal, result: Electrostatics) -> None:
    potentials = result.site_potentials
    places = np.empty(len(crystal))
    places[_order(crystal, _NAMED_BARS)] = np.arange(len(crystal))
    for index, number in enumerate(crystal.species):
        chosen = np.flatnonzero(crystal.numbers == number)
        named: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)], "label": crystal.symbols[chosen[0]],
        }  # fmt: skip
        if len(crystal) <= _BARS:
            axes.bar(places[chosen], potentials[chosen], **named)
        else:
            axes.plot(places[chosen], potentials[chosen], ".", **named)
    axes.axhline(0.0, color="black", linewidth=0.8)
    _name_atoms(axes.xaxis, crystal, _NAMED_BARS)
    axes.set(
        xlabel="atom" if len(crystal) <= _NAMED_BARS else "atom, by element",
        ylabel="site potential (V)", ymargin=0.12,
    )  # fmt: skip
    axes.legend(ncols=len(crystal.species))
    axes.spines[["top", "right"]].set_visible(False)
    if result.madelung_constant is not None and result.madelung_certificate is not None:
        constant = value_text(result.madelung_constant, result.madelung_certificate)
        axes.set_title(f"Madelung constant {constant}")
    elif not result.is_neutral:
        axes.set_title(f"net charge {result.net_charge:+g} e, neutral background")
