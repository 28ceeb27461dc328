"""How members that take turns with their validation crystals are best calibrated.

    python -m benchmarks.models.calibration_by_turns DATASET --target exfoliation_energy \\
        --config settings.yaml --initial base --folds 2

The test crystals of DATASET are left out. What is left is divided into five; each fifth is tested
once by an ensemble that learnt from the others, as often as ``--folds`` says. Compared are what
ensembles do, each member widened by its own validation (docs/theory/ensembles.md); that with the
members' spread added; with the spread, but members as they are; and, where several members judge
each crystal, without what averaging takes off (equation 4). Writes ``NAME.json``. Runs stay in
``--work``, and are not made again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import madelung as md
from benchmarks.support.records import ROOT, header, versions, write_json
from madelung.data.records import Record
from madelung.data.store import CrystalStore, write_store
from madelung.models.laplace_mixture import expected_error, mixture_median
from madelung.models.model import CrystalModel
from madelung.training.batches import InputMemory
from madelung.training.calibration import averaged_factor, quantile_factors
from madelung.training.evaluation import ModelEvaluation, evaluate_members, target_errors
from madelung.training.preparation import prepare
from madelung.training.settings import TrainingSettings, read_settings
from madelung.training.trainer import Trainer

FIFTHS = 5
Values = NDArray[np.float64]


def without_test_crystals(
    dataset: CrystalStore, target: str, split: str, folder: Path
) -> CrystalStore:
    """Write the training and validation crystals of a split with the five ways to divide them."""
    labels = np.asarray(dataset.split(split))
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
    """Test an ensemble of members in the four ways."""
    parts: dict[str, list[ModelEvaluation]] = {"val": [], "test": []}
    for model, own in members:
        membership = prepare(store, own).membership
        for part, found in parts.items():
            found.append(evaluate_members(model, store, membership, part, memory=memory))
    factors = np.array([model.card.targets[0].factor_68 for model, _ in members])
    as_they_are = np.ones_like(factors)
    ways = {
        "widened": judge(parts, factors),
        "widened, averaging not counted": judge(parts, factors, averaging=False),
        "widened, with spread": judge(parts, factors, spread=True),
        "with spread": judge(parts, as_they_are, spread=True),
    }
    count = len(parts["test"][0].indices)
    return {"crystals": count, "members_factor_68": factors.tolist(), **ways}


def judge(
    parts: dict[str, list[ModelEvaluation]],
    factors: Values,
    *,
    spread: bool = False,
    averaging: bool = True,
) -> dict[str, Any]:
    """Calibrate by the crystals that members have not learnt from, and test all together."""
    widened = {
        part: [
            (own.predictions[:, 0], factor * own.expected_errors[:, 0])
            for own, factor in zip(found, factors, strict=True)
        ]
        for part, found in parts.items()
    }
    low, high = calibrated(parts["val"], widened["val"], spread, averaging)
    median, expected = agreed(widened["test"], spread)
    truths = parts["test"][0].truths[:, 0]
    errors = target_errors(truths, median, low * expected, high * expected).as_object()
    return {**errors, "mean_half_width_90": float((high * expected).mean())}


def agreed(members: Sequence[tuple[Values, Values]], spread: bool) -> tuple[Values, Values]:
    """What members agree on, and the error that they expect."""
    values, scales = (np.stack(part) for part in zip(*members, strict=True))
    centres, widths = torch.from_numpy(values), torch.from_numpy(scales)
    median = mixture_median(centres, widths)
    expected = expected_error(centres, widths, median).numpy() if spread else scales.mean(0)
    return median.numpy(), expected


def calibrated(
    validation: Sequence[ModelEvaluation],
    widened: Sequence[tuple[Values, Values]],
    spread: bool,
    averaging: bool,
) -> tuple[float, float]:
    """What expected errors are multiplied by, from the judges of each crystal together."""
    judges: dict[bytes, list[int]] = {}
    for member, own in enumerate(validation):
        judges.setdefault(own.indices.tobytes(), []).append(member)
    together, alone = [], []
    for members in judges.values():
        truths = validation[members[0]].truths[:, 0]
        for group, ratios in ((members, together), *(([one], alone) for one in members)):
            median, expected = agreed([widened[member] for member in group], spread)
            ratios.append(np.abs(median - truths) / expected)
    several, one = (quantile_factors(np.concatenate(ratios)) for ratios in (together, alone))
    count = len(validation) // len(judges)
    if not averaging or count == 1:
        return several
    low, high = (
        averaged_factor(*pair, count, len(validation)) for pair in zip(one, several, strict=True)
    )
    return low, high


def main() -> int:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description="Calibration of members that take turns.")
    parser.add_argument("dataset")
    parser.add_argument("--target", required=True)
    parser.add_argument("--split", default="", help="by default the target's own")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--initial", default="")
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--folds", type=int, default=FIFTHS)
    parser.add_argument("--work", type=Path, default=Path("turns"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/turns")
    parser.add_argument("--name", default="run", help="of the record")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = without_test_crystals(
        md.open_dataset(options.dataset),
        options.target,
        options.split or options.target,
        options.work / "store",
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
    write_json(
        options.out / f"{options.name}.json", {**record, "members": options.members, "folds": folds}
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
