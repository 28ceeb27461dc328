"""Pictures of a force field's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.forcefields.reference.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_parity"]

_COLOURS = ("#1f5fa8", "#d9772b", "#3a8a4d", "#8a8a8a")


def plot_parity(comparison: Comparison) -> Figure:
    """Draw energies and force components against the reference, one colour for each part.

    Parameters
    ----------
    comparison
        What was predicted.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part, colour in zip(comparison.parts, _COLOURS, strict=False):
        own = comparison.part(part)
        energies = [
            (item.energy, item.predicted_energy + own.shift)
            for item in own.configurations
            if item.energy is not None
        ]
        _scatter(
            left, np.array(energies).reshape(-1, 2),
            f"{part}: {own.energy_rmse:.2f} meV/atom", colour,
        )  # fmt: skip
        pairs = [
            np.stack([item.forces.ravel(), item.predicted_forces.ravel()], 1)
            for item in own.configurations
            if item.forces is not None
        ]
        _scatter(
            right, np.concatenate([np.zeros((0, 2)), *pairs]),
            f"{part}: {own.force_rmse:.3f} eV/Å", colour,
        )  # fmt: skip
    left.set(xlabel="reference energy (eV/atom)", ylabel="predicted energy (eV/atom)")
    right.set(xlabel="reference force component (eV/Å)", ylabel="predicted (eV/Å)")
    for axis in (left, right):
        axis.axline((0.0, 0.0), slope=1.0, color="black", linewidth=0.6, zorder=0)
        axis.legend(frameon=False, fontsize=8, title="root mean square error", title_fontsize=8)
    _fit_view(left, comparison)
    return figure


def _scatter(axis: Any, points: Any, label: str, colour: str) -> None:
    if len(points):
        axis.plot(
            points[:, 0], points[:, 1], ".", markersize=2.5, alpha=0.5, color=colour, label=label,
            rasterized=True,
        )  # fmt: skip


def _fit_view(axis: Any, comparison: Comparison) -> None:
    """The line through the origin must not widen the range of the energies."""
    known = [item.energy for item in comparison.configurations if item.energy is not None]
    if known:
        margin = 0.05 * (max(known) - min(known)) + 1e-3
        limits = (min(known) - margin, max(known) + margin)
        axis.set(xlim=limits, ylim=limits)
