"""Speed of a UF3 potential: energy and forces of a bulk cell, beside LAMMPS's pair_style uf3.

    python benchmarks/uf3_speed.py POTENTIAL --element W --edge 3.18 --out OUT

Times are of the processor on one thread, the best of several, in µs for each atom: with given
neighbours, the search for neighbours alone, and both, as :meth:`UF3Potential.evaluate` does. With
two threads the time on the clock is taken. LAMMPS, where it can be imported, makes steps in which
no atom moves, with its own list of neighbours kept. Writes ``run.json``.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from records import ROOT, header, versions, write_json

from madelung.crystal import Crystal
from madelung.forcefields.files import load_force_field
from madelung.forcefields.neighbours import find_neighbours
from madelung.forcefields.uf3 import UF3Potential, write_lammps
from madelung.forcefields.uf3.core import arguments, interactions, native_core


def best(work: Callable[[], Any], clock: Callable[[], float], repeats: int) -> float:
    """Shortest time in seconds."""
    times = []
    for _ in range(repeats):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def bulk(element: str, edge: float, cells: int) -> Crystal:
    """A body-centred cubic cell whose atoms are moved at random by about 0.05 Å."""
    from ase.data import atomic_numbers

    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = edge * np.concatenate([corners, corners + 0.5])
    positions += np.random.default_rng(1).normal(size=positions.shape) * 0.05
    numbers = np.full(len(positions), atomic_numbers[element])
    return Crystal(edge * cells * np.eye(3), positions, numbers)


def own_times(potential: UF3Potential, crystal: Crystal, repeats: int) -> dict[str, float]:
    """Times of this package in µs for each atom."""
    neighbours = find_neighbours(crystal, potential.cutoff)
    prepared = arguments(crystal, potential.species, neighbours)
    terms = interactions(potential.species, potential.pairs, potential.triplets)
    jobs: dict[str, tuple[Callable[[], Any], Callable[[], float]]] = {
        "evaluate": (lambda: terms.evaluate(*prepared), time.process_time),
        "evaluate, two threads (clock)": (
            lambda: terms.evaluate(*prepared, threads=2),
            time.perf_counter,
        ),
        "neighbours": (lambda: find_neighbours(crystal, potential.cutoff), time.process_time),
        "both": (lambda: potential.evaluate(crystal), time.process_time),
    }
    return {
        name: round(1e6 * best(work, clock, repeats) / len(crystal), 3)
        for name, (work, clock) in jobs.items()
    }


def lammps_time(potential: UF3Potential, crystal: Crystal, repeats: int) -> float:
    """Time of a step of LAMMPS in µs for each atom."""
    from lammps import lammps

    count, steps = len(crystal), 20
    edges = np.diag(crystal.cell)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "potential.uf3")
        write_lammps(potential, path)
        machine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        machine.commands_string(
            "units metal\natom_style atomic\n"
            f"region box block 0 {edges[0]} 0 {edges[1]} 0 {edges[2]}\ncreate_box 1 box"
        )
        wrapped = crystal.positions % edges
        machine.create_atoms(
            count, list(range(1, count + 1)), [1] * count, wrapped.ravel().tolist()
        )
        machine.commands_string(
            f"mass 1 1.0\npair_style uf3 3\npair_coeff * * {path} {crystal.symbols[0]}\n"
            "neighbor 1.0 bin\nthermo 1\nrun 0"
        )
        run = f"run {steps} pre no post no"
        seconds = best(lambda: machine.command(run), time.process_time, max(repeats // 5, 3))
        machine.close()
    return round(1e6 * seconds / steps / count, 3)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("potential", type=Path)
    parser.add_argument("--element", default="W")
    parser.add_argument("--edge", type=float, default=3.18, help="cubic lattice constant in Å")
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/uf3_speed")
    options = parser.parse_args()
    potential = load_force_field(options.potential)
    if not isinstance(potential, UF3Potential):
        parser.error(f"{options.potential} is no UF3 potential")
    crystal = bulk(options.element, options.edge, options.cells)
    times = own_times(potential, crystal, options.repeats)
    if importlib.util.find_spec("lammps") is not None:
        times["LAMMPS"] = lammps_time(potential, crystal, options.repeats)
    record = {
        **header(seed=1),
        "versions": versions(["numpy", "lammps"]),
        "instruction_set": native_core().instruction_set(),
        "potential": options.potential.name,
        "atoms": len(crystal),
        "microseconds_per_atom": times,
    }
    print(times)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)


if __name__ == "__main__":
    main()
