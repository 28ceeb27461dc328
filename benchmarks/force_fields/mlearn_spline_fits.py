"""Spline MEAMs and EAMs for the mlearn data sets of Zuo et al., J. Phys. Chem. A 124, 731 (2020).

``python -m benchmarks.force_fields.mlearn_spline_fits Si Mo … --data FOLDER --out FOLDER`` fits
each element's training set and looks at the test set once, at the end. Errors of energies are
after removal of the mean shift, as for the published spline MEAMs (Vita and Trinkle 2021), whose
errors stand beside if FOLDER/smeam holds them. ``--eam`` leaves the angular functions out. For
each element the folder gets ``potential.meam.spline`` (``potential.json`` of an EAM),
``predictions.csv`` and ``run.json``; ``fit`` in it holds the state, so that ``--resume`` goes on.
Settings were chosen by the errors of configurations of the training sets that were held back. The
recorded s-MEAM of Si begins from the published one instead: the command and the settings stand in
its ``run.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import header, versions, write_csv, write_json
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.splines.fit import SplineMEAMFit, fit_spline_meam
from madelung.forcefields.splines.lammps_files import read_meam_spline, write_meam_spline
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.splines.settings import SplineMEAMSettings

# Cutoffs of pairs reach beyond the published ones; those of angles need not.
SETTINGS: dict[str, dict[str, Any]] = {
    "Ni": {"cutoff": 5.0, "bond_cutoff": 4.2, "starts": 4, "polished": 3, "iterations": 50},
    "Cu": {"cutoff": 5.0, "bond_cutoff": 4.2, "starts": 2, "iterations": 50},
    "Li": {"cutoff": 6.0, "bond_cutoff": 5.2, "starts": 2, "iterations": 50},
    "Mo": {
        "cutoff": 5.4, "bond_cutoff": 4.6, "smoothness": 0.1, "starts": 3, "polished": 2,
        "iterations": 50,
    },
    "Si": {"cutoff": 5.2, "bond_cutoff": 4.2, "starts": 3},
    "Ge": {"cutoff": 5.4, "bond_cutoff": 4.2, "starts": 3},
}  # fmt: skip

# Without angular functions fits are quick: more starts, of which more are polished. Where the data
# are far from what EAMs can say, functions that bend freely go astray next to the data: held-back
# configurations of Si had force errors of up to 170 eV/Å, and .47 with this smoothness.
EAM: dict[str, Any] = {"angular": False, "starts": 4, "polished": 2, "iterations": 50}
SMOOTH_EAM = {"Mo": 0.1, "Si": 0.1, "Ge": 0.1}


def errors_of(
    potential: SplineMEAM, configurations: list[Configuration]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Errors, and what is predicted of each configuration, the mean shift removed."""
    rows, forces = [], []
    for one in configurations:
        found, atoms = potential.evaluate(one.crystal), len(one.crystal)
        assert one.energy is not None and one.forces is not None
        forces.append((found.forces - one.forces).ravel())
        rows.append(
            {
                "id": one.id,
                "fold": "test",
                "target": one.energy / atoms,
                "prediction": found.energy / atoms,
                "group": one.group,
                "atoms": atoms,
                "force_rmse": float(np.sqrt((forces[-1] ** 2).mean())),
            }
        )
    difference = np.array([row["prediction"] - row["target"] for row in rows])
    for row in rows:
        row["prediction"] -= difference.mean()
    every = np.concatenate(forces)
    errors = {
        "energy_rmse_meV_per_atom": float(1000 * difference.std()),
        "force_rmse_eV_per_A": float(np.sqrt((every**2).mean())),
        "energy_mae_meV_per_atom": float(1000 * np.abs(difference - difference.mean()).mean()),
        "force_mae_eV_per_A": float(np.abs(every).mean()),
    }
    return errors, rows


def read(element: str, part: str, options: argparse.Namespace) -> list[Configuration]:
    """The training or the test set of an element."""
    return list(read_configurations(options.data / f"mlearn_{element}_{part}.extxyz.gz"))


def run(element: str, options: argparse.Namespace) -> None:
    """Fit and test one element."""
    kind = EAM if options.eam else {}
    if options.eam and element in SMOOTH_EAM:
        kind = {**kind, "smoothness": SMOOTH_EAM[element]}
    chosen = {"elements": (element,), **SETTINGS[element], **kind, **options.settings}
    settings = SplineMEAMSettings.model_validate(chosen)
    folder, begin = options.out / element, time.process_time()
    training = read(element, "train", options)
    fit = fit_spline_meam(
        training,
        settings,
        folder / "fit",
        resume=options.resume,
        progress=lambda line: print(f"{element}: {line}", flush=True),
    )
    hours = (time.process_time() - begin) / 3600
    if fit.validation is not None:
        held = f"{1000 * fit.validation.energy:.2f} meV/atom {fit.validation.force:.4f} eV/Å"
        print(f"{element}: held back {held} ({hours:.3f} h)", flush=True)
    if not options.without_test:
        report(element, fit, training, options, settings, hours)


def report(
    element: str,
    fit: SplineMEAMFit,
    training: list[Configuration],
    options: argparse.Namespace,
    settings: SplineMEAMSettings,
    hours: float,
) -> None:
    """Test, and write the results."""
    test, folder = read(element, "test", options), options.out / element
    errors, rows = errors_of(fit.potential, test)
    results = {"test": errors, "training": errors_of(fit.potential, training)[0]}
    published = options.data / f"smeam/{element}.meam.spline"
    if published.exists():
        results["published"] = errors_of(read_meam_spline(published), test)[0]
    if options.eam:
        fit.potential.save(folder / "potential.json")
    else:
        name = folder / "potential.meam.spline"
        write_meam_spline(fit.potential, name, "fitted to mlearn by Zuo")
    write_csv(folder / "predictions.csv", rows, list(rows[0]))
    content = {
        **header(settings.seed),
        "versions": versions(["numpy", "scipy"]),
        "processor_hours": None if options.resume else hours,
        "settings": settings.model_dump(),
        "parameters": fit.parameters,
        "held_back": None if fit.validation is None else asdict(fit.validation),
        "results": results,
    }
    write_json(folder / "run.json", content)
    for name, values in results.items():
        energy, force = values["energy_rmse_meV_per_atom"], values["force_rmse_eV_per_A"]
        print(f"{element} {name}: {energy:.2f} meV/atom, {force:.4f} eV/Å", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("elements", nargs="+", choices=sorted(SETTINGS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/forcefields"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--eam", action="store_true", help="without angular functions")
    parser.add_argument("--without-test", action="store_true", help="to choose settings")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--settings", type=json.loads, default={}, help="changes, as JSON")
    options = parser.parse_args()
    for element in options.elements:
        run(element, options)


if __name__ == "__main__":
    main()
