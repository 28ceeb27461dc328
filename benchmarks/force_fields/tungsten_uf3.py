"""UF3 on tungsten: held-out errors after the published training configurations, and properties.

    python -m benchmarks.force_fields.tungsten_uf3 SHARED/data/forcefields \\
        --out benchmarks/results/tungsten

Trains on the configurations that S. R. Xie, M. Rupp, R. G. Hennig (npj Comput. Mater. 9, 162,
2023) list, a fifth of the 9,691, and tests on all others: with their ranges and three-body cutoffs
of 4.25 Å (their published model) and 5.5 Å, and with the settings in
``benchmarks/settings/uf3/tungsten.json``, which cross-validation on training configurations chose.
Lattice constant, elastic constants and vacancy energy follow from each potential. Phonons are
compared with effective ones of the DFT data themselves (``tungsten_phonons.py``), for the published
potential of 4.25 Å as well. Writes
``run.json``, ``table.md``, predictions for each held-out configuration, and the potentials.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.build
import numpy as np

from benchmarks.force_fields.tungsten_phonons import phonon_errors, references, trajectories
from benchmarks.support.records import ROOT, header, replace_block, versions, write_json
from madelung.calculations.elastic import elastic_constants
from madelung.calculations.relax import relax
from madelung.calculations.vacancy import vacancy_energy
from madelung.forcefields.files import load_force_field
from madelung.forcefields.interface import ForceField
from madelung.forcefields.reference.comparison import compare
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.settings import ThreeBodyRange, TwoBodyRange, UF3Settings

SWEPT = ROOT / "benchmarks/settings/uf3/tungsten.json"
# Supplement, table I, and the learning curve for 4.25 Å; DFT is what all are compared with.
PUBLISHED: dict[str, dict[str, Any]] = {
    "DFT": {"a": 3.180, "elastic": (517, 198, 142), "vacancy": 3.270},
    "UF2,3, published, 5.5 Å": {
        "energy_rmse": 5.1, "force_rmse": 0.152, "a": 3.176, "elastic": (558, 231, 159),
        "vacancy": 3.283,
    },
    "UF2,3, published, 4.25 Å": {"energy_rmse": 6.33, "force_rmse": 0.174},
    "UF2, published": {
        "energy_rmse": 26.6, "force_rmse": 0.387, "a": 3.169, "elastic": (539, 189, 185),
        "vacancy": 4.324,
    },
    "SNAP, published": {
        "energy_rmse": 14.2, "force_rmse": 0.189, "a": 3.166, "elastic": (654, 335, 124),
        "vacancy": 2.048,
    },
    "qSNAP, published": {
        "energy_rmse": 9.9, "force_rmse": 0.167, "a": 3.176, "elastic": (497, 179, 102),
        "vacancy": 2.574,
    },
    "GAP, published": {
        "energy_rmse": 6.2, "force_rmse": 0.169, "a": 3.178, "elastic": (596, 254, 142),
        "vacancy": 3.342,
    },
}  # fmt: skip
# The published potential that the data hold, so that its phonons can be measured.
MEASURED = "UF2,3, published, 4.25 Å"


def choices() -> dict[str, UF3Settings]:
    """Settings of each fit by its name."""

    def published(cutoff: float) -> UF3Settings:
        return UF3Settings(
            elements=("W",),
            two_body=TwoBodyRange(minimum=1.5, maximum=5.5, intervals=25),
            three_body=ThreeBodyRange(minimum=1.5, maximum=cutoff, intervals=(10, 10, 20)),
        )

    found = {"uf3-4.25": published(4.25), "uf3-5.5": published(5.5)}
    if SWEPT.is_file():
        found["uf3"] = UF3Settings(**json.loads(SWEPT.read_text(encoding="utf-8")))
    return found


def read(folder: Path) -> tuple[list[Configuration], list[Configuration]]:
    """Training and test configurations; row n of the file is n + 2 in the authors' list."""
    chosen = set(np.loadtxt(folder / "uf3_tungsten/training_idx.txt", dtype=int) - 2)
    training, test = [], []
    for row, one in enumerate(read_configurations(folder / "W_szlachta_9691.extxyz.xz")):
        # Stresses are left out, as in the paper.
        (training if row in chosen else test).append(replace(one, stress=None))
    return training, test


