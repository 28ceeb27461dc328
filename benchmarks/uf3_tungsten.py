"""UF3 on tungsten: errors on held-out configurations after the published training configurations.

    python benchmarks/uf3_tungsten.py SHARED/data/forcefields --out benchmarks/results/uf3_tungsten

Trains on the configurations that S. R. Xie, M. Rupp, R. G. Hennig (npj Comput. Mater. 9, 162,
2023) list, a fifth of the 9,691, with their ranges, and tests on all others: with the three-body
cutoff of 4.25 Å of the published model, and with 5.5 Å. Writes ``run.json``, ``table.csv``,
``predictions.csv`` (energies in eV/atom; the fold is the cutoff) and the potentials as JSON.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from records import ROOT, header, versions, write_csv, write_json

from madelung.forcefields.configurations import Configuration, read_configurations
from madelung.forcefields.uf3.fit import UF3Fit, assemble, fit_uf3
from madelung.forcefields.uf3.settings import ThreeBodyRange, TwoBodyRange, UF3Settings

# Errors in meV/atom and eV/Å: the learning curve at 1,934 configurations, and Table I.
PUBLISHED = {4.25: (6.33, 0.174), 5.5: (5.1, 0.152)}
FIELDS = ["cutoff", "coefficients", "quantity", "training", "test", "published"]


def settings(cutoff: float) -> UF3Settings:
    """The published ranges, with this package's weights and penalties."""
    return UF3Settings(
        elements=("W",),
        two_body=TwoBodyRange(minimum=1.5, maximum=5.5, intervals=25),
        three_body=ThreeBodyRange(minimum=1.5, maximum=cutoff, intervals=(10, 10, 20)),
    )


def read(folder: Path) -> tuple[list[Configuration], list[Configuration]]:
    """Training and test configurations; row n of the file is n + 2 in the authors' list."""
    chosen = set(np.loadtxt(folder / "uf3_tungsten/training_idx.txt", dtype=int) - 2)
    training, test = [], []
    for row, one in enumerate(read_configurations(folder / "W_szlachta_9691.extxyz.xz")):
        # Stresses are left out, as in the paper.
        one = Configuration(one.id, one.crystal, one.energy, one.forces, None, one.group)
        (training if row in chosen else test).append(one)
    return training, test


def watched(configurations: list[Configuration], quiet: bool) -> Iterator[Configuration]:
    """Pass configurations on, with a bar if anyone is watching."""
    from madelung.data.progress import counted

    return counted(configurations, "configurations", show=not quiet)


def predictions(fit: UF3Fit, test: list[Configuration], cutoff: float) -> list[dict[str, Any]]:
    """Energies per atom of the test configurations."""
    return [
        {
            "id": one.id,
            "fold": cutoff,
            "target": one.energy / len(one.crystal),
            "prediction": fit.potential.evaluate(one.crystal).energy / len(one.crystal),
        }
        for one in test
        if one.energy is not None
    ]


def main() -> None:
    """Fit, test and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/uf3_tungsten")
    parser.add_argument("--cutoffs", type=float, nargs="+", default=list(PUBLISHED))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    training, test = read(options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    table, rows, seconds = [], [], {}
    for cutoff in options.cutoffs:
        chosen = settings(cutoff)
        begin = time.perf_counter()
        fit = fit_uf3(watched(training, options.quiet), chosen, threads=options.threads)
        seconds[str(cutoff)] = round(time.perf_counter() - begin, 1)
        fit.potential.save(options.out / f"potential-{cutoff}.json")
        tests, _ = assemble(watched(test, options.quiet), chosen, threads=options.threads)
        errors = tests.errors(fit.solution.coefficients)
        for number, (quantity, factor) in enumerate((("energy", 1000.0), ("forces", 1.0))):
            table.append(
                {
                    "cutoff": cutoff,
                    "coefficients": len(fit.solution.coefficients),
                    "quantity": f"{quantity} ({'meV/atom' if factor > 1 else 'eV/Å'})",
                    "training": round(factor * fit.errors[quantity], 4),
                    "test": round(factor * errors[quantity], 4),
                    "published": PUBLISHED.get(cutoff, ("", ""))[number],
                }
            )
            print(table[-1])
        rows += predictions(fit, test, cutoff)
    write_csv(options.out / "table.csv", table, FIELDS)
    write_csv(options.out / "predictions.csv", rows, ["id", "fold", "target", "prediction"])
    counts = {"training": len(training), "test": len(test)}
    extra = {"configurations": counts, "fit_seconds": seconds, "threads": options.threads}
    write_json(
        options.out / "run.json",
        {**header(seed=0), "versions": versions(["numpy", "scipy"]), **extra},
    )


if __name__ == "__main__":
    main()
