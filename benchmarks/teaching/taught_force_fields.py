"""Neural force fields taught by empirical potentials, in five ways, from few labels and many.

    python -m benchmarks.teaching.taught_force_fields DATA --work WORK --elements W

Configurations of an element are divided 80/12/4/4 as by Shui et al. (NeurIPS 2022): without
reference, with it, for validation and for test; a fraction of the 12 % is learnt from. Errors are
those of the test part. What is in WORK is not done again; elements that are not named and networks
that are not in WORK keep their records. Writes ``run.json``, ``table.md`` and, for each element,
``predictions_ELEMENT.csv``.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from benchmarks.support.records import (
    ROOT,
    commit,
    header,
    replace_block,
    versions,
    write_csv,
    write_json,
)
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.teaching.run_teaching import TeachingShares, teach_networks
from madelung.teaching.strategies import METHODS, read_teaching_settings
from madelung.teaching.tables import read_energy_table
from madelung.teaching.task import PUBLISHED_SHARES

FILES = {
    "W": ("W_szlachta_9691.extxyz.xz",),
    "Si": ("mlearn_Si_train.extxyz.gz", "mlearn_Si_test.extxyz.gz", "Si_mogroup_defects.extxyz.gz"),
    "Cu": ("mlearn_Cu_train.extxyz.gz", "mlearn_Cu_test.extxyz.gz"),
    "Ni": ("mlearn_Ni_train.extxyz.gz", "mlearn_Ni_test.extxyz.gz"),
    "Mo": ("mlearn_Mo_train.extxyz.gz", "mlearn_Mo_test.extxyz.gz"),
}
SETTINGS = ROOT / "benchmarks/settings"
# The tungsten cells have 16 atoms in the mean; those of the other elements 50 to 110.
SMALL_CELLS = ("W",)
# Their stresses do not agree with their energies: benchmarks/data/stress_consistency.py.
WITHOUT_STRESSES = ("Cu", "Ni")
SHARES = TeachingShares(*PUBLISHED_SHARES)
ERRORS = ("energy_rmse", "force_rmse")
PREDICTIONS = ("id", "seed", "fraction", "method", "target", "prediction", "force_rmse")


def configurations_of(element: str, data: Path) -> list[Configuration]:
    """Read all configurations of an element."""
    return list(read_configurations([data / name for name in FILES[element]]))


def measure(element: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Teach networks of an element with all seeds; return a row for each network."""
    configurations = configurations_of(element, options.data)
    labels = read_energy_table(options.data / f"{element}_eip_energies.csv.gz", configurations)
    rows = []
    for seed in options.seeds:
        changes: dict[str, Any] = {"seed": seed, "network": {"elements": [element]}}
        if element in WITHOUT_STRESSES:
            changes["course"] = {"stress_weight": 0.0}
        name = "teaching.yaml" if element in SMALL_CELLS else "teaching_large_cells.yaml"
        settings = read_teaching_settings(SETTINGS / name, changes, ())
        taught = teach_networks(
            configurations, labels, options.work / element / str(seed), settings,
            methods=options.methods, fractions=options.fractions, shares=SHARES,
        )  # fmt: skip
        rows += [{**row, "seed": seed} for row in taught.rows]
        print(element, seed, flush=True)
        for row in taught.rows:
            print("   ", row, flush=True)
    return rows


