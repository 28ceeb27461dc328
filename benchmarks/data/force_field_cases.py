"""Cases of force fields that are more than files that are read: fits, potentials, fixed atoms.

Each judge gets the folder of the cases and returns what is wrong, or None. Right values come from
EMT-like tables of copper, from the released uf3 package, from LAMMPS, and from the numbers that the
data were made with; see the README of the cases.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["JUDGES", "fit_case"]

_SMALL_UF3 = ("--two-body", "1.5:5:6", "--three-body", "1.5:4:4,4,8")
_SMALL_SPLINES = ("--cutoff", "5", "--starts", "1", "--iterations", "3")
_SMALL_NETWORK = ("--epochs", "1", "--local", "--layers", "1", "--features", "8", "--cutoff", "3.5")
FITS = {
    "uf3": _SMALL_UF3,
    "eam": _SMALL_SPLINES,
    "meam": _SMALL_SPLINES,
    "neural": _SMALL_NETWORK,
}


def fit_case(kind: str, path: Path, right: dict[str, Any]) -> str | None:
    """Fit a file by the command; return what is wrong, or None."""
    from typer.testing import CliRunner

    from madelung.cli import app
    from madelung.common.errors import ForceFieldError

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "fit"
        given = ["fit", kind, str(_data(path, Path(folder))), "--out", str(out), "--quiet"]
        result = CliRunner().invoke(app, [*given, *FITS[kind]])
        if "refused" in right:
            told = isinstance(result.exception, ForceFieldError)
            wrong = f"not refused as it should be: {result.exception!r}"
            return None if told and right["refused"] in str(result.exception) else wrong
        if result.exit_code != 0:
            return f"no fit: {result.exception!r}"
        report = json.loads((out / "results.json").read_text("utf-8"))
        if not report["errors"]["training"]["configurations"]:
            return "the report tells of no configuration"
        return None if (out / "parity.png").exists() else "there is no picture"


def _data(path: Path, folder: Path) -> Path:
    """The file of a case; one of forces alone is made from that of one frame."""
    if path.name != "forces_only.extxyz":
        return path
    lines = (path.parent / "one.extxyz").read_text("utf-8").splitlines(keepends=True)
    lines[1] = lines[1].split(" energy=")[0] + ' pbc="T T T"\n'
    (folder / path.name).write_text("".join(lines), "utf-8")
    return folder / path.name


def _read(folder: Path, name: str) -> list[Any]:
    from madelung.forcefields.reference.configurations import read_configurations

    compressed = folder / f"{name}.xz"
    return list(read_configurations(compressed if compressed.exists() else folder / name))


def _shifted_alloy(folder: Path) -> str | None:
    """Errors of UF3 at its defaults, in bounded memory, whatever the zero of nickel is."""
    from madelung.forcefields.uf3.fit import fit_uf3
    from madelung.forcefields.uf3.settings import UF3Settings

    data, test = _read(folder, "alloy_train.extxyz"), _read(folder, "alloy_test.extxyz")
    settings = UF3Settings(elements=("Cu", "Ni"))
    errors = []
    for shift in (0.0, 1000.0):
        moved, asked = (
            [
                replace(item, energy=item.energy + shift * np.sum(item.crystal.numbers == 28))
                for item in part
            ]
            for part in (data, test)
        )
        potential = fit_uf3(moved, settings).potential
        misses = [
            (potential.evaluate(item.crystal).energy - item.energy) / len(item.crystal)
            for item in asked
        ]
        errors.append(1e3 * float(np.sqrt(np.mean(np.square(misses)))))
    if errors[0] > 2.0 or abs(errors[1] - errors[0]) > 0.01:
        return f"errors of {errors[0]:.3g} and {errors[1]:.3g} meV/atom"
    return None


def _lone_atom(folder: Path) -> str | None:
    from madelung.forcefields.uf3.fit import fit_uf3
    from madelung.forcefields.uf3.settings import UF3Settings

    data = _read(folder, "cu_iso.extxyz")
    others = [item for item in data if len(item.crystal) > 1]
    found, right = (fit_uf3(part, UF3Settings(elements=("Cu",))).errors for part in (data, others))
    changed = max(abs(found[name] / right[name] - 1.0) for name in ("energy", "forces"))
    return None if changed < 0.2 else f"errors change by {100 * changed:.0f} %"


def _impurity(folder: Path) -> str | None:
    from madelung.crystals.crystal import Crystal
    from madelung.forcefields.uf3.fit import fit_uf3
    from madelung.forcefields.uf3.settings import ThreeBodyRange, UF3Settings

    settings = UF3Settings(elements=("Cu", "Ni"), three_body=ThreeBodyRange(intervals=(4, 4, 5)))
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        potential = fit_uf3(_read(folder, "impurity.extxyz"), settings).potential
    if not any("Ni-Ni" in str(item.message) for item in given):
        return "no warning names Ni-Ni"
    for distance in (1.2, 1.8, 2.4):
        pair = Crystal(np.zeros((3, 3)), np.array([[0, 0, 0], [distance, 0, 0]]), [28, 28], False)
        if not potential.evaluate(pair).forces[1, 0] > 0.1:
            return f"Ni-Ni does not repel at {distance} Å"
    return None


def _released_uf3(folder: Path) -> str | None:
    from madelung.forcefields.files import load_force_field

    potential = load_force_field(folder / "uf3_0.4.0_binary.json")
    right = json.loads((folder / "uf3_0.4.0_binary_reference.json").read_text("utf-8"))
    for item, expected in zip(_read(folder, "alloy_two_frames.extxyz"), right, strict=True):
        found = potential.evaluate(item.crystal)
        if abs(found.energy - expected["e"]) > 1e-9:
            return f"an energy of {found.energy}"
        if np.abs(found.forces - expected["f"]).max() > 1e-9:
            return "other forces"
    return None


def _published_tungsten(folder: Path) -> str | None:
    from madelung.forcefields.files import load_force_field

    potential = load_force_field(folder / "examples_tungsten_extxyz_model_2and3.json")
    return None if potential.cutoff == 5.5 else f"a cutoff of {potential.cutoff} Å"


def _triplets_beyond_pairs(folder: Path) -> str | None:
    """V2 is written on, with zeros, as far as V3 reaches: else LAMMPS drops neighbours."""
    from madelung.forcefields.files import load_force_field
    from madelung.forcefields.uf3.lammps import write_lammps

    potential = load_force_field(folder / "uf3_three_body_longer_than_two_body.uf3")
    with tempfile.TemporaryDirectory() as place:
        write_lammps(potential, Path(place) / "Cu.uf3")  # type: ignore[arg-type]
        written = load_force_field(Path(place) / "Cu.uf3")
    reach = written.pairs[0].knots[-1]  # type: ignore[attr-defined]
    return None if reach >= 4.4 else f"V2 ends at {reach} Å"


def _compressed_eam(folder: Path) -> str | None:
    from ase.build import bulk

    from madelung.forcefields.files import load_force_field

    energy = load_force_field(folder / "Cu.eam.alloy.gz").evaluate(bulk("Cu", a=3.615)).energy
    return None if abs(energy + 3.54) < 1e-3 else f"an energy of {energy} eV"


def _fixed_slab(folder: Path) -> str | None:
    """Eight atoms stay where they are: in a relaxation, in dynamics, and when these go on."""
    import ase.io
    from typer.testing import CliRunner

    from madelung.cli import app

    slab, start = folder / "slab.POSCAR", ase.io.read(folder / "slab.POSCAR", format="vasp")
    common = ("--force-field", str(folder / "Cu.eam.alloy.gz"))
    with tempfile.TemporaryDirectory() as place:
        jobs = [
            ("relax", "relaxed", ("--max-steps", "5")),
            ("md", "final", ("--ensemble", "nvt", "--steps", "5")),
            ("md", "final", ("--ensemble", "nvt", "--steps", "10", "--resume")),
        ]
        for job, name, options in jobs:
            out = Path(place) / job
            CliRunner().invoke(app, ["run", job, str(slab), "--out", str(out), *common, *options])
            end = ase.io.read(out / f"{name}.extxyz", index=-1)
            moved = np.abs(end.positions - start.positions).max(axis=1)
            if (moved[:8] > 1e-7).any() or (moved[8:] < 1e-4).any():
                return f"{job} {' '.join(options)}: fixed atoms move, or free ones do not"
    return None


def _salt(folder: Path) -> str | None:
    """Complete sums of charges and Buckingham's pairs: the clusters were made with them."""
    from madelung.forcefields.files import load_force_field

    salt = load_force_field(folder / "salt.json")
    for item in _read(folder, "far_test.extxyz")[:5]:
        found = salt.evaluate(item.crystal)
        if (
            abs(found.energy - item.energy) > 1e-6
            or np.abs(found.forces - item.forces).max() > 1e-6
        ):
            return f"{item.id}: an energy of {found.energy} eV"
    return None


