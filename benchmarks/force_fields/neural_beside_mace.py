"""Our neural force field beside MACE: training and inference on the same data, one core.

    python -m benchmarks.force_fields.neural_beside_mace DATA --mace-python OTHER/bin/python

Tungsten (Szlachta et al.): 388 configurations to learn from, 388 others to test on, both drawn at
random. Every network is trained for the same processor time, and then tested. Inference is energy
and forces of 1,024 atoms, body-centred and moved at random by about 0.05 Å, in single precision.
MACE, which needs its own environment, has the settings of its training command, in its default
size and in a smaller one. Writes ``run.json`` and ``table.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import torch

from benchmarks.support.records import ROOT, header, replace_block, versions, write_json
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, examples_of, set_scales
from madelung.forcefields.neural.fit_settings import TrainingCourse
from madelung.forcefields.neural.losses import errors_of_examples
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.training import NeuralTraining
from madelung.forcefields.reference.configurations import (
    Configuration,
    SkippedConfigurations,
    read_configurations,
)

SIZES = {"MACE 128x0e+128x1o": "128x0e+128x1o", "MACE 32x0e+32x1o": "32x0e+32x1o"}
COUNT = 388


def ours(
    training: list[Configuration], test: list[Configuration], cell: Any, seconds: float
) -> dict[str, Any]:
    """Train our network for about so much processor time, test and time it."""
    settings = NeuralSettings(elements=("W",), long_range=False)
    skipped = SkippedConfigurations()
    learning = examples_of(training, settings, skipped)
    torch.manual_seed(0)
    model = EnergyModel(settings)
    spread = set_scales(model, learning)
    trial = TrainingCourse(epochs=1)
    epoch = _seconds(model, learning, spread, trial)
    torch.manual_seed(0)
    model = EnergyModel(settings)
    set_scales(model, learning)
    course = TrainingCourse(epochs=max(round(seconds / epoch), 1), stress_weight=0.0)
    spent = _seconds(model, learning, spread, course)
    atoms = sum(item.atoms for item in learning) * course.epochs
    errors = errors_of_examples(model, examples_of(test, settings, skipped))
    return {
        "parameters": sum(value.numel() for value in model.parameters()),
        "training": {"microseconds": 1e6 * spent / atoms, "epochs": course.epochs},
        "errors": {"energy_rmse": 1e3 * errors.energy, "force_rmse": errors.force},
        "microseconds": _inference(model, cell),
    }


def _seconds(model: EnergyModel, learning: list[Example], spread: Any, course: Any) -> float:
    begun = time.process_time()
    NeuralTraining(model, learning, (), spread, course).run()
    return time.process_time() - begun


def _inference(model: EnergyModel, cell: Any) -> float:
    """Processor time in µs of energy and forces of an atom, the search for neighbours included."""
    force_field = NeuralForceField([model], dtype=torch.float32)
    times = []
    for _ in range(4):
        begun = time.process_time()
        force_field.evaluate(cell)
        times.append(time.process_time() - begun)
    return 1e6 * min(times[1:]) / len(cell)


def write_frames(configurations: list[Configuration], path: Path) -> None:
    """Write configurations with the names of labels that MACE expects."""
    frames = []
    for item in configurations:
        atoms = item.crystal.to_ase()
        atoms.info["REF_energy"] = item.energy
        atoms.arrays["REF_forces"] = item.forces
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


def peers(
    python: Path,
    training: list[Configuration],
    test: list[Configuration],
    cell: Any,
    seconds: float,
) -> dict[str, Any]:
    """Let MACE do the same in its environment."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("train.extxyz", "test.extxyz", "cell.extxyz")]
        write_frames(training, paths[0])
        write_frames(test, paths[1])
        ase.io.write(paths[2], cell, format="extxyz")
        for name, irreps in SIZES.items():
            options = {"number": 74, "irreps": irreps, "seconds": seconds, "cell": str(paths[2])}
            script = ROOT / "benchmarks/force_fields/mace_process.py"
            command = [python, script, paths[0], paths[1], json.dumps(options)]
            run = subprocess.run([str(part) for part in command], capture_output=True, text=True)
            if run.returncode:
                raise SystemExit(f"{name} failed:\n{run.stderr[-2000:]}")
            found[name] = json.loads(run.stdout.splitlines()[-1])
            print(name, found[name], flush=True)
    return found


def markdown(found: dict[str, Any]) -> str:
    """A row for each network."""
    lines = [
        "| | parameters | epochs | energy (meV/atom) | forces (eV/Å) | training (µs/atom) "
        "| energy and forces (µs/atom) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in found.items():
        training, errors = row["training"], row["errors"]
        lines.append(
            f"| {name} | {row['parameters']:,} | {training['epochs']:.1f} "
            f"| {errors['energy_rmse']:.1f} | {errors['force_rmse']:.3f} "
            f"| {training['microseconds']:,.0f} | {row['microseconds']:,.0f} |"
        )
    command = "python -m benchmarks.force_fields.neural_beside_mace DATA --mace-python PYTHON"
    return "\n".join(lines) + f"\n\nCommand: `{command}`.\n"


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description="Our neural force field beside MACE.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--mace-python", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300.0, help="processor time of a training")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/neural_peers")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    configurations = list(read_configurations(options.data / "W_szlachta_9691.extxyz.xz"))
    order = np.random.default_rng(0).permutation(len(configurations))
    chosen = [configurations[index] for index in order[: 2 * COUNT]]
    training, test = chosen[:COUNT], chosen[COUNT:]
    cell = ase.build.bulk("W", cubic=True, a=3.18) * (8, 8, 8)
    cell.rattle(0.05, seed=0)
    found = {"ours": ours(training, test, cell, options.seconds)}
    print("ours", found["ours"], flush=True)
    found |= peers(options.mace_python, training, test, cell, options.seconds)
    record: dict[str, Any] = {**header(0), "versions": versions(("madelung", "torch"))}
    write_json(options.out / "run.json", {**record, "seconds": options.seconds, "networks": found})
    table = markdown(found)
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.page:
        replace_block(options.page, "neural-peers", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
