"""Pictures of what teachers know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.axes import log_colourbar, log_scale
from madelung.common.figures import COLOURS, in_style, new_figure
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.teaching.choice import UNKNOWN, Choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_learning_curves", "plot_map", "short_name"]

_OTHERS, _NONE, _UNKNOWN = "#a9a9a9", "#000000", "#e4e4e4"
_LEAST = 0.1
# Sizes of points in a picture of few configurations and of many.
_FEW, _FEW_SIZE, _MANY_SIZE = 1500, 6.0, 3.0
# Where a legend has room for a name.
_LONGEST = 44


def short_name(teacher: str) -> str:
    """Return a teacher's name without OpenKIM's number, and not too long."""
    name = teacher.partition("__MO_")[0] or teacher
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


@in_style
def plot_map(places: NDArray[np.float64], choice: Choice) -> Figure:
    """Draw configurations in a plane: their best teacher, and how far off it is.

    Parameters
    ----------
    places
        (n, 2) coordinates, or (n, 1).
    choice
        The best teacher of each.
    """
    plane = places if places.shape[1] > 1 else np.hstack([places, np.zeros_like(places)])
    figure = new_figure(11.4, 5.6)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw_teachers(figure, left, plane, choice)
    _draw_errors(figure, right, plane, choice)
    for axis in (left, right):
        axis.set(xlabel="first component of the structure", xmargin=0.03, ymargin=0.03)
    left.set(ylabel="second component")
    return figure


def _draw_teachers(figure: Figure, axis: Any, plane: NDArray[np.float64], choice: Choice) -> None:
    total = max(int((choice.classes != UNKNOWN).sum()), 1)
    counts = Counter(choice.classes[choice.classes != UNKNOWN].tolist())
    counts.pop(len(choice.teachers), None)
    ranked = [number for number, _ in counts.most_common()]
    shown, others = ranked[: len(COLOURS)], ranked[len(COLOURS) :]
    parts = [
        (choice.classes == UNKNOWN, "no reference energy", _UNKNOWN, "."),
        *(
            (choice.classes == number, short_name(choice.teachers[number]), colour, ".")
            for number, colour in zip(shown, COLOURS, strict=False)
        ),
        (np.isin(choice.classes, others), f"{len(others)} others", _OTHERS, "."),
        (choice.classes == len(choice.teachers), "none", _NONE, "x"),
    ]
    size = _FEW_SIZE if len(plane) < _FEW else _MANY_SIZE
    for rows, name, colour, marker in parts:
        if rows.any():
            share = "" if colour == _UNKNOWN else f", {100.0 * rows.sum() / total:.1f} %"
            axis.plot(
                *plane[rows].T, marker, color=colour, markersize=size, alpha=0.6,
                markeredgewidth=0.0 if marker == "." else 1.0, label=f"{name}{share}",
                rasterized=True,
            )  # fmt: skip
    legend = figure.legend(
        frameon=False, fontsize=7.5, loc="outside lower left", ncols=3, markerscale=7.0 / size,
        title="best teacher, and in what part", title_fontsize=7.5, alignment="left",
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    axis.set_title(f"who is best ({total:,} configurations with a reference energy)")


def _draw_errors(figure: Figure, axis: Any, plane: NDArray[np.float64], choice: Choice) -> None:
    from matplotlib.colors import LogNorm

    errors = MILLIELECTRONVOLTS * choice.least_errors
    known = np.isfinite(errors)
    if not known.any():
        return
    values = np.maximum(errors[known], _LEAST)
    # The largest errors are drawn last, so that they are seen.
    order = np.argsort(values)
    size = _FEW_SIZE if len(plane) < _FEW else _MANY_SIZE
    norm = LogNorm(_LEAST, max(float(values.max()), 10.0 * _LEAST))
    drawn = axis.scatter(
        *plane[known][order].T, c=values[order], s=(0.6 * size) ** 2, cmap="viridis_r",
        linewidths=0.0, norm=norm, rasterized=True,
    )  # fmt: skip
    bar = figure.colorbar(drawn, ax=axis, label="error of the best teacher (meV/atom)", shrink=0.9)
    log_colourbar(bar, float(norm.vmin or _LEAST), float(norm.vmax or _LEAST))
    axis.set_title("how good the best is")


@in_style
def plot_learning_curves(rows: Sequence[Mapping[str, Any]], tested: int) -> Figure:
    """Draw test errors over the number of labelled configurations, a line for each way.

    Parameters
    ----------
    rows
        Those of :func:`~madelung.teach_networks`.
    tested
        How many configurations the errors were measured on.
    """
    figure = new_figure(7.6, 3.4)
    columns = (("energy_rmse", "energy RMSE (meV/atom)"), ("force_rmse", "force RMSE (eV/Å)"))
    for axis, (name, label) in zip(figure.subplots(1, 2), columns, strict=True):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = sorted((row["labelled"], row[name]) for row in rows if row["method"] == method)
            axis.plot(*zip(*own, strict=True), "o-", label=method)
        axis.set(xlabel="labelled configurations", ylabel=label)
        log_scale(axis.xaxis)
        log_scale(axis.yaxis)
    axis.legend()
    figure.suptitle(f"errors on {tested:,} test configurations")
    return figure
