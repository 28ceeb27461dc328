"""Spline MEAMs for the mlearn data sets of Zuo et al., J. Phys. Chem. A 124, 731 (2020).

``python benchmarks/smeam_mlearn.py Si Mo … --data FOLDER --out FOLDER`` fits each element's
training set and looks at the test set once, at the end. Errors of energies are after removal of
the mean shift, as for the published spline MEAMs, whose errors stand beside. For each element the
folder gets
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from madelung.forcefields.configurations import Configuration, read_configurations
from madelung.forcefields.splines.fit import fit_spline_meam
from madelung.forcefields.splines.lammps_files import read_meam_spline
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.outputs import whole_file

# Chosen by the validation part of the training sets.
SETTINGS: dict[str, dict[str, Any]] = {
    "Ni": {"cutoff": 5.0, "bond_cutoff": 4.2},
    "Cu": {"cutoff": 5.0, "bond_cutoff": 4.2},
    "Li": {"cutoff": 6.0, "bond_cutoff": 5.2},
    "Mo": {"cutoff": 5.4, "bond_cutoff": 5.0},
    "Si": {"cutoff": 5.2, "bond_cutoff": 5.0},
    "Ge": {"cutoff": 5.4, "bond_cutoff": 5.2},
}
COMMON: dict[str, Any] = {"starts": 8, "polished": 2, "iterations": 100}


def errors_of(
    potential: SplineMEAM, configurations: list[Configuration]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Errors, and what is predicted of each configuration."""
    rows, forces = [], []
    for one in configurations:
        found, atoms = potential.evaluate(one.crystal), len(one.crystal)
        assert one.energy is not None and one.forces is not None
        forces.append((found.forces - one.forces).ravel())
        rows.append(
            {
                "id": one.id,
                "group": one.group,
                "atoms": atoms,
                "energy": one.energy / atoms,
                "predicted": found.energy / atoms,
                "force_rmse": float(np.sqrt((forces[-1] ** 2).mean())),
            }
        )
    difference = np.array([row["predicted"] - row["energy"] for row in rows])
    shift = float(difference.mean())
    for row in rows:
        row["predicted"] -= shift
    every = np.concatenate(forces)
    errors = {
        "energy_meV": float(1000 * difference.std()),
        "force_eV": float(np.sqrt((every**2).mean())),
        "energy_MAE_meV": float(1000 * np.abs(difference - shift).mean()),
        "force_MAE_eV": float(np.abs(every).mean()),
    }
    return errors, rows


def run(element: str, options: argparse.Namespace) -> None:
    """Fit and test one element."""
    sets = {
        part: list(read_configurations(options.data / f"mlearn_{element}_{part}.extxyz.gz"))
        for part in ("train", "test")
    }
    chosen = {"elements": (element,), **COMMON, **SETTINGS[element], **options.settings}
    settings = SplineMEAMSettings.model_validate(chosen)
    folder, begin = options.out / element, time.perf_counter()
    fit = fit_spline_meam(
        sets["train"],
        settings,
        folder / "fit",
        resume=options.resume,
        progress=lambda line: print(f"{element}: {line}", flush=True),
    )
    hours = (time.perf_counter() - begin) / 3600
    if fit.validation is not None:
        held = f"{1000 * fit.validation.energy:.2f} meV/atom {fit.validation.force:.4f} eV/Å"
        print(f"{element}: held back {held} ({hours:.3f} h)", flush=True)
    if not options.without_test:
        report(element, fit.potential, sets, options.data, folder, settings, hours)


def report(
    element: str,
    potential: SplineMEAM,
    sets: dict[str, list[Configuration]],
    data: Path,
    folder: Path,
    settings: SplineMEAMSettings,
    hours: float,
) -> None:
    """Test, and write the results."""
    errors, rows = errors_of(potential, sets["test"])
    content: dict[str, Any] = {
        "test": errors,
        "training": errors_of(potential, sets["train"])[0],
        "settings": settings.model_dump(),
        "hours": hours,
    }
    published = data / f"smeam/{element}.meam.spline"
    if published.exists():
        content["published"] = errors_of(read_meam_spline(published), sets["test"])[0]
    print(element, json.dumps(content, indent=1), flush=True)
    potential.save(folder / "potential.json")
    (folder / "potential.meam.spline").write_text(
        (folder / "fit/potential.meam.spline").read_text()
    )
    with whole_file(folder / "predictions.csv") as path, path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with whole_file(folder / "run.json") as path:
        path.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("elements", nargs="+", choices=sorted(SETTINGS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/forcefields"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--without-test", action="store_true", help="to choose settings")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--settings", type=json.loads, default={}, help="changes, as JSON")
    options = parser.parse_args()
    for element in options.elements:
        run(element, options)


if __name__ == "__main__":
    main()
