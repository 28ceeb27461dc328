"""Pictures of a force field's errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from madelung.common.axes import ParitySeries, draw_parity
from madelung.common.figures import in_style, new_figure
from madelung.common.units import GIGAPASCAL, MILLIELECTRONVOLTS
from madelung.forcefields.reference.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_parity"]


# The six different components of a stress.
_ROWS, _COLUMNS = np.triu_indices(3)


@in_style
def plot_parity(comparison: Comparison) -> Figure:
    """Draw energies, force components and stresses against the reference, part by part.

    Stresses have a panel if any reference has one, in GPa.

    Parameters
    ----------
    comparison
        What was predicted.
    """
    parts = [comparison.part(name) for name in comparison.parts]
    stresses = [_stresses(name, own) for name, own in zip(comparison.parts, parts, strict=True)]
    has_stresses = any(len(one.references) for one in stresses)
    figure = new_figure(11.4 if has_stresses else 7.6, 4.4)
    energy, force, *stress = figure.subplots(1, 2 + has_stresses)
    energies = [_energies(name, own) for name, own in zip(comparison.parts, parts, strict=True)]
    draw_parity(
        energy,
        energies,
        "energy",
        "eV/atom",
        error_unit="meV/atom",
        error_factor=MILLIELECTRONVOLTS,
    )
    forces = [_forces(name, own) for name, own in zip(comparison.parts, parts, strict=True)]
    draw_parity(force, forces, "force component", "eV/Å")
    if has_stresses:
        draw_parity(stress[0], stresses, "stress component", "GPa")
    counts = ", ".join(
        f"{len(own.configurations):,} of {name}"
        for name, own in zip(comparison.parts, parts, strict=True)
    )
    figure.suptitle(f"configurations: {counts}")
    return figure


def _energies(name: str, own: Comparison) -> ParitySeries:
    return _series(
        name,
        (
            (np.array([item.energy]), np.array([item.predicted_energy + own.shift]))
            for item in own.configurations
            if item.energy is not None
        ),
    )


def _forces(name: str, own: Comparison) -> ParitySeries:
    return _series(
        name,
        (
            (item.forces.ravel(), item.predicted_forces.ravel())
            for item in own.configurations
            if item.forces is not None
        ),
    )


def _stresses(name: str, own: Comparison) -> ParitySeries:
    return _series(
        name,
        (
            (
                item.stress[_ROWS, _COLUMNS] / GIGAPASCAL,
                item.predicted_stress[_ROWS, _COLUMNS] / GIGAPASCAL,
            )
            for item in own.configurations
            if item.stress is not None and item.predicted_stress is not None
        ),
    )


def _series(name: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> ParitySeries:
    found = list(pairs)
    references = np.concatenate([np.zeros(0), *(one for one, _ in found)])
    return ParitySeries(name, references, np.concatenate([np.zeros(0), *(o for _, o in found)]))
