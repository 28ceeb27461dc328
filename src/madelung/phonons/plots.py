"""Pictures of phonons: bands beside the density of states, and thermodynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.common.figures import BLUE, COLOURS, GREY, ORANGE, in_style, new_figure, subscripts
from madelung.phonons.bands import Bands, DensityOfStates
from madelung.phonons.prediction import ThermalEstimates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_bands", "plot_thermodynamics"]

_MARGIN = 0.04
# States that are this small a part of the highest peak are not seen.
_SEEN = 0.01


@in_style
def plot_bands(
    bands: Bands,
    density: DensityOfStates | None = None,
    *,
    reference: Bands | None = None,
    title: str = "",
) -> Figure:
    """Draw bands, with their intervals, and the density of states beside them.

    Parameters
    ----------
    bands
        What is drawn.
    density
        Beside it, on the same axis of frequencies.
    reference
        Bands along the same path, drawn over the others.
    title
        Such as the formula.
    """
    figure = new_figure(7.0 if density else 5.4, 3.8)
    if density is None:
        left = figure.subplots()
    else:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        _draw_density(right, density)
    _draw_bands(left, bands, reference)
    left.set_ylim(_frequency_limits(bands, density, reference))
    figure.suptitle(subscripts(title), fontsize="medium") if title else None
    return figure


def _frequency_limits(
    bands: Bands, density: DensityOfStates | None, reference: Bands | None
) -> tuple[float, float]:
    """Limits that hold all bands, their intervals, and whatever has states; zero among them."""
    shown = [np.zeros(1), bands.frequencies.ravel()]
    if bands.half_widths is not None:
        shown += [(bands.frequencies + sign * bands.half_widths).ravel() for sign in (-1.0, 1.0)]
    if reference is not None:
        shown.append(reference.frequencies.ravel())
    if density is not None:
        # Unstable modes may lie off the path.
        shown.append(density.frequencies[density.total > _SEEN * density.total.max()])
    everything = np.concatenate(shown)
    lowest, highest = float(everything.min()), float(everything.max())
    margin = _MARGIN * (highest - lowest) or 1.0
    return lowest - margin if lowest < 0.0 else 0.0, highest + margin


def _draw_bands(axes: Axes, bands: Bands, reference: Bands | None) -> None:
    path = bands.path
    for _, _, start, stop in path.lines:
        part = slice(start, stop)
        places = path.distances[part]
        for mode in range(bands.frequencies.shape[1]):
            values = bands.frequencies[part, mode]
            if bands.half_widths is not None:
                half = bands.half_widths[part, mode]
                axes.fill_between(
                    places, values - half, values + half, color=BLUE, alpha=0.12, linewidth=0
                )
            axes.plot(places, values, color=BLUE, linewidth=1.1)
            if reference is not None:
                axes.plot(places, reference.frequencies[part, mode], color=ORANGE, linewidth=0.9)
    ticks, labels = path.ticks
    axes.set_xticks(ticks, labels)
    axes.tick_params(axis="x", length=0)
    for place in ticks:
        axes.axvline(place, color=GREY, linewidth=0.5, zorder=0)
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_ylabel("Frequency (THz)")
    label = "predicted" if reference else "bands"
    named: list[Any] = [axes.plot([], [], color=BLUE, label=label)[0]]
    if bands.half_widths is not None:
        named.append(axes.fill_between([], [], [], color=BLUE, alpha=0.2, label="90 % interval"))
    if reference is not None:
        named.append(axes.plot([], [], color=ORANGE, label="reference")[0])
    if len(named) > 1:
        axes.figure.legend(handles=named, loc="outside lower center", ncols=3, frameon=False)


def _draw_density(axes: Axes, density: DensityOfStates) -> None:
    axes.plot(density.total, density.frequencies, color="black", linewidth=1.0, label="total")
    if len(density.by_element) > 1:
        for colour, (symbol, values) in zip(
            COLOURS[2:] * 4, density.by_element.items(), strict=False
        ):
            axes.plot(values, density.frequencies, color=colour, linewidth=1.0, label=symbol)
        axes.legend(frameon=False, fontsize="small", loc="best")
    axes.set_xlim(left=0.0)
    axes.set_xlabel("States (1/THz)")
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)


@in_style
def plot_thermodynamics(estimates: ThermalEstimates, *, title: str = "") -> Figure:
    """Draw free energy, entropy and heat capacity over the temperature, with intervals."""
    figure = new_figure(8.4, 2.9)
    values = estimates.values
    panels = (
        ("free_energy", "Free energy (meV/atom)"),
        ("entropy", "Entropy (J/(K mol atoms))"),
        ("heat_capacity", "Heat capacity (J/(K mol atoms))"),
    )
    for axes, (name, label) in zip(figure.subplots(1, 3), panels, strict=True):
        own = getattr(values, name)
        if estimates.half_widths is not None:
            half = estimates.half_widths[name]
            axes.fill_between(
                values.temperatures, own - half, own + half, color=BLUE, alpha=0.2, linewidth=0,
                label="90 % interval",
            )  # fmt: skip
        axes.plot(values.temperatures, own, color=BLUE, marker="o" if len(own) < 2 else "")
        axes.set_xlabel("Temperature (K)")
        axes.set_ylabel(label)
        if len(own) > 1:
            axes.set_xlim(values.temperatures[0], values.temperatures[-1])
        if name == "heat_capacity":
            # Dulong and Petit.
            axes.axhline(3.0 * 8.31446, color=GREY, linewidth=0.8, linestyle="--", label="3R")
            width = 0.0 if estimates.half_widths is None else estimates.half_widths[name]
            highest = max(3.0 * 8.31446, float(np.max(own + width)))
            axes.set_ylim(min(0.0, float(np.min(own - width))), 1.05 * highest)
            axes.legend(frameon=False, fontsize="small", loc="lower right")
    figure.suptitle(subscripts(title), fontsize="medium") if title else None
    return figure
