"""Which teacher is the best where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.units import MILLIELECTRONVOLTS
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.shifts import ShiftRule, fit_shifts, shifted_energies, usable_rows

__all__ = ["NONE", "UNKNOWN", "Choice", "TeacherErrors", "choose_teachers"]

THRESHOLD = 0.1
"""Error in eV/atom beyond which even the best teacher is not believed."""
NONE = "none"
"""Name of the class of configurations that no teacher knows."""
UNKNOWN = -1
"""Class of configurations without a reference energy."""


@dataclass(frozen=True)
class TeacherErrors:
    """How good a teacher is in a group of configurations.

    Parameters
    ----------
    teacher, group
        Names; the group ``"all"`` are all configurations.
    configurations
        How many have a label by this teacher and a reference energy.
    rms, median
        Root mean square and median of the magnitude of errors, in meV/atom.
    share
        Part of the group's configurations where it is the best.
    """

    teacher: str
    group: str
    configurations: int
    rms: float
    median: float
    share: float

    def as_object(self) -> dict[str, Any]:
        """Return what stands in JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Choice:
    """Errors of T teachers for n configurations, and who is the best.

    Parameters
    ----------
    teachers
        Their names.
    shifts
        (T, E) what was added to their energies, in eV for an atom of each element.
    errors
        (n, T) energies with the shift less the reference, in eV/atom; NaN where there is no
        label or no reference.
    classes
        (n,) number of the teacher whose error is least; T where all are farther off than the
        threshold or have no label; ``UNKNOWN`` without a reference energy.
    threshold
        In eV/atom.
    """

    teachers: tuple[str, ...]
    shifts: NDArray[np.float64]
    errors: NDArray[np.float64]
    classes: NDArray[np.int64]
    threshold: float

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the T + 1 classes."""
        return (*self.teachers, NONE)

    @property
    def least_errors(self) -> NDArray[np.float64]:
        """(n,) magnitude of the error of the best teacher, in eV/atom; NaN where there is none."""
        magnitudes = np.where(np.isfinite(self.errors), np.abs(self.errors), np.inf)
        least = magnitudes.min(axis=1, initial=np.inf)
        result: NDArray[np.float64] = np.where(np.isfinite(least), least, np.nan)
        return result

    @property
    def best_rms(self) -> float:
        """Root mean square error in meV/atom, had one the best teacher of each configuration."""
        return _rms(self.least_errors)

    def teacher_errors(
        self, teacher: int, rows: NDArray[np.bool_] | None = None, group: str = "all"
    ) -> TeacherErrors:
        """Return how good a teacher is on some configurations.

        Parameters
        ----------
        teacher
            Its number; T for the best of each configuration, called ``"best of each"``.
        rows
            (n,) whether a configuration counts; all by default.
        group
            What to call them.
        """
        chosen = self.classes != UNKNOWN
        if rows is not None:
            chosen &= rows
        each = teacher == len(self.teachers)
        errors = self.least_errors[chosen] if each else self.errors[chosen, teacher]
        own = errors[np.isfinite(errors)]
        classes = self.classes[chosen]
        best = classes < len(self.teachers) if each else classes == teacher
        return TeacherErrors(
            teacher="best of each" if each else self.teachers[teacher],
            group=group,
            configurations=len(own),
            rms=_rms(own),
            median=MILLIELECTRONVOLTS * float(np.median(np.abs(own))) if len(own) else float("nan"),
            share=float(best.mean()) if len(best) else float("nan"),
        )

    def table(self, groups: Sequence[str] | None = None) -> list[TeacherErrors]:
        """Return errors of each teacher and of the best of each configuration.

        Parameters
        ----------
        groups
            n names of groups; the whole and each group are told, in order of appearance.
        """
        names = np.array([""] * len(self.classes) if groups is None else list(groups), dtype=str)
        parts: list[tuple[str, NDArray[np.bool_] | None]] = [("all", None)]
        distinct = list(dict.fromkeys(names.tolist()))
        if len(distinct) > 1:
            parts += [(name, names == name) for name in distinct]
        return [
            self.teacher_errors(teacher, rows, name)
            for name, rows in parts
            for teacher in range(len(self.teachers) + 1)
        ]


def choose_teachers(
    labels: TeacherLabels,
    reference_energies: NDArray[np.float64],
    *,
    labelled_indices: Any = None,
    threshold: float = THRESHOLD,
    rule: ShiftRule = "median",
) -> Choice:
    """Find the best teacher of each configuration, after Shui et al. (NeurIPS 2022).

    Parameters
    ----------
    labels
        Labels of n configurations by T teachers.
    reference_energies
        (n,) in eV; NaN where not known.
    labelled_indices
        Configurations whose reference may be used; by default all whose reference is known. The
        others are of the class ``UNKNOWN``.
    threshold
        Error in eV/atom beyond which the best teacher is none.
    rule
        How shifts are found; see :func:`~madelung.fit_shifts`.

    Raises
    ------
    ForceFieldError
        If no reference energy is known.
    """
    usable = usable_rows(labels, reference_energies, labelled_indices)
    shifts = fit_shifts(labels, reference_energies, labelled_indices, rule)
    reference = np.where(usable, reference_energies, np.nan) / labels.counts
    errors = shifted_energies(labels, shifts) - reference[:, None]
    magnitudes = np.where(np.isfinite(errors), np.abs(errors), np.inf)
    believed = magnitudes.min(axis=1, initial=np.inf) <= threshold
    classes = np.where(believed, magnitudes.argmin(axis=1), len(labels.teachers))
    classes = np.where(usable, classes, UNKNOWN)
    return Choice(labels.teachers, shifts, errors, classes, threshold)


def _rms(errors: NDArray[np.float64]) -> float:
    own = errors[np.isfinite(errors)]
    return MILLIELECTRONVOLTS * float(np.sqrt(np.mean(own**2))) if len(own) else float("nan")
