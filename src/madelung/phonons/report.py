"""What is said of the phonons of crystals: a row for each, and files of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.figures import save_figure
from madelung.common.outputs import write_json
from madelung.common.tables import write_rows
from madelung.phonons.bands import BandPath, Bands, bands, density_of_states
from madelung.phonons.calibration import Calibration
from madelung.phonons.evaluation import Evaluation
from madelung.phonons.plots import plot_bands, plot_thermodynamics
from madelung.phonons.prediction import Estimate, Phonons, PhononSummary

__all__ = [
    "SUMMARY_COLUMNS",
    "evaluation_report",
    "summary_line",
    "summary_row",
    "write_bands",
    "write_thermodynamics",
]

_ESTIMATES = {
    "minimum": "THz",
    "maximum": "THz",
    "free_energy": "meV/atom",
    "entropy": "J/(K mol)",
    "heat_capacity": "J/(K mol)",
}
SUMMARY_COLUMNS = (
    "file", "formula", "atoms", "stable", "unstable_probability",
    *(name for one in _ESTIMATES for name in (one, f"{one}_90")),
    "zero_point", "left_out", "warnings",
)  # fmt: skip
"""Columns of the table of crystals."""


def summary_row(name: str, formula: str, phonons: Phonons) -> dict[str, Any]:
    """Return what is said of a crystal, at 300 K, as JSON and CSV hold it.

    Parameters
    ----------
    name
        Its file.
    formula
        Of the cell as it was given.
    phonons
        Its phonons.
    """
    summary = phonons.summary()
    row: dict[str, Any] = {
        "file": name,
        "formula": formula,
        "atoms": len(phonons.crystal),
        "stable": summary.stable,
        "unstable_probability": summary.unstable_probability,
    }
    for one in _ESTIMATES:
        estimate: Estimate = getattr(summary, one)
        row[one], row[f"{one}_90"] = estimate.value, estimate.half_width
    notes = [*phonons.warnings, *_notes(summary)]
    return row | {"zero_point": summary.zero_point, "left_out": summary.left_out, "warnings": notes}


def _notes(summary: PhononSummary) -> list[str]:
    """Say where the answer hangs on little."""
    notes = []
    half = summary.minimum.half_width
    if half is not None and abs(summary.minimum.value) < half:
        notes.append(
            f"the lowest frequency, {summary.minimum.value:.2f} THz, is nearer to zero than its "
            f"90 % interval is wide ({half:.2f} THz): stability is not decided"
        )
    if not summary.stable and summary.left_out > 0.0:
        notes.append(
            f"{100 * summary.left_out:.1f} % of the modes are unstable or softer than 0.05 THz, "
            "and are left out of the thermodynamics"
        )
    return notes


def summary_line(row: dict[str, Any]) -> str:
    """Return a row as a line for reading, with its warnings below."""
    words = ["stable" if row["stable"] else "unstable"]
    if row["unstable_probability"] is not None:
        words[0] += f" (unstable: {100 * row['unstable_probability']:.0f} %)"
    labels = {"maximum": "highest", "free_energy": "F", "entropy": "S", "heat_capacity": "Cv"}
    for name, label in labels.items():
        half = row[f"{name}_90"]
        digits = 2 if name in ("maximum", "heat_capacity") else 1
        text = f"{label} {row[name]:.{digits}f}"
        words.append(f"{text}{'' if half is None else f' ± {half:.{digits}f}'} {_ESTIMATES[name]}")
    line = f"{row['file']}  {row['formula']}  " + ", ".join(words)
    return line + "".join(f"\n  warning: {note}" for note in row["warnings"])


def write_bands(
    phonons: Phonons,
    folder: Path,
    *,
    dipoles: bool = False,
    reference: Phonons | None = None,
    density: bool = True,
    title: str = "",
    multiples: NDArray[np.int64] | None = None,
) -> list[Path]:
    """Write bands and the density of states as CSV, JSON and a picture.

    Parameters
    ----------
    phonons
        Of a crystal.
    folder
        Where to.
    dipoles
        Whether the non-analytical term of Born charges is added.
    reference
        Phonons of the same primitive cell, drawn over the others.
    density
        Whether the density of states is wanted.
    title
        Of the picture.
    multiples
        Supercell whose force constants hold the dipoles.

    Returns
    -------
    list of Path
    """
    found = bands(phonons, dipoles=dipoles, multiples=multiples)
    other = None if reference is None else bands(reference, found.path)
    states = density_of_states(phonons) if density else None
    written = [folder / "bands.csv", folder / "bands.json", folder / "bands.png"]
    write_rows(written[0], _band_rows(found))
    places, labels = found.path.ticks
    write_json(
        written[1],
        {"ticks": places, "labels": labels, "dipoles": found.has_dipoles, "unit": "THz",
         "lines": [list(line) for line in found.path.lines]},
    )  # fmt: skip
    if states is not None:
        written.append(folder / "density-of-states.csv")
        rows = [
            {"frequency_THz": frequency, "total": total,
             **{symbol: values[at] for symbol, values in states.by_element.items()}}
            for at, (frequency, total) in enumerate(
                zip(states.frequencies, states.total, strict=True)
            )
        ]  # fmt: skip
        write_rows(written[-1], rows)
    save_figure(plot_bands(found, states, reference=other, title=title), written[2])
    return written


def _band_rows(found: Bands) -> list[dict[str, Any]]:
    path: BandPath = found.path
    modes = range(1, found.frequencies.shape[1] + 1)
    rows = []
    for at, (point, distance) in enumerate(zip(path.wave_vectors, path.distances, strict=True)):
        row: dict[str, Any] = {"distance": distance, "q1": point[0], "q2": point[1], "q3": point[2]}
        row |= {f"mode_{mode}": found.frequencies[at, mode - 1] for mode in modes}
        if found.half_widths is not None:
            row |= {f"mode_{mode}_90": found.half_widths[at, mode - 1] for mode in modes}
        rows.append(row)
    return rows


def write_thermodynamics(
    phonons: Phonons, folder: Path, temperatures: ArrayLike, *, title: str = ""
) -> list[Path]:
    """Write free energy, entropy and heat capacity over the temperature as CSV and a picture."""
    estimates = phonons.thermodynamics(temperatures)
    values = estimates.values
    names = ("free_energy", "entropy", "heat_capacity")
    rows: list[dict[str, Any]] = []
    for at, temperature in enumerate(values.temperatures):
        row: dict[str, Any] = {"temperature_K": temperature}
        for name in names:
            row[name] = getattr(values, name)[at]
            if estimates.half_widths is not None:
                row[f"{name}_90"] = estimates.half_widths[name][at]
        rows.append(row)
    written = [folder / "thermodynamics.csv", folder / "thermodynamics.png"]
    write_rows(written[0], rows)
    save_figure(plot_thermodynamics(estimates, title=title), written[1])
    return written


def evaluation_report(evaluation: Evaluation, calibration: Calibration | None) -> dict[str, Any]:
    """Return what an evaluation says, with names as in the published tables."""
    means = evaluation.means()
    errors = {
        "frequency_mean": means["frequency"],
        "frequency_median": means["frequency_median"],
        "maximum": means["maximum"],
        "F300": means["free_energy"],
        "S300": means["entropy"],
        "Cv300": means["heat_capacity"],
        "stability_accuracy": means["stability_accuracy"],
        "stability_matthews": means["stability_matthews"],
        "born": means["born"],
    }
    report: dict[str, Any] = {
        "crystals": len(evaluation.crystals),
        "not_used": len(evaluation.problems),
        "errors": errors,
        "by_class": evaluation.by_class(),
    }
    if calibration is not None:
        report["within_90"] = evaluation.coverage(calibration)
        report["rank_correlation"] = evaluation.rank_correlations()
    return report