def properties(force_field: ForceField) -> dict[str, Any]:
    """Lattice constant in Å, C11, C12, C44 in GPa, energy of a vacancy in eV."""
    relaxed = relax(ase.build.bulk("W", "bcc", a=3.18, cubic=True), force_field, cell=True)
    constants = elastic_constants(relaxed.crystal, force_field)
    vacancy = vacancy_energy(relaxed.crystal, force_field)
    matrix = constants.constants
    return {
        "a": round(relaxed.crystal.volume ** (1.0 / 3.0), 4),
        "elastic": [
            round(float(matrix[row, column]), 1) for row, column in ((0, 0), (0, 1), (3, 3))
        ],
        "vacancy": round(float(vacancy.energy), 3),
    }


def phonon_cell(found: dict[str, Any]) -> str:
    """Phonon errors of the two runs at one lattice constant, the colder one first."""
    return "/".join(f"{found['phonons'][run]['rmse_THz']:.3f}" for run in (0, -1))


def markdown(published: dict[str, Any], errors: dict[str, Any]) -> str:
    """Errors and properties beside those of published potentials."""
    lines = [
        "| | energy, meV/atom | force, eV/Å | a, Å | C11/C12/C44, GPa | vacancy, eV "
        "| phonons, THz |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ours = {f"**{name}**": found for name, found in errors.items()}
    for name, found in {**published, **ours}.items():
        cells = [
            f"{found['energy_rmse']:.2f}" if "energy_rmse" in found else "",
            f"{found['force_rmse']:.3f}" if "force_rmse" in found else "",
            f"{found['a']:.3f}" if "a" in found else "",
            "/".join(f"{value:.0f}" for value in found["elastic"]) if "elastic" in found else "",
            f"{found['vacancy']:.2f}" if "vacancy" in found else "",
            phonon_cell(found) if "phonons" in found else "",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return (
        "\n".join(lines) + "\n\nCommand: `python -m benchmarks.force_fields.tungsten_uf3 DATA`.\n"
    )


def main() -> int:
    """Fit, test and record."""
    parser = argparse.ArgumentParser(description="UF3 on tungsten.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/tungsten")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    training, test = read(options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {**header(0), "versions": versions(("madelung", "numpy", "scipy"))}
    record["configurations"] = {"training": len(training), "test": len(test)}
    begun = time.monotonic()
    runs = trajectories(training + test)
    published = {name: dict(found) for name, found in PUBLISHED.items()}
    measured = load_force_field(options.data / "uf3_tungsten/manuscript_uf23.json")
    published[MEASURED]["phonons"] = phonon_errors(measured, runs)
    errors, fits = {}, {}
    for name, settings in choices().items():
        start = time.process_time()  # whatever else the machine does
        fit = fit_uf3(training, settings, threads=options.threads, by_group=False)
        seconds = round(time.process_time() - start, 1)
        comparison = compare(fit.potential, (("test", one) for one in test))
        if comparison.problems:
            raise SystemExit(comparison.problems[0])
        comparison.write(options.out / f"predictions_W_{name}.csv")
        fit.potential.save(options.out / f"{name}.json")
        errors[name] = {
            **comparison.errors(),
            **properties(fit.potential),
            "phonons": phonon_errors(fit.potential, runs),
        }
        fits[name] = {
            "processor_seconds": seconds,
            "coefficients": len(fit.solution.coefficients),
            "training": fit.errors,
            "settings": settings.model_dump(mode="json"),
        }
        print(name, seconds, errors[name], flush=True)
    record |= {"errors": {"W": errors}, "published": published, "fits": fits}
    record["phonon_references"] = references(runs)
    record |= {"threads": options.threads, "hours": round((time.monotonic() - begun) / 3600, 4)}
    write_json(options.out / "run.json", record)
    table = markdown(published, errors)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "tungsten", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
