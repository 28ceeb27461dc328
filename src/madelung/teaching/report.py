"""What teachers know of configurations: tables, a picture, pseudo-labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.figures import save_figure
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.common.progress import counted
from madelung.common.tables import TableWriter
from madelung.common.units import MILLIELECTRONVOLTS
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.choice import NONE, THRESHOLD, UNKNOWN, Choice, choose_teachers
from madelung.teaching.descriptors import describe, principal_components
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.mixture import Mixture, fit_mixture
from madelung.teaching.plots import plot_map
from madelung.teaching.sources import reference_energies_of

__all__ = ["TeacherReport", "report_teachers"]

_TABLE_FIELDS = ("teacher", "group", "configurations", "rms", "median", "share")
_PLACES = ("id", "group", "atoms", "first", "second", "best", "error")
_PSEUDO = ("id", "atoms", "energy", "standard_error", "labelled")


@dataclass(frozen=True, eq=False)
class TeacherReport:
    """What teachers know.

    Parameters
    ----------
    choice
        The best teacher of each configuration.
    mixture
        Energies of a mixture of them, if it was wanted.
    results
        What stands in ``report.json``; errors in meV/atom.
    folder
        Where the files are.
    """

    choice: Choice
    mixture: Mixture | None
    results: dict[str, Any]
    folder: Path


@alone_in_folder
def report_teachers(
    labels: TeacherLabels,
    configurations: Sequence[Configuration],
    folder: str | os.PathLike[str],
    *,
    threshold: float = THRESHOLD,
    with_mixture: bool = False,
    quiet: bool = True,
) -> TeacherReport:
    """Find out which teacher is the best where, and write and draw it.

    The folder then holds ``report.json``, ``teachers.csv`` (errors and shares of each teacher by
    group), ``map.csv`` and ``map.png`` (each configuration with its place among the structures
    and its best teacher), and, with a mixture, ``pseudo_labels.csv``.

    Parameters
    ----------
    labels
        Of the configurations, in the same order.
    configurations
        Those with a reference energy are compared; a mixture labels the others too.
    folder
        Where to write.
    threshold
        Error in eV/atom beyond which the best teacher is none.
    with_mixture
        Whether to fit a mixture of teachers.
    quiet
        Whether to show no progress.

    Raises
    ------
    ForceFieldError
        If the labels are of other configurations, or no reference energy is known.
    """
    labels.require_same(configurations)
    out, reference = Path(folder), reference_energies_of(configurations)
    choice = choose_teachers(labels, reference, threshold=threshold)
    structures = (item.crystal for item in configurations)
    descriptors = describe(counted(structures, "structures", show=not quiet), labels.elements)
    groups = [item.group or "no group" for item in configurations]
    mixture = fit_mixture(labels, reference, descriptors=descriptors) if with_mixture else None
    results = _results(labels, choice, groups, mixture)
    places = principal_components(descriptors, 2)
    _write_table(out / "teachers.csv", _TABLE_FIELDS, results["errors"])
    _write_table(out / "map.csv", _PLACES, _map_rows(labels, choice, groups, places))
    if mixture is not None:
        _write_table(out / "pseudo_labels.csv", _PSEUDO, _pseudo_rows(labels, mixture))
    with whole_file(out / "report.json") as temporary:
        text = json_text(results, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    save_figure(plot_map(places, choice), out / "map.png")
    return TeacherReport(choice, mixture, results, out)


def _results(
    labels: TeacherLabels, choice: Choice, groups: Sequence[str], mixture: Mixture | None
) -> dict[str, Any]:
    none = choice.classes == len(choice.teachers)
    results: dict[str, Any] = {
        "configurations": len(labels),
        "with_reference": int((choice.classes != UNKNOWN).sum()),
        "elements": list(labels.elements),
        "teachers": list(labels.teachers),
        "shifts": {
            name: row.tolist() for name, row in zip(choice.teachers, choice.shifts, strict=True)
        },
        "threshold": choice.threshold,
        "errors": [row.as_object() for row in choice.table(groups)],
        "none": int(none.sum()),
        "labels_missing": {
            name: int(count)
            for name, count in zip(labels.teachers, (~labels.known).sum(0), strict=True)
        },
        "reasons": [
            {"id": labels.ids[row], "teacher": labels.teachers[column], "reason": text}
            for (row, column), text in sorted(labels.reasons.items())
        ],
    }
    if mixture is not None:
        errors = MILLIELECTRONVOLTS * mixture.left_out_errors[np.isfinite(mixture.left_out_errors)]
        results["mixture"] = {
            "labelled": len(mixture.labelled_indices),
            "left_out_rms": float(np.sqrt(np.mean(errors**2))),
            "left_out_median": float(np.median(np.abs(errors))),
            **asdict(mixture.calibration),
        }
    return results


def _map_rows(
    labels: TeacherLabels, choice: Choice, groups: Sequence[str], places: NDArray[np.float64]
) -> list[list[Any]]:
    plane = places if places.shape[1] > 1 else np.hstack([places, np.zeros_like(places)])
    names = (*choice.teachers, NONE, "")
    return [
        [
            labels.ids[row], groups[row], int(labels.counts[row]),
            *(f"{value:.6g}" for value in plane[row]),
            names[number], "" if np.isnan(error) else f"{MILLIELECTRONVOLTS * error:.6g}",
        ]
        for row, (number, error) in enumerate(
            zip(choice.classes, choice.least_errors, strict=True)
        )
    ]  # fmt: skip


def _pseudo_rows(labels: TeacherLabels, mixture: Mixture) -> list[list[Any]]:
    labelled = set(mixture.labelled_indices.tolist())
    return [
        [
            labels.ids[row], int(labels.counts[row]), _text(mixture.energies[row]),
            _text(mixture.standard_errors[row]), int(row in labelled),
        ]
        for row in range(len(labels))
    ]  # fmt: skip


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.10g}"


def _write_table(path: Path, fields: Sequence[str], rows: Sequence[Any]) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = TableWriter(stream)
        writer.writerow(fields)
        writer.writerows([row[name] for name in fields] if isinstance(row, dict) else row
                         for row in rows)  # fmt: skip
