"""Pictures of a run and of a model's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.figures import BLUE, GREY, ORANGE, unit_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_errors"]


def plot_errors(
    title: str,
    unit: str,
    truths: NDArray[np.float64],
    predictions: NDArray[np.float64],
    uncertainties: NDArray[np.float64],
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
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.6, 3.8), layout="constrained")
    parity, residual, calibration = figure.subplots(1, 3)
    errors = predictions - truths
    low = float(min(truths.min(), predictions.min()))
    high = float(max(truths.max(), predictions.max()))
    parity.plot([low, high], [low, high], color=GREY, linewidth=0.8)
    parity.scatter(truths, predictions, s=6, alpha=0.4, color=BLUE, linewidths=0)
    parity.set(xlabel=f"true{unit_text(unit)}", ylabel=f"predicted{unit_text(unit)}")
    parity.set_title(f"{title}: MAE {np.abs(errors).mean():.4g} {unit}, {len(errors)} crystals",
                     fontsize=9)  # fmt: skip
    residual.axhline(0.0, color=GREY, linewidth=0.8)
    residual.scatter(truths, errors, s=6, alpha=0.4, color=BLUE, linewidths=0)
    residual.set(xlabel=f"true{unit_text(unit)}", ylabel=f"predicted - true{unit_text(unit)}")
    _draw_calibration(calibration, np.abs(errors), uncertainties, unit)
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
    axis.plot([0, largest], [0, largest], color=GREY, linewidth=0.8)
    axis.plot(stated, found, "o-", color=ORANGE, markersize=4)
    axis.set(
        xlabel=f"stated uncertainty{unit_text(unit)}",
        ylabel=f"68 % of errors below{unit_text(unit)}",
        xlim=(0, None),
        ylim=(0, None),
    )
    axis.set_title("calibration, tenths of the crystals", fontsize=9)
