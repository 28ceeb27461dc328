"""UF3 on the mlearn sets: six elements, errors beside those of published potentials.

    python benchmarks/uf3_mlearn.py SHARED/data/forcefields --out benchmarks/results/uf3_mlearn

The data are those of Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020), trained on and tested on as
they are. All elements have the same numbers of intervals; the ranges follow the distance of
neighbours. Penalties and weights are the defaults. Writes ``run.json``, ``table.csv`` and
``predictions.csv`` (energies in eV/atom; the fold is the element).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from records import ROOT, header, versions, write_csv, write_json

from madelung.forcefields.configurations import Configuration, read_configurations
from madelung.forcefields.uf3 import (
    ThreeBodyRange,
    TwoBodyRange,
    UF3Settings,
    assemble,
    fit_uf3,
)

# Cutoffs of two- and three-body terms in Å.
CUTOFFS = {
    "Ni": (6.0, 5.0),
    "Cu": (6.0, 5.0),
    "Li": (6.5, 5.6),
    "Mo": (6.0, 5.2),
    "Si": (6.0, 5.2),
    "Ge": (6.0, 5.4),
}
FIELDS = ["element", "quantity", "training", "test", "seconds"]


def settings(element: str) -> UF3Settings:
    """Ranges of an element."""
    two, three = CUTOFFS[element]
    return UF3Settings(
        elements=(element,),
        two_body=TwoBodyRange(minimum=1.5, maximum=two, intervals=25),
        three_body=ThreeBodyRange(minimum=1.5, maximum=three, intervals=(10, 10, 20)),
    )


def read(path: Path) -> Iterator[Configuration]:
    """Configurations with energies and forces; the order of the shear stresses is not sure."""
    return (replace(one, stress=None) for one in read_configurations(path))


def main() -> None:
    """Fit, test and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/uf3_mlearn")
    parser.add_argument("--elements", nargs="+", default=list(CUTOFFS), choices=list(CUTOFFS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for element in options.elements:
        chosen = settings(element)
        training = list(read(options.data / f"mlearn_{element}_train.extxyz.gz"))
        test = list(read(options.data / f"mlearn_{element}_test.extxyz.gz"))
        begin = time.perf_counter()
        fit = fit_uf3(training, chosen)
        seconds = round(time.perf_counter() - begin, 1)
        fit.potential.save(options.out / f"{element}.json")
        errors = assemble(test, chosen)[0].errors(fit.solution.coefficients)
        for quantity, unit, factor in (("energy", "meV/atom", 1000.0), ("forces", "eV/Å", 1.0)):
            table.append(
                {
                    "element": element,
                    "quantity": f"{quantity} ({unit})",
                    "training": round(factor * fit.errors[quantity], 4),
                    "test": round(factor * errors[quantity], 4),
                    "seconds": seconds,
                }
            )
            print(table[-1], flush=True)
        for one in test:
            if one.energy is not None:
                energy = fit.potential.evaluate(one.crystal).energy
                atoms = len(one.crystal)
                facts = {"id": one.id, "fold": element, "target": one.energy / atoms}
                rows.append(facts | {"prediction": energy / atoms})
    write_csv(options.out / "table.csv", table, FIELDS)
    write_csv(options.out / "predictions.csv", rows, ["id", "fold", "target", "prediction"])
    record = {**header(seed=0), "versions": versions(["numpy", "scipy"])}
    write_json(options.out / "run.json", record)


if __name__ == "__main__":
    main()
