"""Whether molecular dynamics conserves energy: 4,000 atoms of tungsten at constant energy.

    python -m benchmarks.force_fields.energy_conservation --out benchmarks/results/dynamics

With the UF3 potential of ``benchmarks/results/tungsten``, velocities of 1,000 K. A run that was
stopped goes on with the same command. Writes ``run.json``, beside the log of the run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import ase.build

from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.calculations.dynamics import DynamicsSettings, run_dynamics
from madelung.forcefields.files import load_force_field

POTENTIAL = ROOT / "benchmarks/results/tungsten/uf3-4.25.json"


def main() -> int:
    """Run and record."""
    parser = argparse.ArgumentParser(description="Conservation of energy.")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--timestep", type=float, default=1.0, help="in fs")
    parser.add_argument("--temperature", type=float, default=1000.0, help="in K")
    parser.add_argument("--work", type=Path, default=Path("dynamics"), help="folder of the run")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/dynamics")
    options = parser.parse_args()
    atoms = ase.build.bulk("W", "bcc", a=3.18, cubic=True) * (13, 13, 12)
    settings = DynamicsSettings(
        ensemble="nve", time_step=options.timestep, temperature=options.temperature
    )
    begun = time.monotonic()
    result = run_dynamics(
        atoms, load_force_field(POTENTIAL), options.work, steps=options.steps, settings=settings,
        resume=(options.work / "checkpoint.npz").exists(),
    )  # fmt: skip
    seconds = time.monotonic() - begun
    record = {
        **header(settings.seed),
        "versions": versions(("madelung", "ase", "numpy")),
        "atoms": len(atoms),
        "steps": result.steps,
        "seconds": round(seconds, 1),
        "microseconds_per_atom_and_step": round(1e6 * seconds / len(atoms) / result.steps, 2),
        "result": result.as_object(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    shutil.copy(options.work / "log.csv", options.out / "log.csv")
    print(len(atoms), "atoms", record["result"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
