"""SOAP and AdamW for a neural force field: errors after equal steps, and what the steps take.

    python -m benchmarks.force_fields.optimisers DATA

Learns from 35 copper configurations of mlearn's training file and is judged by 12 others of it;
test configurations have no part. AdamW is tried with three rates, each with the same course.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.examples import Example, examples_of, set_scales
from madelung.forcefields.neural.fit_settings import TrainingCourse
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.neural.training import NeuralTraining
from madelung.forcefields.reference.configurations import SkippedConfigurations, read_configurations
from madelung.learning.soap import Soap

OPTIMISERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float]] = {
    "SOAP 6e-3": (Soap, 6e-3),
    "AdamW 3e-3": (partial(torch.optim.AdamW, fused=True), 3e-3),
    "AdamW 6e-3": (partial(torch.optim.AdamW, fused=True), 6e-3),
    "AdamW 1.2e-2": (partial(torch.optim.AdamW, fused=True), 1.2e-2),
}
LEARNT, JUDGED = 35, 12


def measure(name: str, seed: int, steps: int, examples: list[Example]) -> dict[str, Any]:
    """Train with an optimiser; return errors and time."""
    kind, rate = OPTIMISERS[name]
    order = np.random.default_rng(seed).permutation(len(examples))
    training = [examples[index] for index in order[:LEARNT]]
    validation = [examples[index] for index in order[LEARNT : LEARNT + JUDGED]]
    torch.manual_seed(seed)
    model = EnergyModel(NeuralSettings(elements=("Cu",), long_range=False))
    course = TrainingCourse(
        epochs=steps // LEARNT, batch_size=1, learning_rate=rate, validations=5, seed=seed
    )
    run = NeuralTraining(model, training, validation, set_scales(model, training), course)
    run.optimiser = kind(model.parameters(), lr=rate)
    begun = time.process_time()
    run.run()
    seconds = time.process_time() - begun
    errors = run.progress.history[-1]
    row = {
        "optimiser": name,
        "seed": seed,
        "steps": run.steps,
        "energy_rmse": 1000.0 * errors["val energy"],
        "force_rmse": errors["val force"],
        "processor_seconds": round(seconds, 1),
    }
    print(row, flush=True)
    return row


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description="Optimisers of neural force fields.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/optimisers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = NeuralSettings(elements=("Cu",), long_range=False)
    read = read_configurations(options.data / "mlearn_Cu_train.extxyz.gz")
    examples = examples_of(read, settings, SkippedConfigurations())
    rows = [
        measure(name, seed, options.steps, examples)
        for seed in options.seeds
        for name in OPTIMISERS
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**header(0), "versions": versions(("madelung", "numpy", "torch")), "runs": rows}
    write_json(options.out / "run.json", record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
