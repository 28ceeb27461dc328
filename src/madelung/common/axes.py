"""Axes that figures share: parity, logarithmic axes, two curves on one panel, numbers on maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.figures import COLOURS, GREY, number_text, unit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colorbar import Colorbar

__all__ = [
    "ParitySeries",
    "colour_axis",
    "draw_parity",
    "integer_ticks",
    "log_colourbar",
    "log_scale",
    "log_ticks",
    "shared_limits",
    "tick_text",
    "twin_axes",
    "write_numbers",
]

Array = NDArray[np.float64]

_MARGIN = 0.04
_MOST_TICKS = 6
# With fewer powers of ten than this in view, 2 and 5 times them get ticks too.
_ENOUGH_DECADES = 3
# Above this many points single ones are no longer seen, and vector files would grow large.
_MANY_POINTS = 500
_SMALLEST_FONT, _LARGEST_FONT = 5.5, 8.0
# Width of a digit over the size of its font.
_DIGIT_WIDTH = 0.64


@dataclass(frozen=True, eq=False)
class ParitySeries:
    """Points of one part of the data.

    Parameters
    ----------
    name
        What they were measured on: training, validation, test.
    references, predictions
        (n,) values in the unit of the axes.
    """

    name: str
    references: Array
    predictions: Array


def shared_limits(series: Sequence[ParitySeries]) -> tuple[float, float]:
    """Return limits with a margin that hold all references and all predictions."""
    values = [values for one in series for values in (one.references, one.predictions)]
    everything = np.concatenate([np.zeros(0), *values])
    known = everything[np.isfinite(everything)]
    if len(known) == 0:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = _MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def draw_parity(
    axes: Axes,
    series: Sequence[ParitySeries],
    quantity: str,
    unit: str,
    *,
    error_unit: str = "",
    error_factor: float = 1.0,
) -> None:
    """Draw predictions over references on equal axes that hold every point.

    Parameters
    ----------
    axes
        Where to draw.
    series
        Parts of the data. The legend states the errors of each, and how many values it has.
    quantity, unit
        What is compared, and its unit.
    error_unit, error_factor
        Unit of the errors in the legend if it is another, and what leads to it.
    """
    from matplotlib.ticker import MaxNLocator

    limits = shared_limits(series)
    axes.plot(limits, limits, color=GREY, linewidth=0.8, zorder=0)
    for colour, one in zip(COLOURS, series, strict=False):
        if len(one.references) == 0:
            continue
        many = len(one.references) > _MANY_POINTS
        axes.plot(
            one.references, one.predictions, "o", color=colour, alpha=0.35 if many else 0.7,
            markersize=2.0 if many else 3.5, markeredgewidth=0.0, rasterized=many,
            label=_errors_text(one, error_factor, error_unit or unit),
        )  # fmt: skip
    axes.set(
        xlim=limits, ylim=limits, aspect="equal",
        xlabel=f"reference {quantity}{unit_text(unit)}",
        ylabel=f"predicted {quantity}{unit_text(unit)}",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    if axes.get_legend_handles_labels()[0]:
        # Outside, so that no point lies under it; the pale points get full colour there.
        legend = axes.legend(
            loc="lower left", bbox_to_anchor=(-0.04, 1.0), markerscale=1.6, fontsize=7,
            handlelength=0.8, handletextpad=0.3, borderpad=0.2,
        )  # fmt: skip
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)


def _errors_text(one: ParitySeries, factor: float, unit: str) -> str:
    errors = factor * (one.predictions - one.references)
    rmse, mae = float(np.sqrt(np.mean(errors**2))), float(np.mean(np.abs(errors)))
    return (
        f"{one.name}: RMSE {rmse:.3g}, MAE {mae:.3g}{' ' if unit else ''}{unit}"
        f" (n = {len(errors):,})"
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Return a few clean values between two positive ones: powers of ten, or 1, 2, 5 times them.

    Parameters
    ----------
    low, high
        Ends of the axis.
    """
    from matplotlib.ticker import MaxNLocator

    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    count = last - first + 1
    if count >= _ENOUGH_DECADES:
        step = math.ceil(count / _MOST_TICKS)
        return [10.0**power for power in range(first, last + 1, step)]
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0)):
        ticks = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in factors]
        ticks = [tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9)]
        if 2 < len(ticks) <= _MOST_TICKS:
            return ticks
    even = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in even if low <= tick <= high]


def tick_text(value: float) -> str:
    """Return the label of a logarithmic tick: 0.02, 50, 10⁶."""
    if 1e-3 <= value < 9999.5 or value <= 0.0:
        return f"{value:.6g}"
    power = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10.0**power:.4g}"
    return f"$10^{{{power}}}$" if factor == "1" else rf"${factor}\cdot10^{{{power}}}$"


def log_scale(axis: Axis) -> None:
    """Make an axis, on which all is drawn already, logarithmic, with few clean ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    name = axis.axis_name  # type: ignore[attr-defined]
    axes: Any = axis.axes
    getattr(axes, f"set_{name}scale")("log", nonpositive="mask")
    low, high = sorted(getattr(axes, f"get_{name}lim")())
    ticks = log_ticks(low, high)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axis.set_minor_formatter(NullFormatter())
    if math.log10(high / low) > _MOST_TICKS:
        axis.set_minor_locator(NullLocator())


def log_colourbar(bar: Colorbar, low: float, high: float) -> None:
    """Give the colour bar of a logarithmic map few clean ticks."""
    ticks = log_ticks(low, high)
    bar.set_ticks(ticks, labels=[tick_text(tick) for tick in ticks])
    bar.minorticks_off()


def integer_ticks(axis: Axis, most: int = 6) -> None:
    """Let an axis that counts have whole numbers at its ticks."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True))


def twin_axes(axes: Axes, left: str, right: str) -> Axes:
    """Return axes that share the abscissa, each side in the colour of its curve."""
    other = axes.twinx()
    colour_axis(axes, "left", left)
    colour_axis(other, "right", right)
    other.spines["left"].set_visible(False)
    axes.spines["right"].set_visible(False)
    return other


def colour_axis(axes: Axes, side: str, colour: str) -> None:
    """Give the scale of a side the colour of what is read there."""
    axes.spines[side].set_color(colour)
    axes.tick_params(axis="y", which="both", colors=colour)
    axes.yaxis.label.set_color(colour)


def write_numbers(axes: Axes, values: Array, image: Any, width: float, decimals: int) -> bool:
    """Write the values on a map's cells, unless they would be too small to read.

    Parameters
    ----------
    axes
        Those of the map.
    values
        (rows, columns) values.
    image
        What ``imshow`` gave; says how dark a cell is.
    width
        Width of the map in inches.
    decimals
        Decimals of each number.

    Returns
    -------
    bool
        Whether they have been written.
    """
    texts = {place: number_text(value, decimals) for place, value in np.ndenumerate(values)}
    cell = 72.0 * width / values.shape[1]
    size = min(0.9 * cell / (_DIGIT_WIDTH * max(map(len, texts.values()))), _LARGEST_FONT)
    if size < _SMALLEST_FONT:
        return False
    for (row, column), text in texts.items():
        red, green, blue, _ = image.cmap(image.norm(values[row, column]))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            column, row, text, ha="center", va="center", fontsize=size,
            color="white" if dark else "black",
        )  # fmt: skip
    return True
