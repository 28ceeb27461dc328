"""The landscape of candidates: energy over density."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from madelung.common.figures import BLUE, GREY, ORANGE, in_style, new_figure, subscripts
from madelung.polymorphs.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_landscape"]

_LABELLED, _MARGIN = 5, 0.06


@in_style
def plot_landscape(ranking: Ranking, experimental: Collection[str] = ()) -> Figure:
    """Draw the energies of distinct candidates over their densities, with standard errors.

    Parameters
    ----------
    ranking
        What is drawn.
    experimental
        Names of candidates that are known as crystals.
    """
    rows = [row for row in ranking.rows if not row["duplicate_of"]]
    density, energy, error = (
        np.array([row[name] for row in rows])
        for name in ("density", "energy_kJ_mol", "standard_error")
    )
    figure = new_figure(5.2, 4.0)
    axes = figure.subplots()
    tie = float(error[0]) * 2.0**0.5
    margin = _MARGIN * float(np.ptp(density)) or _MARGIN
    limits = (float(density.min()) - margin, float(density.max()) + margin)
    axes.set_xlim(limits)
    axes.fill_between(
        limits, float(energy.min()), tie, color=GREY, alpha=0.15, linewidth=0,
        label="not told from the lowest",
    )  # fmt: skip
    axes.errorbar(
        density, energy, yerr=error, fmt="o", color=BLUE, markersize=4, elinewidth=0.6,
        label="candidates, with standard errors",
    )  # fmt: skip
    twins = {row["duplicate_of"] for row in ranking.rows if row["name"] in experimental}
    known = np.array([row["name"] in experimental or row["name"] in twins for row in rows])
    if known.any():
        axes.plot(
            density[known], energy[known], "D", color=ORANGE, markersize=7, label="experimental"
        )
    for row in rows[:_LABELLED]:
        axes.annotate(
            f" {row['rank']}", (row["density"], row["energy_kJ_mol"]), fontsize="small", va="bottom"
        )
    axes.set_xlabel("Density (g/cm³)")
    axes.set_ylabel("Energy above the lowest (kJ/mol)")
    axes.set_title(subscripts(ranking.unit), fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="best")
    return figure
