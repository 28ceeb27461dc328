"""Pictures of how a training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.common.axes import integer_ticks, log_scale
from madelung.common.figures import BLUE, GREY, ORANGE, in_style, new_figure, unit_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]


@in_style
def plot_history(
    history: Sequence[dict[str, Any]],
    units: Mapping[str, str],
    measured_on: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the loss and the validation errors over the epochs.

    Parameters
    ----------
    history
        Rows of ``history.csv``.
    units
        Unit of each target.
    measured_on
        What the validation errors of each target were measured on, such as ``"200 crystals"``.
    """
    validated = [name for name in history[0] if name.startswith("val ")]
    # Of what the data do not hold there is no error, and no panel.
    known = [name for name in validated if any(np.isfinite(row[name]) for row in history)]
    names = [name.removeprefix("val ") for name in known]
    epochs = [row["epoch"] for row in history]
    figure = new_figure(3.6 * (1 + len(names)), 3.2)
    axes = np.atleast_1d(figure.subplots(1, 1 + len(names)))
    axes[0].plot(epochs, [row["loss"] for row in history], color=GREY)
    axes[0].set(xlabel="epoch", ylabel="training loss (standardised)", title="training")
    for axis, name in zip(axes[1:], names, strict=True):
        errors = np.array([row[f"val {name}"] for row in history])
        best = int(np.nanargmin(errors))
        axis.plot(epochs, errors, color=BLUE)
        axis.plot(
            epochs[best], errors[best], "o", color=ORANGE,
            label=f"lowest: {errors[best]:.4g} {units.get(name, '')}".rstrip(),
        )  # fmt: skip
        axis.set(xlabel="epoch", ylabel=f"validation error{unit_text(units.get(name, ''))}")
        crystals = (measured_on or {}).get(name)
        axis.set_title(f"{name}, validation" + (f" ({crystals})" if crystals else ""))
        axis.legend()
    for axis in axes:
        log_scale(axis.yaxis)
        integer_ticks(axis.xaxis)
    return figure
