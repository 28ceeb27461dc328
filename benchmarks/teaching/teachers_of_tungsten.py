"""What empirical potentials know of tungsten: the best one, their mean, and a mixture of them.

    python -m benchmarks.teaching.teachers_of_tungsten DATA --page docs/teaching.md

Of 9,691 configurations (Szlachta et al.) 80 % are drawn for training; of these a part is labelled
by DFT, and the rest of the 80 % and the other 20 % are not. Thirteen potentials of OpenKIM have
energies for all (``W_eip_energies.csv.gz``). Shifts, the choice of the best potential and the
mixture see the labelled ones alone; errors are those of the 20 %, over three seeds. The best of
each configuration needs its DFT energy, and no one has it. Writes ``run.json``,
``predictions.csv`` and ``table.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json
from madelung.forcefields.reference.configurations import read_configurations
from madelung.teaching.descriptors import describe
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.mixture import fit_mixture
from madelung.teaching.shifts import fit_shifts, shifted_energies
from madelung.teaching.sources import reference_energies_of
from madelung.teaching.tables import read_energy_table

SHARES = (0.01, 0.05, 0.2, 1.0)
SEEDS = (0, 1, 2)
ROWS = {
    "single": "best single potential",
    "mean": "mean of all potentials",
    "best_of_each": "best of each configuration (with its DFT energy)",
    "constant": "mixture, constant weights",
    "mixture": "**mixture**",
    "standard_error": "its standard error, RMS",
    "within_one": "within one standard error, %",
    "within_two": "within two, %",
}


def measure(
    labels: TeacherLabels,
    reference: NDArray[np.float64],
    descriptors: NDArray[np.float64],
    share: float,
    seed: int,
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return errors in meV/atom on the test part, and predictions."""
    order = np.random.default_rng(seed).permutation(len(labels))
    training = int(0.8 * len(order))
    labelled, test = order[: round(share * training)], order[training:]
    wanted = reference / labels.counts
    shifted = shifted_energies(labels, fit_shifts(labels, reference, labelled))
    single = np.square(shifted[labelled] - wanted[labelled, None]).mean(0).argmin()
    begun = time.process_time()
    mixture = fit_mixture(labels, reference, labelled, descriptors=descriptors, seed=seed)
    seconds = time.process_time() - begun
    constant = fit_mixture(labels, reference, labelled, gated=False, seed=seed)
    errors = mixture.energies_per_atom[test] - wanted[test]
    deviations = np.abs(shifted[test] - wanted[test, None])
    scaled = np.abs(errors) / mixture.standard_errors_per_atom[test]
    found = {
        "labelled": len(labelled),
        "single": rms(shifted[test, single] - wanted[test]),
        "mean": rms(shifted[test].mean(1) - wanted[test]),
        "best_of_each": rms(deviations.min(1)),
        "constant": rms(constant.energies_per_atom[test] - wanted[test]),
        "mixture": rms(errors),
        "standard_error": rms(mixture.standard_errors_per_atom[test]),
        "within_one": 100.0 * float((scaled < 1.0).mean()),
        "within_two": 100.0 * float((scaled < 2.0).mean()),
        "processor_seconds": round(seconds, 1),
    }
    rows = [
        {
            "id": labels.ids[row],
            "fold": f"{share:g}/{seed}",
            "target": f"{wanted[row]:.6f}",
            "prediction": f"{mixture.energies_per_atom[row]:.6f}",
            "standard_error": f"{mixture.standard_errors_per_atom[row]:.6f}",
        }
        for row in np.sort(test)
    ]
    return found, rows


def rms(errors: NDArray[np.float64]) -> float:
    """Root mean square in meV/atom."""
    return 1000.0 * float(np.sqrt(np.mean(errors**2)))


def markdown(found: dict[float, list[dict[str, float]]]) -> str:
    """Means over the seeds, and the standard deviations of the mixture's errors."""
    counts = [f"{100 * share:g} % ({rows[0]['labelled']:,.0f})" for share, rows in found.items()]
    lines = [
        f"| meV/atom, labelled | {' | '.join(counts)} |",
        "| --- " * (len(found) + 1) + "|",
    ]
    for key, title in ROWS.items():
        cells = []
        for rows in found.values():
            values = [row[key] for row in rows]
            text = f"{np.mean(values):.0f}" if "within" in key else f"{np.mean(values):.2f}"
            spread = f" ± {np.std(values):.2f}" if key == "mixture" else ""
            cells.append(text + spread)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\nCommand: `python -m benchmarks.teaching.teachers_of_tungsten DATA`.\n"
    )


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description="Mixtures of potentials for tungsten.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/teachers")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    configurations = list(read_configurations(options.data / "W_szlachta_9691.extxyz.xz"))
    labels = read_energy_table(options.data / "W_eip_energies.csv.gz", configurations)
    reference = reference_energies_of(configurations)
    descriptors = describe((item.crystal for item in configurations), labels.elements)
    found: dict[float, list[dict[str, float]]] = {}
    predictions: list[dict[str, Any]] = []
    for share in SHARES:
        for seed in SEEDS:
            errors, rows = measure(labels, reference, descriptors, share, seed)
            found.setdefault(share, []).append(errors)
            predictions += rows
            print(share, seed, errors, flush=True)
    fields = ("id", "fold", "target", "prediction", "standard_error")
    write_csv(options.out / "predictions.csv", predictions, fields)
    record: dict[str, Any] = {**header(0), "versions": versions(("madelung", "numpy", "scipy"))}
    record["errors"] = {f"{share:g}": rows for share, rows in found.items()}
    record["hours"] = round((time.monotonic() - begun) / 3600, 4)
    write_json(options.out / "run.json", record)
    table = markdown(found)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "teachers", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
