"""What parts of the network of force constants, and of its training, are worth.

    python -m benchmarks.phonons.ablations SHARD... --held-out FILE        # all variants
    python -m benchmarks.phonons.ablations SHARD... --held-out FILE --only "batches of 8"

Each variant learns from the same 1,200 crystals for six epochs and is judged on 150 validation
crystals of other compositions: small trials, by which settings were chosen. One core, some two
minutes each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.support.records import ROOT, header, write_json

RESULTS = ROOT / "benchmarks" / "results" / "phonons_ablations"
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "batches of 16": ({}, {"batch_size": 16}),
    "batches of 8": ({}, {}),
    "batches of 4": ({}, {"batch_size": 4}),
    "learning rate 0.008": ({}, {"learning_rate": 8e-3}),
    "4 layers of 128 features": ({"features": 128, "layers": 4}, {}),
    "12 channels, 128 hidden": ({"channels": 12, "hidden": 128}, {}),
    "no channels": ({"channels": 0}, {}),
    "springs to 6 Å": ({"spring_reach": 6.0}, {}),
    "channels to 3.5 Å": ({"local_reach": 3.5}, {}),
    "without Born charges": ({}, {"electric_weight": 0.0}),
    "statistics of each batch": ({}, {"statistics_share": 1.0}),
    "batches of 4, springs to 6 Å": ({"spring_reach": 6.0}, {"batch_size": 4}),
    "batches of 4, springs to 6 Å, 12 channels, 128 hidden": (
        {"spring_reach": 6.0, "channels": 12, "hidden": 128},
        {"batch_size": 4},
    ),
}
CRYSTALS, JUDGED, EPOCHS = 1200, 150, 6


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train each variant, and write what is found."""
    parts = divided_modes(arguments)
    rows = {}
    for name, (network, course) in VARIANTS.items():
        if arguments.only and name != arguments.only:
            continue
        given = {"epochs": arguments.epochs, "validations": 3, **course}
        rows[name] = trial(parts, arguments.crystals, network, given)
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    record = {
        **header(0), "crystals": arguments.crystals, "epochs": arguments.epochs, "variants": rows
    }  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "run.json", record)
    return record


def divided_modes(arguments: argparse.Namespace) -> Any:
    """Make or read the modes of all references, and divide them as a training does."""
    from madelung.phonons.compositions import read_held_out
    from madelung.phonons.train import divided, prepared_modes

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.modes or Path(folder)
        crystals = prepared_modes(arguments.shards, place, 80, quiet=False)
    return divided(crystals, read_held_out(arguments.held_out), 0.05)


def trial(
    parts: Any, crystals: int, network: dict[str, Any], course: dict[str, Any]
) -> dict[str, float]:
    """Train a network on some crystals; its mean errors on validation crystals, and seconds."""
    from madelung.models.harmonic import HarmonicNetwork
    from madelung.models.harmonic_settings import HarmonicSettings
    from madelung.phonons.course import PhononCourse
    from madelung.phonons.examples import phonon_example
    from madelung.phonons.training import PhononTraining, errors_of_examples, mean_errors

    chosen = np.random.default_rng(1).permutation(len(parts.training))[:crystals]
    settings = HarmonicSettings(**network)
    given = PhononCourse(**{"average_decay": 0.995, **course})
    training = [phonon_example(parts.training[row], settings) for row in chosen]
    judged = [phonon_example(one, settings) for one in parts.validation[:JUDGED]]
    torch.manual_seed(given.seed)
    started = time.perf_counter()
    trained = PhononTraining(HarmonicNetwork(settings), training, judged, given).run()
    seconds = time.perf_counter() - started
    learnt = mean_errors(errors_of_examples(trained, training[:JUDGED]))
    means = mean_errors(errors_of_examples(trained, judged))
    return {**means, "frequency_in_training": learnt["frequency"], "seconds": seconds}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser)
    parser.add_argument("--only", help="one variant")
    parser.add_argument("--crystals", type=int, default=CRYSTALS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say what is learnt from."""
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[])
    parser.add_argument("--modes", type=Path, help="folder that keeps the references' modes")


if __name__ == "__main__":
    run(parse())
