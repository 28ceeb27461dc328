"""Which configurations of tungsten to calculate next: at random, the farthest, or by their errors.

    python -m benchmarks.teaching.active_learning DATA --page docs/teaching.md

Of 9,691 configurations (Szlachta et al.) 80 % are the pool, and errors are those of the other 20 %.
In the beginning 24 of the pool are labelled at random; then some are chosen in rounds, until 400
are labelled. Two models learn from the labelled ones: the mixture of thirteen potentials of OpenKIM
(``W_eip_energies.csv.gz``; energies alone), and UF3 with the default settings. Means over three
divisions. Writes ``run.json``, ``chosen.csv`` (what was labelled, in order), ``predictions.csv``
(of the mixtures of 400) and ``table.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.records import ROOT, header, replace_block, versions, write_csv, write_json
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.uf3.fit import assemble
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.teaching.active import choose_at_random, choose_farthest, choose_next, places_of
from madelung.teaching.descriptors import describe
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.mixture import Mixture, fit_mixture
from madelung.teaching.sources import reference_energies_of
from madelung.teaching.tables import read_energy_table

SIZES = (24, 50, 100, 200, 400)
SEEDS = (0, 1, 2)
WAYS = {
    "random": "at random",
    "farthest": "the farthest",
    "structure": "least errors left, by structure alone",
    "mixture": "least errors left, by the mixture's standard errors",
}
TITLES = {
    "mixture_energy": "**mixture, energy RMSE (meV/atom)**",
    "uf3_energy": "**UF3, energy RMSE (meV/atom)**",
    "uf3_forces": "**UF3, force RMSE (eV/Å)**",
    "atoms": "**atoms labelled**",
}
_MILLI = 1000.0


@dataclass(frozen=True, eq=False)
class Division:
    """Configurations, the pool first, and what is known of them.

    Parameters
    ----------
    configurations, labels, descriptors
        All n, in the order of the division.
    pool
        How many belong to the pool; the others are the test part.
    test
        UF3's equations of the test part.
    seed
        Of the division.
    """

    configurations: Sequence[Configuration]
    labels: TeacherLabels
    descriptors: NDArray[np.float64]
    pool: int
    test: NormalEquations
    seed: int

    @property
    def wanted(self) -> NDArray[np.float64]:
        """(n,) reference energies in eV/atom."""
        energies: NDArray[np.float64] = (
            reference_energies_of(self.configurations) / self.labels.counts
        )
        return energies


def divide(
    configurations: Sequence[Configuration],
    labels: TeacherLabels,
    descriptors: NDArray[np.float64],
    settings: UF3Settings,
    seed: int,
) -> Division:
    """Divide configurations at random."""
    order = np.random.default_rng([seed, 23]).permutation(len(configurations))
    own, pool = [configurations[index] for index in order], int(0.8 * len(order))
    test = assemble(own[pool:], settings, by_group=False)[0]
    return Division(own, labels.select(order), descriptors[order], pool, test, seed)


def choose(
    way: str, division: Division, labelled: NDArray[np.int64], count: int, mixture: Mixture
) -> NDArray[np.int64]:
    """Choose from the pool; the places, too, are those of the pool alone."""
    pool = slice(0, division.pool)
    if way == "random":
        return choose_at_random(division.pool, labelled, count, seed=division.seed)
    places = places_of(division.descriptors[pool])
    if way == "farthest":
        return choose_farthest(places, labelled, count)
    errors = mixture.standard_errors_per_atom[pool] if way == "mixture" else None
    seed = division.seed
    return choose_next(places, labelled, count, uncertainties=errors, seed=seed).indices


def measure(
    way: str, division: Division, settings: UF3Settings
) -> tuple[list[dict[str, Any]], NDArray[np.int64], NDArray[np.float64]]:
    """Label in rounds; return errors after each, what was labelled, and the last predictions."""
    # The same beginning for each way.
    labelled = new = choose_at_random(division.pool, [], SIZES[0], seed=1000 + division.seed)
    equations, rows = NormalEquations(settings), []
    reference = reference_energies_of(division.configurations)
    for size, following in zip(SIZES, (*SIZES[1:], None), strict=True):
        found = [division.configurations[index] for index in new]
        equations.groups[str(size)] = assemble(found, settings, by_group=False)[0].groups[""]
        mixture = fit_mixture(
            division.labels, reference, labelled, descriptors=division.descriptors
        )
        rows.append(errors_of(division, mixture, equations, labelled))
        if following is not None:
            begun = time.process_time()
            new = choose(way, division, labelled, following - size, mixture)
            rows[-1]["choosing_seconds"] = round(time.process_time() - begun, 2)
            labelled = np.concatenate([labelled, new])
    return rows, labelled, mixture.energies_per_atom


def errors_of(
    division: Division,
    mixture: Mixture,
    equations: NormalEquations,
    labelled: NDArray[np.int64],
) -> dict[str, Any]:
    """Errors of both models on the test part, and what they have learnt from."""
    test = slice(division.pool, None)
    errors = _MILLI * (mixture.energies_per_atom[test] - division.wanted[test])
    groups = np.array([item.group for item in division.configurations])
    names, counts = np.unique(groups[labelled], return_counts=True)
    uf3 = division.test.errors(equations.solve().coefficients)
    return {
        "labelled": len(labelled),
        "atoms": int(division.labels.counts[labelled].sum()),
        "mixture_energy": rms(errors),
        "mixture_median": float(np.median(np.abs(errors))),
        "mixture_groups": {
            str(name): rms(errors[groups[test] == name]) for name in np.unique(groups[test])
        },
        "uf3_energy": _MILLI * uf3["energy"],
        "uf3_forces": uf3["forces"],
        "groups": dict(zip(names.tolist(), counts.tolist(), strict=True)),
    }


def rms(errors: NDArray[np.float64]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(errors**2)))


def markdown(found: dict[str, list[list[dict[str, Any]]]]) -> str:
    """Means over the seeds, and standard deviations of the errors."""
    lines = [
        f"| labelled | {' | '.join(str(size) for size in SIZES)} |",
        "| --- " * (len(SIZES) + 1) + "|",
    ]
    for key, title in TITLES.items():
        lines.append(f"| {title} |" + " |" * len(SIZES))
        for way, name in WAYS.items():
            cells = []
            for number in range(len(SIZES)):
                values = [rows[number][key] for rows in found[way]]
                digits = {"atoms": 0, "uf3_forces": 3}.get(key, 1)
                text = f"{np.mean(values):,.{digits}f}"
                cells.append(text + ("" if digits == 0 else f" ± {np.std(values):.{digits}f}"))
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\nCommand: `python -m benchmarks.teaching.active_learning DATA`.\n"


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description="Active choice of configurations of tungsten.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/active")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    configurations = list(read_configurations(options.data / "W_szlachta_9691.extxyz.xz"))
    labels = read_energy_table(options.data / "W_eip_energies.csv.gz", configurations)
    descriptors = describe((item.crystal for item in configurations), labels.elements)
    settings = UF3Settings(elements=tuple(ELEMENT_SYMBOLS[item] for item in labels.elements))
    found: dict[str, list[list[dict[str, Any]]]] = {way: [] for way in WAYS}
    chosen: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    for seed in SEEDS:
        division = divide(configurations, labels, descriptors, settings, seed)
        for way in WAYS:
            rows, labelled, energies = measure(way, division, settings)
            found[way].append(rows)
            chosen += [
                {"seed": seed, "way": way, "order": order, "id": division.labels.ids[index]}
                for order, index in enumerate(labelled)
            ]
            predictions += [
                {
                    "id": division.labels.ids[row],
                    "fold": f"{way}/{seed}",
                    "target": f"{division.wanted[row]:.6f}",
                    "prediction": f"{energies[row]:.6f}",
                }
                for row in range(division.pool, len(configurations))
            ]
            for row in rows:
                print(seed, way, row, flush=True)
    write_csv(options.out / "chosen.csv", chosen, ("seed", "way", "order", "id"))
    fields = ("id", "fold", "target", "prediction")
    write_csv(options.out / "predictions.csv", predictions, fields)
    record: dict[str, Any] = {**header(0), "versions": versions(("madelung", "numpy", "scipy"))}
    record["command"] = "python -m benchmarks.teaching.active_learning DATA"
    record["errors"] = found
    record["processor_seconds"] = round(time.process_time() - begun, 1)
    write_json(options.out / "run.json", record)
    table = markdown(found)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "active", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