def _far_charges(folder: Path) -> str | None:
    """Clusters of charges of one, 12 to 26 Å apart, learnt at the default length of training."""
    from madelung.forcefields.neural.fit_settings import read_neural_settings
    from madelung.forcefields.neural.run_fit import run_neural_fit
    from madelung.forcefields.reference.reference_data import DataFiles

    train, test = (str(folder / f"far_{part}.extxyz.xz") for part in ("train", "test"))
    data = DataFiles((train,), (test,))
    with tempfile.TemporaryDirectory() as place:
        settings = read_neural_settings(None, {}, data)
        job = run_neural_fit(data, Path(place) / "fit", settings)
    error = job.results["errors"]["test"]["energy_rmse"]
    clusters = [
        job.potential.evaluate(item.crystal).charges[:3].sum()  # type: ignore[attr-defined]
        for item in _read(folder, "far_test.extxyz")
    ]
    off = float(np.abs(np.abs(clusters) - 1.0).max())
    right = error < 3.0 and off < 0.02
    return None if right else f"{error:.1f} meV/atom, and charges off by {off:.2f} e"


JUDGES: dict[str, Callable[[Path], str | None]] = {
    "alloy_train.extxyz, every Ni shifted by 1,000 eV": _shifted_alloy,
    "cu_iso.extxyz": _lone_atom,
    "impurity.extxyz": _impurity,
    "uf3_0.4.0_binary.json": _released_uf3,
    "examples_tungsten_extxyz_model_2and3.json": _published_tungsten,
    "uf3_three_body_longer_than_two_body.uf3": _triplets_beyond_pairs,
    "Cu.eam.alloy.gz": _compressed_eam,
    "slab.POSCAR": _fixed_slab,
    "salt.json": _salt,
    "far_train.extxyz": _far_charges,
}
