"""Picture of a sweep: errors over cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from madelung.common.axes import log_scale
from madelung.common.figures import BLUE, GREY, in_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from madelung.forcefields.uf3.sweep_trial import SweepTrial

__all__ = ["plot_sweep"]


@in_style
def plot_sweep(trials: Sequence[SweepTrial], configurations: int) -> Figure:
    """Draw errors of all trials over their cost, and the front of the efficient ones.

    Parameters
    ----------
    trials
        Finished trials.
    configurations
        How many configurations were left out in turn.
    """
    figure = new_figure(7.6, 3.4)
    panels = (("energy_rmse", "energy RMSE (meV/atom)"), ("force_rmse", "force RMSE (eV/Å)"))
    front = sorted((trial for trial in trials if trial.efficient), key=lambda t: t.microseconds)
    others = [trial for trial in trials if not trial.efficient]
    for axis, (name, label) in zip(figure.subplots(1, 2), panels, strict=True):
        axis.plot(
            [trial.microseconds for trial in others], [getattr(trial, name) for trial in others],
            "o", color=GREY, label="other trials",
        )  # fmt: skip
        axis.plot(
            [trial.microseconds for trial in front], [getattr(trial, name) for trial in front],
            "o-", color=BLUE, label="no trial has a better score and is faster",
        )  # fmt: skip
        axis.set(xlabel="time for an atom (µs)", ylabel=label)
        log_scale(axis.xaxis)
        log_scale(axis.yaxis)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(
        f"{len(trials)} trials, cross-validation on {configurations:,} training configurations"
    )
    return figure
