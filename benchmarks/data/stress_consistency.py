"""Do the stresses of the mlearn data agree with the energies of the same strained crystals?

    python -m benchmarks.data.stress_consistency DATA

Between two strained cells of the same crystal with atoms at rest in it, the energy changes by the
volume times the stress times the strain. Each "Elastic" configuration is compared with the five
that are nearest to it in shape. A constant pressure by which the stresses would have to differ is
fitted to what is left. Basis sets that are complete for energies may not be for stresses (Pulay
stress): a force field cannot learn both. Writes ``run.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.common.units import GIGAPASCAL
from madelung.forcefields.reference.configurations import Configuration, read_configurations

ELEMENTS = ("Ni", "Cu", "Li", "Si", "Ge")  # in those of molybdenum, atoms are not at rest
NEIGHBOURS = 5


def pairs_of(configurations: list[Configuration]) -> NDArray[np.float64]:
    """(pairs, 3): work of the stresses, change of the energy, of the volume, all for an atom."""
    cells = np.array([one.crystal.cell for one in configurations])
    sizes = np.array([len(one.crystal) for one in configurations])
    volumes = np.abs(np.linalg.det(cells)) / sizes
    energies = np.array([one.energy for one in configurations]) / sizes
    stresses = np.array([one.stress for one in configurations])
    rows = []
    for first, cell in enumerate(cells):
        distances = np.abs(cells - cell).sum((1, 2))
        for second in np.argsort(distances)[1 : NEIGHBOURS + 1]:
            strain = np.linalg.solve((cell + cells[second]) / 2, cells[second] - cell)
            volume = (volumes[first] + volumes[second]) / 2
            stress = (stresses[first] + stresses[second]) / 2
            work = volume * (stress * strain).sum()
            change = energies[second] - energies[first]
            rows.append((work, change, volume * np.trace(strain)))
    return np.array(rows)


def main() -> int:
    """Compare, print and record."""
    parser = argparse.ArgumentParser(description="Stresses of the mlearn data, by their energies.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/stress_consistency")
    options = parser.parse_args()
    found = {}
    for element in ELEMENTS:
        path = options.data / f"mlearn_{element}_train.extxyz.gz"
        strained = [one for one in read_configurations(path) if one.group == "Elastic"]
        work, change, volume = pairs_of(strained).T
        rest = change - work
        pressure = float(volume @ rest / (volume @ volume))
        found[element] = {
            "configurations": len(strained),
            "pressure_GPa": round(pressure / GIGAPASCAL, 2),
            "rms_change_meV_per_atom": round(1000 * float(np.sqrt((change**2).mean())), 2),
            "rms_rest_meV_per_atom": round(1000 * float(np.sqrt((rest**2).mean())), 2),
            "rms_rest_after_pressure_meV_per_atom": round(
                1000 * float(np.sqrt(((rest - pressure * volume) ** 2).mean())), 2
            ),
        }
        print(element, found[element], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    content = {**header(0), "versions": versions(("numpy",)), "elements": found}
    write_json(options.out / "run.json", content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