def gathered(element: str, work: Path) -> list[dict[str, Any]]:
    """Return a row for each network that is there."""
    rows = [
        {**json.loads(path.read_text(encoding="utf-8")), "seed": int(path.parts[-3])}
        for path in sorted((work / element).glob("*/*/result.json"))
    ]
    return sorted(rows, key=lambda row: (row["fraction"], row["seed"]))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean errors by fraction and way, with the 95 % intervals of the mean over the seeds."""
    found: dict[str, Any] = {}
    for row in rows:
        own = found.setdefault(f"{row['fraction']:g}", {}).setdefault(row["method"], [])
        own.append(row)
    return {
        fraction: {method: _mean(own) for method, own in ways.items()}
        for fraction, ways in found.items()
    }


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {"labelled": rows[0]["labelled"]}
    for name in ERRORS:
        values = np.array([row[name] for row in rows])
        result[name] = float(values.mean())
        if len(values) > 1:
            reach = (
                student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
            )
            result[f"{name}_interval"] = [
                float(values.mean() - reach),
                float(values.mean() + reach),
            ]
    result["seeds"] = [row["seed"] for row in rows]
    result["seconds"] = float(np.mean([row["seconds"] for row in rows]))
    return result


def identity(row: dict[str, Any]) -> tuple[int, float, str]:
    """Seed, fraction and way of a network, from its record or from a line of predictions."""
    return int(row["seed"]), float(row["fraction"]), row["method"]


def merged(rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows, and those recorded before of other networks."""
    new = {identity(row) for row in rows}
    together = rows + [row for row in before if identity(row) not in new]
    return sorted(together, key=lambda row: (row["fraction"], row["seed"]))


def recorded_predictions(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of a file of predictions, if there is one, but those of some networks."""
    if not path.is_file():
        return []
    new = {identity(row) for row in rows}
    with path.open(encoding="utf-8") as stream:
        return [line for line in csv.DictReader(stream) if identity(line) not in new]


def predictions_of(element: str, rows: list[dict[str, Any]], work: Path) -> list[dict[str, Any]]:
    """Collect predictions of energies in eV/atom, and force errors in eV/Å."""
    collected = []
    for row in rows:
        folder = f"{row['method']}-{row['fraction']:g}"
        path = work / element / str(row["seed"]) / folder / "predictions.csv"
        with path.open(encoding="utf-8") as stream:
            for line in csv.DictReader(stream):
                collected.append(
                    {
                        "id": line["id"],
                        "seed": row["seed"],
                        "fraction": row["fraction"],
                        "method": row["method"],
                        "target": line["energy"],
                        "prediction": line["predicted_energy"],
                        "force_rmse": line["force_rmse"],
                    }
                )
    return collected


def markdown(errors: dict[str, dict[str, dict[str, Any]]]) -> str:
    """A table for each element: ways by labelled configurations."""
    parts = []
    for element, fractions in errors.items():
        titles = [
            f"{100 * float(name):g} % ({_labelled(ways)})" for name, ways in fractions.items()
        ]
        parts += [f"**{element}**, meV/atom / eV/Å", ""]
        parts += [f"| labelled | {' | '.join(titles)} |", "| --- " * (len(titles) + 1) + "|"]
        for method in METHODS:
            cells = [_cell(ways.get(method)) for ways in fractions.values()]
            parts.append(f"| {method} | {' | '.join(cells)} |")
        parts.append("")
    parts.append("Command: `python -m benchmarks.teaching.taught_force_fields DATA`.")
    return "\n".join(parts) + "\n"


def _labelled(ways: dict[str, dict[str, Any]]) -> str:
    return f"{next(iter(ways.values()))['labelled']:,}"


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    few = "" if len(found["seeds"]) > 1 else " (one seed)"
    return f"{found['energy_rmse']:.2f} / {found['force_rmse']:.3f}{few}"


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description="Networks taught by empirical potentials.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--elements", nargs="+", default=list(FILES), choices=list(FILES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.01, 0.05, 0.2, 1.0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--gather", action="store_true", help="record what is there already")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/teaching")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    begun = time.monotonic()
    path = options.out / "run.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    errors, networks = before.get("errors", {}), before.get("networks", {})
    for element in options.elements:
        found = gathered(element, options.work) if options.gather else measure(element, options)
        rows = [{**row, "commit": commit()} for row in found]
        networks[element] = merged(rows, networks.get(element, []))
        errors[element] = summary(networks[element])
        listed = options.out / f"predictions_{element}.csv"
        predictions = recorded_predictions(listed, rows)
        predictions += predictions_of(element, rows, options.work)
        write_csv(listed, predictions, PREDICTIONS)
        record = {**header(0), "versions": versions(("madelung", "numpy", "torch"))}
        record["hours"] = before.get("hours", 0.0) + (time.monotonic() - begun) / 3600.0
        write_json(path, {**record, "errors": errors, "networks": networks})
    table = markdown(errors)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "teaching", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
