"""Neural force fields of the mlearn data sets, for the table of mlearn_errors.py.

    python -m benchmarks.force_fields.mlearn_neural_fits ELEMENT … --data DATA --out RESULTS/neural

A tenth of the training configurations chooses the weights; test configurations have no part in
anything. Writes, for each element, the force field and ``run.json``; a folder that has one is
passed over.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.forcefields.neural.fit_settings import read_neural_settings
from madelung.forcefields.neural.run_fit import run_neural_fit
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.learning.checkpoints import CHECKPOINT_FILE

SETTINGS = ROOT / "benchmarks/settings/neural_mlearn.yaml"


def fit(element: str, options: argparse.Namespace) -> None:
    """Fit the force field of an element, and record how."""
    out = options.out / element
    if (out / "run.json").is_file():
        return
    training = (str(options.data / f"mlearn_{element}_train.extxyz.gz"),)
    settings = read_neural_settings(SETTINGS, {}, training)
    work = options.work / element
    begun = time.process_time()
    job = run_neural_fit(
        DataFiles(training), work, settings, resume=(work / "member-0" / CHECKPOINT_FILE).exists()
    )
    job.potential.save(out)
    record: dict[str, Any] = {**header(settings.course.seed), "versions": versions(("torch",))}
    record["settings"] = job.results["settings"]
    record["parameters"] = job.results["parameters"]
    record["training"] = job.results["errors"]["training"]
    record["processor_seconds"] = round(time.process_time() - begun, 1)
    write_json(out / "run.json", record)
    print(element, record["training"], flush=True)


def main() -> int:
    """Fit all."""
    parser = argparse.ArgumentParser(description="Neural force fields of the mlearn data sets.")
    parser.add_argument("elements", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("neural-fits"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/mlearn/neural")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for element in options.elements:
        fit(element, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
