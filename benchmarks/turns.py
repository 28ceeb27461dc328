"""How members that take turns with their validation crystals are best calibrated.

    python benchmarks/turns.py DATASET --target exfoliation_energy --config settings.yaml \\
        --initial base --folds 2

The test crystals of DATASET are left out. What is left is divided into five; each fifth is tested
once by an ensemble that learnt from the others, as often as ``--folds`` says. Members are mixed as
their networks say, and after each has been widened by its own validation
(docs/theory/ensembles.md). Writes ``run.json``. Runs stay in ``--work``, and are not made again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import ROOT, header, versions, write_json

import madelung as md
from madelung.data.records import Record
from madelung.data.store import CrystalStore, write_store
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.training.batches import InputMemory
from madelung.training.calibration import calibrate
from madelung.training.ensembles import combine_models
from madelung.training.evaluation import evaluate_members, target_errors
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer
from madelung.training.unseen import evaluate_unseen

FIFTHS = 5


def without_test_crystals(dataset: CrystalStore, target: str, folder: Path) -> CrystalStore:
    """Write the training and validation crystals of a target with the five ways to divide them."""
    labels = np.asarray(dataset.split(target))
    known = np.isin(labels, ("train", "val")) & np.isfinite(dataset.values(target))
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    fifth = {int(row): place % FIFTHS for place, row in enumerate(order)}

    def records() -> Iterator[Record]:
        for row in sorted(fifth):
            record = dataset[row]
            splits = {
                f"fifth-{fold}": "test" if fifth[row] == fold else "train" for fold in range(FIFTHS)
            }
            yield Record(record.id, record.crystal, {target: record.targets[target]}, splits)

    return write_store(records(), folder, dataset.info)


def members_of(
    store: CrystalStore, settings: TrainingSettings, count: int, work: Path, memory: InputMemory
) -> list[tuple[CrystalModel, TrainingSettings]]:
    """Train the members of an ensemble, or take those that are there."""
    found = []
    for seed in range(count):
        own = settings.model_copy(update={"seed": seed, "split_seed": 0})
        folder = work / f"{own.split}-{seed}"
        if not (folder / "results.json").is_file():
            resume = (folder / "checkpoint.safetensors").is_file()
            Trainer(own, folder, resume=resume, memory=memory).fit(store)
        model = md.load(folder)
        graph, network = model.card.graph, model.card.network
        found.append((model, own.model_copy(update={"graph": graph, "network": network})))
    return found


def measure(
    store: CrystalStore, members: list[tuple[CrystalModel, TrainingSettings]], memory: InputMemory
) -> dict[str, Any]:
    """Test an ensemble of members as they are, and after each was widened by its validation."""
    memberships = [prepare(store, own).membership for _, own in members]
    models = [model for model, _ in members]
    ensemble, validation = combine_models(models, store, memberships, memory=memory)
    network = ensemble.network
    assert isinstance(network, NetworkEnsemble)
    found = {}
    for way in ("widened", "as they are"):
        if way == "as they are":
            network.widening.fill_(1.0)
            validation = evaluate_unseen(ensemble, store, memberships, memory=memory)
            calibrate(ensemble, validation)
        test = evaluate_members(ensemble, store, memberships[0], "test", memory=memory)
        (card,) = ensemble.card.targets
        expected = test.expected_errors[:, 0]
        errors = target_errors(
            test.truths[:, 0],
            test.predictions[:, 0],
            card.factor_68 * expected,
            card.factor_90 * expected,
        )
        half_width = float((card.factor_90 * expected).mean())
        found[way] = {**errors.as_object(), "mean_half_width_90": half_width}
    factors = [model.card.targets[0].factor_68 for model in models]
    return {"crystals": len(test.truths), "members_factor_68": factors, **found}


def main() -> int:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description="Calibration of members that take turns.")
    parser.add_argument("dataset")
    parser.add_argument("--target", required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--initial", default="")
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--folds", type=int, default=FIFTHS)
    parser.add_argument("--work", type=Path, default=Path("turns"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/turns")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = without_test_crystals(
        md.open_dataset(options.dataset), options.target, options.work / "store"
    )
    memory, folds = InputMemory(4.0), []
    for fold in range(options.folds):
        changes = {"target": [options.target], "split": f"fifth-{fold}"}
        settings = read_settings(options.config, {**changes, "initial": options.initial})
        members = members_of(store, settings, options.members, options.work, memory)
        folds.append(measure(store, members, memory))
        print(fold, folds[-1])
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**header(0), "versions": versions(("madelung", "torch", "numpy"))}
    write_json(options.out / "run.json", {**record, "members": options.members, "folds": folds})
    return 0


if __name__ == "__main__":
    sys.exit(main())
