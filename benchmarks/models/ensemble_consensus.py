"""What the members of an ensemble should agree on: the mean of their values, or the median of the
mixture of their distributions (docs/theory/ensembles.md), on validation crystals.

    python -m benchmarks.models.ensemble_consensus DATASET \\
        --models formation-energy jarvis-ehull-column bulk-modulus

DATASET holds the crystals that the models were trained on, with their splits. Errors are mean
absolute ones; the likelihood is that of a Laplace distribution with the value and the error that
each way states, before calibration. Writes ``run.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.data.store import CrystalStore
from madelung.models.laplace_mixture import expected_error, mixture_median
from madelung.training.batches import InputMemory
from madelung.training.ensemble_members import read_members
from madelung.training.evaluation import evaluate_members
from madelung.training.splits import resolve_membership

Values = NDArray[np.float64]


def measure(name: str, store: CrystalStore, memory: InputMemory) -> dict[str, Any]:
    """Return errors and likelihoods for each target of a model."""
    members = read_members([name])
    membership = resolve_membership(store, members[0].settings_on(store))
    parts = [
        evaluate_members(member.model, store, membership, "val", memory=memory)
        for member in members
    ]
    found = {}
    for column, target in enumerate(parts[0].targets):
        truths = parts[0].truths[:, column]
        known = np.isfinite(truths)
        values = np.stack([part.predictions[known, column] for part in parts])
        errors = np.stack([part.expected_errors[known, column] for part in parts])
        found[target] = compare(truths[known], values, errors)
    return found


def compare(truths: Values, values: Values, errors: Values) -> dict[str, Any]:
    """Compare both ways for (M, n) values and expected errors of M members."""
    centres, widths = torch.from_numpy(values), torch.from_numpy(errors)
    median = mixture_median(centres, widths)
    stated = expected_error(centres, widths, median).numpy()
    spread = np.sqrt((errors**2).mean(0) + 0.5 * values.var(0))
    ways = {"mean": (values.mean(0), spread), "median": (median.numpy(), stated)}
    deviations = {way: np.abs(value - truths) for way, (value, _) in ways.items()}
    gain = deviations["mean"] - deviations["median"]
    return {
        "crystals": len(truths),
        "members_mae": [float(np.abs(value - truths).mean()) for value in values],
        "mae": {way: float(deviation.mean()) for way, deviation in deviations.items()},
        "gain": float(gain.mean()),
        "gain_standard_error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
        "log_likelihood": {
            way: float(-(np.log(2.0 * error) + deviations[way] / error).mean())
            for way, (_, error) in ways.items()
        },
    }


def main() -> int:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description="The mean of an ensemble, or its median.")
    parser.add_argument("dataset")
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/consensus")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store, memory = md.open_dataset(options.dataset), InputMemory(4.0)
    results = {name: measure(name, store, memory) for name in options.models}
    for name, targets in results.items():
        for target, found in targets.items():
            print(name, target, found["mae"], found["log_likelihood"])
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**header(0), "versions": versions(("madelung", "torch", "numpy"))}
    write_json(options.out / "run.json", {**record, "models": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
