"""Pictures of a run and of a model's errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_errors", "plot_history"]

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9772b", "#8a8a8a"


def plot_history(history: Sequence[dict[str, Any]], units: dict[str, str]) -> Figure:
    """Draw the loss and the validation errors over the epochs.

    Parameters
    ----------
    history
        Rows of ``history.csv``.
    units
        Unit of each target.
    """
    from matplotlib.figure import Figure

    names = [name.removeprefix("val ") for name in history[0] if name.startswith("val ")]
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(4.2 * (1 + len(names)), 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, 1 + len(names)))
    axes[0].plot(epochs, [row["loss"] for row in history], color=_GREY)
    axes[0].set(xlabel="epoch", ylabel="training loss (standardised)", yscale="log")
    for axis, name in zip(axes[1:], names, strict=True):
        errors = np.array([row[f"val {name}"] for row in history])
        best = int(np.nanargmin(errors))
        axis.plot(epochs, errors, color=_BLUE)
        axis.plot(epochs[best], errors[best], "o", color=_ORANGE)
        axis.set(xlabel="epoch", ylabel=f"validation error{_in(units.get(name, ''))}")
        axis.set_yscale("log")
        axis.set_title(f"{name}\nlowest {errors[best]:.4g}", fontsize=9)
    return figure


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
    parity.plot([low, high], [low, high], color=_GREY, linewidth=0.8)
    parity.scatter(truths, predictions, s=6, alpha=0.4, color=_BLUE, linewidths=0)
    parity.set(xlabel=f"true{_in(unit)}", ylabel=f"predicted{_in(unit)}")
    parity.set_title(f"{title}: MAE {np.abs(errors).mean():.4g} {unit}, {len(errors)} crystals",
                     fontsize=9)  # fmt: skip
    residual.axhline(0.0, color=_GREY, linewidth=0.8)
    residual.scatter(truths, errors, s=6, alpha=0.4, color=_BLUE, linewidths=0)
    residual.set(xlabel=f"true{_in(unit)}", ylabel=f"predicted - true{_in(unit)}")
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
    axis.plot([0, largest], [0, largest], color=_GREY, linewidth=0.8)
    axis.plot(stated, found, "o-", color=_ORANGE, markersize=4)
    axis.set(
        xlabel=f"stated uncertainty{_in(unit)}", ylabel=f"68 % of errors below{_in(unit)}",
        xlim=(0, None), ylim=(0, None),
    )  # fmt: skip
    axis.set_title("calibration, tenths of the crystals", fontsize=9)


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""
