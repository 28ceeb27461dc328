"""How errors of the network of force constants fall with crystals, and with steps of training.

    python -m benchmarks.phonons.learning_curve SHARD... --held-out FILE

Each network takes the same number of steps on 300 to 4,800 crystals, and twice and four times as
many on 300 and 1,200: what is limited by data gains from crystals, what is limited by the training
gains from steps. Judged on 150 validation crystals of other compositions.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.phonons.ablations import add_data, divided_modes, trial
from benchmarks.support.records import ROOT, header, write_json

RESULTS = ROOT / "benchmarks" / "results" / "phonons_learning_curve"
BATCH, STEPS = 4, 1200
# Crystals, and by how much there are more steps.
POINTS = ((300, 1), (600, 1), (1200, 1), (2400, 1), (4800, 1), (300, 4), (1200, 4))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train a network for each point, and write what is found."""
    parts = divided_modes(arguments)
    rows: list[dict[str, float]] = []
    arguments.out.mkdir(parents=True, exist_ok=True)
    for crystals, times in POINTS:
        epochs = STEPS * times * BATCH // crystals
        course = {"epochs": epochs, "batch_size": BATCH, "validations": 2}
        found = trial(parts, crystals, {}, course)
        rows.append({"crystals": crystals, "steps": STEPS * times, "epochs": epochs, **found})
        print({name: round(value, 3) for name, value in rows[-1].items()}, flush=True)
    record = {**header(0), "batch_size": BATCH, "points": rows}
    write_json(arguments.out / "run.json", record)
    return record


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse())
