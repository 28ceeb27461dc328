"""Errors of our potentials on the mlearn test sets, beside published potentials.

    python -m benchmarks.force_fields.mlearn_spline_fits ELEMENT … --data DATA --out OUT/smeam
    python -m benchmarks.force_fields.mlearn_spline_fits ELEMENT … --data DATA --out OUT/eam --eam
    python -m benchmarks.force_fields.mlearn_neural_fits ELEMENT … --data DATA --out OUT/neural
    python -m benchmarks.force_fields.mlearn_errors DATA --out OUT

DATA holds ``mlearn_ELEMENT_{train,test}.extxyz.gz`` and the measured errors of published potentials
(Zuo et al., J. Phys. Chem. A 124, 731 (2020); Vita and Trinkle 2021). UF3 is fitted anew, with the
settings in ``benchmarks/settings/uf3``, which cross-validation on training data chose
(``madelung fit uf3 --sweep``); other fitted potentials are read from the record's folder. Test
configurations have no part in any choice. Energies of s-MEAM and EAM have the mean shift removed,
as those of the published ones. Writes ``run.json``, ``table.md`` and predictions for each
configuration; RESULTS is ``benchmarks/results/mlearn``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.support.records import ROOT, header, replace_block, versions, write_json
from madelung.forcefields.files import load_force_field
from madelung.forcefields.interface import ForceField
from madelung.forcefields.reference.comparison import Comparison, compare
from madelung.forcefields.reference.configurations import SkippedConfigurations, read_configurations
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.uf3.run_fit import run_uf3_fit
from madelung.forcefields.uf3.settings import read_uf3_settings

COMMAND = "python -m benchmarks.force_fields.mlearn_errors DATA"
ELEMENTS = ("Ni", "Cu", "Li", "Mo", "Si", "Ge")
SETTINGS = ROOT / "benchmarks/settings/uf3"
MEASURED = "mlearn_measured_SNAP_qSNAP_sMEAM.json"
PUBLISHED = {"SNAP": "SNAP", "qSNAP": "qSNAP", "sMEAM": "s-MEAM, published"}
# How models are called in the table.
NAMES = {
    "uf3": "**UF3**",
    "smeam": "**s-MEAM**",
    "eam": "**EAM**",
    "neural": "**neural force field**",
}
# Files of other potentials in the folder of the record.
FITTED = {"smeam": "potential.meam.spline", "eam": "potential.json", "neural": "card.json"}
# Models that are fitted up to a shift of energies.
SHIFTED = ("smeam", "eam")


def fit_uf3(element: str, training: Path, work: Path) -> tuple[ForceField, dict[str, Any]]:
    """Fit a potential, and say how."""
    settings = read_uf3_settings(SETTINGS / f"mlearn_{element}.json", {}, (str(training),))
    begun = time.process_time()
    job = run_uf3_fit(DataFiles((str(training),)), work / element, settings)
    fit = {
        "processor_seconds": round(time.process_time() - begun, 1),
        "coefficients": job.results["coefficients"],
        "settings": job.results["settings"],
        "validation": job.results["errors"]["cross-validation"],
        "training": job.results["errors"]["training"],
    }
    return job.potential, fit


def tested(force_field: ForceField, path: Path) -> Comparison:
    """Evaluate the test configurations of a file."""
    skipped = SkippedConfigurations()
    stream = read_configurations(path, on_problem=skipped)
    comparison = compare(force_field, (("test", item) for item in stream))
    if skipped.count or comparison.problems:
        raise SystemExit(f"{path}: {skipped.summary()} {comparison.problems[:1]}")
    return comparison


def microseconds(force_field: ForceField, path: Path) -> float:
    """Processor time of energy and forces of an atom, the shortest of three passes."""
    crystals = [item.crystal for item in read_configurations(path)]
    atoms = sum(map(len, crystals))
    times = []
    for _ in range(3):
        begun = time.process_time()
        for crystal in crystals:
            force_field.evaluate(crystal)
        times.append(time.process_time() - begun)
    return round(1e6 * min(times) / atoms, 2)


def markdown(record: dict[str, Any]) -> str:
    """Test errors of all models, and the median time of ours over the elements."""
    lines = [
        f"| meV/atom / eV/Å | {' | '.join(record['errors'])} | µs for an atom |",
        f"| --- |{' --- |' * len(record['errors'])} --- |",
    ]
    for model, name in {**{key: key for key in PUBLISHED.values()}, **NAMES}.items():
        cells = []
        for errors in record["errors"].values():
            found = errors.get(model) or errors.get(name)
            cells.append(f"{found['energy_rmse']:.2f}/{found['force_rmse']:.3f}" if found else "")
        times = [one[model] for one in record["microseconds"].values() if model in one]
        cost = f"{statistics.median(times):.3g}" if times else ""
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} | {cost} |")
    return "\n".join(lines) + f"\n\nCommand: `{COMMAND}`.\n"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Errors on the mlearn test sets.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--elements", nargs="+", default=list(ELEMENTS), choices=ELEMENTS)
    parser.add_argument("--work", type=Path, default=Path("mlearn-fits"), help="folder of the fits")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/mlearn")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    return parser.parse_args()


def main() -> int:
    """Fit, test and record."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    measured = json.loads((options.data / MEASURED).read_text(encoding="utf-8"))
    record: dict[str, Any] = {**header(0), "versions": versions(("madelung", "numpy"))}
    record |= {"errors": {}, "fits": {}, "microseconds": {}}
    begun = time.monotonic()
    for element in options.elements:
        test = options.data / f"mlearn_{element}_test.extxyz.gz"
        errors: dict[str, Any] = {
            name: {
                "energy_rmse": measured[f"{element}/{key}/test"]["E_RMSE_shift"]
                if key == "sMEAM"
                else measured[f"{element}/{key}/test"]["E_RMSE"],
                "force_rmse": measured[f"{element}/{key}/test"]["F_RMSE"],
            }
            for key, name in PUBLISHED.items()
        }
        training = options.data / f"mlearn_{element}_train.extxyz.gz"
        uf3, fit = fit_uf3(element, training, options.work)
        models: dict[str, Comparison] = {"uf3": tested(uf3, test)}
        times = {"uf3": microseconds(uf3, test)}
        for model, name in FITTED.items():
            fitted = options.out / model / element / name
            if fitted.is_file():
                potential = load_force_field(fitted)
                found = tested(potential, test)
                models[model] = found.with_mean_shift() if model in SHIFTED else found
                times[model] = microseconds(potential, test)
        for model, comparison in models.items():
            errors[model] = comparison.errors()
            comparison.write(options.out / f"predictions_{element}_{model}.csv")
            print(element, model, f"{comparison.energy_rmse:.2f} {comparison.force_rmse:.3f}")
        record["errors"][element], record["fits"][element] = errors, {"uf3": fit}
        record["microseconds"][element] = times
    record["hours"] = round((time.monotonic() - begun) / 3600, 4)
    write_json(options.out / "run.json", record)
    table = markdown(record)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "mlearn", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
