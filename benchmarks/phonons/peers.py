"""The shipped model of phonons beside universal potentials, on the same crystals in one run.

    pip install sevenn chgnet                                   # their weights are inside
    python -m benchmarks.phonons.peers phonondb_test.npz.xz
    python -m benchmarks.phonons.peers phonondb_test.npz.xz --peers sevennet-0 --crystals 5

All are given the crystals as the references have them (PBEsol), unrelaxed, and peers displace atoms
in the reference's own supercell, by symmetry. Writes ``run.json`` and ``errors.csv``. One core;
times are from the crystal to force constants and thermodynamics.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.support.records import ROOT, header, versions, write_csv, write_json

RESULTS = ROOT / "benchmarks" / "results" / "phonons_peers"
OURS = "madelung phonons"
QUANTITIES = ("frequency", "maximum", "free_energy", "entropy", "heat_capacity")


def sevennet() -> Any:
    """SevenNet-0 (11 July 2024), learnt from Materials Project trajectories."""
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device="cpu")


def chgnet() -> Any:
    """CHGNet 0.3.0, learnt from the same."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu", stress_weight=0.006242)


PEERS: dict[str, Callable[[], Any]] = {"sevennet-0": sevennet, "chgnet-0.3.0": chgnet}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Judge all on each crystal in turn."""
    from madelung.phonons.displacements import phonons_of_force_field
    from madelung.phonons.loading import load_phonon_model

    torch.set_num_threads(1)
    model = load_phonon_model("phonons")
    calculators = {name: PEERS[name]() for name in arguments.peers}
    rows: list[dict[str, Any]] = []
    for reference, multiples in chosen_references(arguments):
        found: dict[str, Any] = {}
        predictors: dict[str, Callable[[Any], Any]] = {OURS: model.predict}
        for name, calculator in calculators.items():
            predictors[name] = lambda crystal, of=calculator, size=multiples: (
                phonons_of_force_field(crystal, of, size)
            )
        for name, predict in predictors.items():
            found[name] = judged(predict, reference)
            print(reference.crystal.source, name, found[name], flush=True)
        # Only crystals that all could do are compared.
        if all(row is not None for row in found.values()):
            rows += [{"model": name, **row} for name, row in found.items()]
    record = {
        **header(0),
        "versions": versions(["madelung", "torch", "phonopy", "sevenn", "chgnet"]),
        "weights_sha256": model.card.weights_sha256,
        "protocol": "crystals as the references have them, unrelaxed; peers by displacements of "
        "0.01 Å in the reference's supercell",
        "crystals": len(rows) // (1 + len(calculators)),
        "models": {name: summary(rows, name) for name in (OURS, *calculators)},
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.out / "errors.csv", rows, list(rows[0]))
    write_json(arguments.out / "run.json", record)
    return record


def chosen_references(arguments: argparse.Namespace) -> Iterator[tuple[Any, Any]]:
    """References whose supercells are small enough, and these in primitive cells."""
    from madelung.phonons.force_sets import ForceSets
    from madelung.phonons.shards import read_shard

    sound = [one for one in read_shard(arguments.shard) if isinstance(one, ForceSets)]
    small = [
        one for one in sound
        if one.primitive_size <= arguments.atoms and one.forces.shape[1] <= arguments.supercell
    ]  # fmt: skip
    order = np.random.default_rng(arguments.seed).permutation(len(small))[: arguments.crystals]
    for at in sorted(order.tolist()):
        own = small[at]
        matrix = np.linalg.inv(own.primitive_matrix) @ own.supercell_matrix
        yield own, np.rint(matrix).astype(np.int64)


def judged(predict: Callable[[Any], Any], reference: Any) -> dict[str, Any] | None:
    """Errors of one model on one crystal and the seconds it took, None if it could not."""
    from madelung.common.errors import PhononError
    from madelung.phonons.evaluation import evaluate_phonons

    seconds = []

    def timed(crystal: Any) -> Any:
        begin = time.perf_counter()
        found = predict(crystal)
        found.summary()
        seconds.append(time.perf_counter() - begin)
        return found

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (row,) = evaluate_phonons(timed, [reference]).crystals
    except PhononError as problem:
        print(f"left out: {problem}")
        return None
    errors = {name: row.error(name) for name in QUANTITIES}
    return {"id": row.id, "atoms": row.atoms, **errors, "is_stable": row.is_stable,
            "was_stable": row.was_stable, "seconds": seconds[0]}  # fmt: skip


def summary(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Mean errors, the median of frequency errors and of the time, and the share of stability."""
    own = [row for row in rows if row["model"] == name]
    found = {quantity: float(np.mean([row[quantity] for row in own])) for quantity in QUANTITIES}
    return found | {
        "frequency_median": float(np.median([row["frequency"] for row in own])),
        "stability": float(np.mean([row["is_stable"] == row["was_stable"] for row in own])),
        "seconds_median": float(np.median([row["seconds"] for row in own])),
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shard", type=Path)
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--crystals", type=int, default=20)
    parser.add_argument("--atoms", type=int, default=20, help="most of the primitive cell")
    parser.add_argument("--supercell", type=int, default=110, help="most atoms of the supercell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse())
