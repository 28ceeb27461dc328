"""How closely the network of force constants follows what it learns, and what holds it back.

    python -m benchmarks.phonons.fitting SHARD... --held-out FILE --modes FOLDER

First the strengths of springs and channels are fitted to one validation crystal at a time, without
a network: what is left is the error of their form. Then networks learn 100 small crystals, with
the statistics of each batch, with fixed ones, and for longer: what is left is the error of the
training. Some ten minutes of a core after the modes.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.phonons.ablations import add_data, divided_modes
from benchmarks.support.records import ROOT, header, write_json

RESULTS = ROOT / "benchmarks" / "results" / "phonons_fitting"
COURSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "statistics of each batch, 60 epochs": ({}, {"statistics_share": 1.0}),
    "fixed statistics, 60 epochs": ({}, {}),
    "fixed statistics, twice as wide, 60 epochs": (
        {"features": 192, "hidden": 192, "ends": 128, "senders": 64, "tensors": 64}, {},
    ),
    "fixed statistics, 200 epochs": ({}, {"epochs": 200}),
}  # fmt: skip
CRYSTALS, LARGEST, FITTED, STEPS = 100, 30, 24, 300


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fit strengths, train networks, and write what is found."""
    parts = divided_modes(arguments)
    record: dict[str, Any] = {**header(0), "strengths": fitted_strengths(parts.validation)}
    print(record["strengths"], flush=True)
    small = [one for one in parts.training if len(one.crystal) <= LARGEST]
    order = np.random.default_rng(1).permutation(len(small))[:CRYSTALS]
    record["networks"] = {}
    for name, (network, course) in COURSES.items():
        record["networks"][name] = trained([small[at] for at in order], network, course)
        print(name, record["networks"][name], flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "run.json", record)
    return record


def fitted_strengths(crystals: list[Any]) -> dict[str, float]:
    """Mean errors before and after the strengths of single crystals are fitted to them."""
    from madelung.phonons.examples import joined_graph, phonon_example
    from madelung.phonons.loading import load_phonon_model
    from madelung.phonons.objective import mode_loss, network_matrices, phonon_errors

    model = load_phonon_model("phonons")
    network, settings = model.networks[0], model.card.network
    found = []
    for at in np.random.default_rng(3).permutation(len(crystals))[:FITTED]:
        example = phonon_example(crystals[at], settings)
        with torch.no_grad():
            (begun,) = network(joined_graph([example], settings), [example.couplings])
        free = {
            name: getattr(begun, name).clone().requires_grad_()
            for name in ("along", "across", "local")
        }
        strengths = replace(begun, **free)
        optimiser = torch.optim.Adam(free.values(), lr=0.02)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        errors = []
        for step in range(STEPS + 1):
            matrices = network_matrices(strengths, example)
            if step in (0, STEPS):
                squares = torch.linalg.eigvalsh(matrices.detach()).double().numpy()
                errors.append(phonon_errors(squares, example).frequency)
            optimiser.zero_grad()
            mode_loss(matrices, example).backward()
            optimiser.step()
            schedule.step()
        found.append(errors)
    before, after = np.mean(found, axis=0)
    return {"crystals": len(found), "frequency_before": before, "frequency_after": after}


def trained(
    crystals: list[Any], network: dict[str, Any], course: dict[str, Any]
) -> dict[str, float]:
    """Errors of a network on the crystals that it has learnt from."""
    from madelung.models.harmonic import HarmonicNetwork
    from madelung.models.harmonic_settings import HarmonicSettings
    from madelung.phonons.course import PhononCourse
    from madelung.phonons.examples import phonon_example
    from madelung.phonons.training import PhononTraining, errors_of_examples, mean_errors

    settings = HarmonicSettings(spring_reach=6.0, **network)
    given = {"epochs": 60, "average_decay": 0.99, "validations": 3, "batch_size": 4, **course}
    examples = [phonon_example(one, settings) for one in crystals]
    torch.manual_seed(0)
    begun = time.perf_counter()
    done = PhononTraining(
        HarmonicNetwork(settings), examples, examples, PhononCourse(**given)
    ).run()
    seconds = time.perf_counter() - begun
    return {**mean_errors(errors_of_examples(done, examples)), "seconds": seconds}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse())
