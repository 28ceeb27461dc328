"""The zero of energy of each teacher: a constant for each atom, by element."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.teaching.labels import TeacherLabels

__all__ = ["ShiftRule", "fit_shifts", "shifted_energies"]

ShiftRule = Literal["median", "mean"]
"""What is least: the sum of absolute deviations, or of squares."""

_ROUNDS = 50
# Deviations below this, in eV/atom, weigh alike in the search for the least absolute deviations.
_SMALLEST = 1e-6


def fit_shifts(
    labels: TeacherLabels,
    reference_energies: NDArray[np.float64],
    labelled_indices: Any = None,
    rule: ShiftRule = "median",
) -> NDArray[np.float64]:
    """Find what has to be added to each teacher's energies to come nearest to the reference.

    Parameters
    ----------
    labels
        Labels of n configurations with E elements by T teachers.
    reference_energies
        (n,) in eV; NaN where not known.
    labelled_indices
        Configurations whose reference may be used; by default all whose reference is known.
    rule
        ``"median"`` is robust: with one element it is the median of the differences for an atom,
        with several the least absolute deviations. ``"mean"`` are least squares.

    Returns
    -------
    (T, E)
        In eV for an atom of each element; NaN for a teacher without a label there. Elements that
        always occur in the same ratio share what they have together.

    Raises
    ------
    ForceFieldError
        If no reference energy is known.
    """
    usable = usable_rows(labels, reference_energies, labelled_indices)
    fractions = labels.compositions / labels.counts[:, None]
    differences = reference_energies[:, None] / labels.counts[:, None] - labels.energies_per_atom
    shifts = np.full((len(labels.teachers), len(labels.elements)), np.nan)
    for number in range(len(labels.teachers)):
        rows = usable & labels.known[:, number]
        if rows.any():
            shifts[number] = _fit(fractions[rows], differences[rows, number], rule)
    return shifts


def shifted_energies(labels: TeacherLabels, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energies (n, T) in eV/atom from the zero of the reference; NaN where there is none.

    Parameters
    ----------
    labels
        Labels of n configurations by T teachers.
    shifts
        (T, E) what :func:`fit_shifts` found.
    """
    shifted: NDArray[np.float64] = (
        labels.energies + labels.compositions @ shifts.T
    ) / labels.counts[:, None]
    return shifted


def usable_rows(
    labels: TeacherLabels, reference_energies: NDArray[np.float64], labelled_indices: Any
) -> NDArray[np.bool_]:
    """Return (n,) whether a configuration's reference is known and may be used.

    Raises
    ------
    ForceFieldError
        If there is none, or there is not one energy for each configuration.
    """
    if np.shape(reference_energies) != (len(labels),):
        raise ForceFieldError(
            f"reference energies of shape {np.shape(reference_energies)} do not fit "
            f"{len(labels)} configurations"
        )
    usable = np.ones(len(labels), dtype=bool)
    if labelled_indices is not None:
        usable[:] = False
        usable[np.asarray(labelled_indices)] = True
    usable &= np.isfinite(reference_energies)
    if not usable.any():
        raise ForceFieldError("no reference energy is known; teachers cannot be compared with any")
    return usable


def _fit(
    fractions: NDArray[np.float64], differences: NDArray[np.float64], rule: ShiftRule
) -> NDArray[np.float64]:
    """Solve fractions · shifts ≈ differences."""
    if rule == "median" and fractions.shape[1] == 1:
        return np.array([np.median(differences)])
    solution = np.linalg.lstsq(fractions, differences, rcond=None)[0]
    for _ in range(_ROUNDS if rule == "median" else 0):
        # Least absolute deviations by squares, each divided by the deviation it had before.
        deviations = np.abs(differences - fractions @ solution)
        weights = 1.0 / np.sqrt(np.maximum(deviations, _SMALLEST))
        solution = np.linalg.lstsq(fractions * weights[:, None], differences * weights, rcond=None)[
            0
        ]
    return np.asarray(solution)
