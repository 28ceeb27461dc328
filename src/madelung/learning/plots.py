"""Pictures of how a training went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.common.figures import BLUE, GREY, ORANGE, unit_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]


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
    axes[0].plot(epochs, [row["loss"] for row in history], color=GREY)
    axes[0].set(xlabel="epoch", ylabel="training loss (standardised)", yscale="log")
    for axis, name in zip(axes[1:], names, strict=True):
        errors = np.array([row[f"val {name}"] for row in history])
        best = int(np.nanargmin(errors))
        axis.plot(epochs, errors, color=BLUE)
        axis.plot(epochs[best], errors[best], "o", color=ORANGE)
        axis.set(xlabel="epoch", ylabel=f"validation error{unit_text(units.get(name, ''))}")
        axis.set_yscale("log")
        axis.set_title(f"{name}\nlowest {errors[best]:.4g}", fontsize=9)
    return figure
