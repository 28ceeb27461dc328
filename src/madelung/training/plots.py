"""Pictures of a run and of a model's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.axes import ParitySeries, draw_parity
from madelung.common.figures import BLUE, GREY, ORANGE, in_style, new_figure, number_text, unit_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_errors"]

_PARTS = {"train": "training", "val": "validation"}


@in_style
def plot_errors(
    title: str,
    unit: str,
    truths: NDArray[np.float64],
    predictions: NDArray[np.float64],
    uncertainties: NDArray[np.float64],
    part: str,
) -> Figure:
    """Draw predictions against true values, residuals, and stated against true errors.

    Parameters
    ----------
    title
        Name of the target.
    unit
        Its unit.
    truths, predictions
        (n,) values.
    uncertainties
        (n,) stated half-widths that hold 68 % of the errors.
    part
        What they were measured on: "test", "val" or "train".
    """
    figure = new_figure(11.4, 4.0)
    parity, residual, calibration = figure.subplots(1, 3)
    errors = predictions - truths
    measured_on = _PARTS.get(part, part)
    draw_parity(parity, [ParitySeries(measured_on, truths, predictions)], "value", unit)
    residual.axhline(0.0, color=GREY, linewidth=0.8)
    residual.scatter(
        truths,
        errors,
        s=6 if len(errors) > 500 else 14,
        alpha=0.4,
        color=BLUE,
        linewidths=0,
        rasterized=True,
    )
    residual.set(
        xlabel=f"reference value{unit_text(unit)}",
        ylabel=f"predicted − reference{unit_text(unit)}",
        title=f"{measured_on}, mean {number_text(errors.mean(), 4)}{' ' if unit else ''}{unit}",
    )
    _draw_calibration(calibration, np.abs(errors), uncertainties, unit)
    figure.suptitle(f"{title}: {len(errors):,} crystals, {measured_on}")
    return figure


def _draw_calibration(
    axis: Any, errors: NDArray[np.float64], uncertainties: NDArray[np.float64], unit: str
) -> None:
    """Quantiles of true errors in groups of crystals with like uncertainty."""
    order = np.argsort(uncertainties)
    groups = [part for part in np.array_split(order, min(10, len(order))) if len(part)]
    stated = [uncertainties[part].mean() for part in groups]
    found = [np.quantile(errors[part], 0.68) for part in groups]
    largest = max(*stated, *found, 1e-12)
    end = 1.06 * largest
    axis.plot([0, end], [0, end], color=GREY, linewidth=0.8, label="stated is true")
    axis.plot(stated, found, "o-", color=ORANGE, label=f"{len(groups)} groups of crystals")
    axis.legend()
    axis.set(
        xlabel=f"stated uncertainty{unit_text(unit)}",
        ylabel=f"68 % of errors below{unit_text(unit)}",
        xlim=(0.0, end),
        ylim=(0.0, end),
        aspect="equal",
    )
    axis.set_title("calibration")
