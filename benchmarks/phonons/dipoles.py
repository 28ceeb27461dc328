"""Time of phonons with complete sums of dipoles, beside phonopy's method of Gonze and Lee.

    python -m benchmarks.phonons.dipoles --out FOLDER

Both have the same springs and charges, take turns in one process and one thread, and make the
frequencies of the same wave vectors; what is made once for a crystal is made before. phonopy is
timed as it is by default, and with cutoffs for which its sum, which has no near part, leaves out
about as little as Madelung's. Frequencies are compared with equal constants of nature.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_json
from benchmarks.support.timing import contest, ratio
from madelung.common.units import COULOMB_CONSTANT, TERAHERTZ
from madelung.crystals.neighbours import find_neighbours
from madelung.phonons.force_constants import harmonic_of_phonopy, phonopy_of
from madelung.phonons.polar import neutral_charges

RESULTS = ROOT / "benchmarks" / "results" / "phonons_dipoles"
# Atoms of the cell, and the supercell that holds the force constants.
CASES = ((2, 4), (6, 3), (12, 2))
POINTS = 200
_REACH, _DECAY = 4.5, 5.8


def springs(atoms: int, generator: np.random.Generator) -> md.HarmonicCrystal:
    """Make a triclinic crystal of springs, with charges of no symmetry."""
    cell = (15.0 * atoms) ** (1.0 / 3.0) * (np.eye(3) + generator.uniform(-0.1, 0.1, (3, 3)))
    grid = np.indices((3, 3, 3)).reshape(3, -1).T[generator.permutation(27)[:atoms]] / 3.0
    places = grid + generator.uniform(-0.03, 0.03, (atoms, 3))
    crystal = md.Crystal(cell, places @ cell, np.arange(atoms) + 3)
    near = find_neighbours(crystal, _REACH)
    first, second = np.repeat(np.arange(atoms), np.diff(near.starts)), near.indices
    along = near.vectors / near.distances[:, None]
    matrices = (
        -8.0
        * np.exp(-near.distances / 2.0)[:, None, None]
        * (along[:, :, None] * along[:, None, :] + 0.1 * np.eye(3))
    )
    shifts = np.rint(near.vectors @ np.linalg.inv(cell) - places[second] + places[first])
    metric = generator.normal(size=(3, 3)) * 0.5
    return md.HarmonicCrystal(
        crystal=crystal,
        first=np.concatenate([first, first]),
        second=np.concatenate([second, first]),
        shifts=np.concatenate([shifts, np.zeros_like(shifts)]).astype(np.int64),
        matrices=np.concatenate([matrices, -matrices]),
        masses=generator.uniform(7.0, 100.0, atoms),
        born=neutral_charges(generator.normal(size=(atoms, 3, 3))),
        dielectric=3.0 * np.eye(3) + metric @ metric.T,
    )


def phonopy_run(
    harmonic: md.HarmonicCrystal, phonon: Any, points: NDArray[np.float64], width: float | None
) -> Callable[[], NDArray[np.float64]]:
    """Give phonopy charges, and return what makes its frequencies; a width sets its cutoffs."""
    charges: dict[str, Any] = {
        "born": harmonic.born, "dielectric": harmonic.dielectric, "factor": COULOMB_CONSTANT,
        "method": "gonze",
    }  # fmt: skip
    if width is not None:
        # Its sum has no near part, which is to end within the supercell; no 2π in its vectors.
        low, _, high = np.linalg.eigvalsh(charges["dielectric"])
        inside = 0.5 / np.linalg.norm(np.linalg.inv(phonon.supercell.cell), axis=0).max()
        splitting = width * np.sqrt(high) / inside
        charges["Lambda"] = splitting / (2.0 * np.pi)
        charges["G_cutoff"] = splitting * width / np.sqrt(low) / np.pi
    phonon.nac_params = charges

    def run() -> NDArray[np.float64]:
        phonon.run_qpoints(points)
        return np.asarray(phonon.qpoints.frequencies)

    return run


def case(atoms: int, multiple: int, turns: int, seed: int) -> dict[str, Any]:
    """Time one crystal, and compare frequencies."""
    from phonopy.physical_units import get_physical_units

    generator = np.random.default_rng(seed)
    harmonic = springs(atoms, generator)
    points = generator.uniform(-0.5, 0.5, (POINTS, 3))
    prepared = {}
    for name, width in (("phonopy", None), ("phonopy_converged", _DECAY)):
        phonon = phonopy_of(harmonic, [multiple] * 3)
        prepared[name] = phonopy_run(harmonic, phonon, points, width)
    folded = replace(
        harmonic_of_phonopy(phonon), born=harmonic.born, dielectric=harmonic.dielectric
    )
    polar = md.PolarCrystal(folded, multiple * np.eye(3, dtype=np.int64))
    runs: dict[str, Callable[[], object]] = {
        "madelung": partial(polar.frequencies, points),
        **prepared,
    }
    scale = TERAHERTZ / get_physical_units().DefaultToTHz
    ours = polar.frequencies(points)
    timings = contest(runs, turns)
    row: dict[str, Any] = {"atoms": atoms, "supercell": multiple, "wave_vectors": POINTS}
    for name, timing in timings.items():
        row[f"{name}_milliseconds"] = 1e3 * timing.median
    for name, run in prepared.items():
        row[f"{name}_ratio"] = ratio(timings[name], timings["madelung"])
        row[f"{name}_difference_terahertz"] = float(np.abs(scale * run() - ours).max())
    return row


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time all crystals, and write the record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows = [
            case(atoms, multiple, arguments.turns, arguments.seed)
            for atoms, multiple in CASES[: arguments.cases]
        ]
    record = header(arguments.seed) | {
        "versions": versions(["madelung", "numpy", "phonopy", "phonors"]),
        "results": rows,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "run.json", record)
    return record


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cases", type=int, default=len(CASES), help="how many of the crystals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


if __name__ == "__main__":
    for found in run(parse())["results"]:
        print(found)
