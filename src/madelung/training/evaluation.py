"""Errors of a model on crystals whose values are known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from madelung.common.errors import CrystalError, PotentialError
from madelung.crystals.checks import below_reading
from madelung.data.store import CrystalStore
from madelung.learning.processes import Processes
from madelung.models.model import CrystalModel
from madelung.training.batches import BatchMaker, InputMemory
from madelung.training.splits import Membership

__all__ = [
    "ModelEvaluation",
    "TargetErrors",
    "evaluate_apart",
    "evaluate_members",
    "groups_by_size",
    "target_errors",
]

_RESAMPLES = 2000
_PAIRS_IN_BATCH = 100_000
_CRYSTALS_IN_BATCH = 64


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """Predictions for n crystals and T targets, beside the values that are known.

    Parameters
    ----------
    targets
        Names of the targets.
    indices
        (n,) positions in the data set.
    truths
        (n, T) known values, NaN where there is none.
    predictions
        (n, T) predicted values.
    expected_errors
        (n, T) errors that the model expects, before calibration.
    embeddings
        (n, F) embeddings.
    novelty
        (n,) distances from the training crystals.
    """

    targets: tuple[str, ...]
    indices: NDArray[np.int64]
    truths: NDArray[np.float64]
    predictions: NDArray[np.float64]
    expected_errors: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    novelty: NDArray[np.float64]

    @cached_property
    def mean_absolute_errors(self) -> dict[str, float]:
        """Mean absolute error of each target, NaN if no value is known."""
        errors = np.abs(self.predictions - self.truths)
        known = np.isfinite(errors)
        sums = np.where(known, errors, 0.0).sum(axis=0)
        counts = known.sum(axis=0)
        return {
            name: float(total / count) if count else float("nan")
            for name, total, count in zip(self.targets, sums, counts, strict=True)
        }

    def score(self, spreads: NDArray[np.float64]) -> float:
        """Mean over the targets of the mean absolute error, each divided by its spread."""
        errors = np.array(list(self.mean_absolute_errors.values())) / spreads
        return float(np.nanmean(errors))

    def known(self, target: str) -> NDArray[np.int64]:
        """Rows in which a target's value is known."""
        return np.flatnonzero(np.isfinite(self.truths[:, self.targets.index(target)]))


@dataclass(frozen=True)
class TargetErrors:
    """How far predictions of one target are from the truth.

    Parameters
    ----------
    count
        Number of crystals.
    mae, rmse
        Mean absolute and root-mean-square error.
    r2
        Coefficient of determination; NaN if all true values are equal.
    mad
        Mean absolute deviation of the true values, the error of always predicting their mean.
    mae_interval
        95 % bootstrap interval of the mean absolute error.
    coverage_68, coverage_90
        Parts of the crystals whose error is within the stated uncertainties.
    """

    count: int
    mae: float
    rmse: float
    r2: float
    mad: float
    mae_interval: tuple[float, float]
    coverage_68: float
    coverage_90: float

    def as_object(self) -> dict[str, Any]:
        """Return plain JSON content, in which NaN becomes null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def target_errors(
    truths: NDArray[np.float64],
    predictions: NDArray[np.float64],
    uncertainties: NDArray[np.float64],
    uncertainties_90: NDArray[np.float64],
    *,
    seed: int = 0,
) -> TargetErrors:
    """Summarise (n,) predictions of one target beside (n,) true values.

    Parameters
    ----------
    truths, predictions
        In the same unit.
    uncertainties, uncertainties_90
        Stated half-widths that hold 68 % and 90 % of the errors.
    seed
        Seed of the bootstrap.
    """
    errors = np.abs(predictions - truths)
    generator = np.random.default_rng(seed)
    means = [
        errors[generator.integers(len(errors), size=len(errors))].mean() for _ in range(_RESAMPLES)
    ]
    deviations = truths - truths.mean()
    variance = float((deviations**2).sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return TargetErrors(
        count=len(errors),
        mae=float(errors.mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        r2=1.0 - float((errors**2).sum()) / variance if variance > 0.0 else float("nan"),
        mad=float(np.abs(deviations).mean()),
        mae_interval=(float(low), float(high)),
        coverage_68=float((errors <= uncertainties).mean()),
        coverage_90=float((errors <= uncertainties_90).mean()),
    )


def evaluate_members(
    model: CrystalModel,
    store: CrystalStore,
    membership: Membership,
    part: str,
    processes: Processes | None = None,
    *,
    memory: InputMemory | None = None,
) -> ModelEvaluation:
    """Predict all crystals of a part; several processes share the work.

    Parameters
    ----------
    model
        The model, on any device.
    store
        The data set.
    membership
        Values and parts of its crystals.
    part
        "train", "val" or "test".
    processes
        Who shares the work; this process alone if None.
    memory
        What is kept of the data set's crystals; nothing if None.
    """
    values = membership.values_of(part)
    members = membership.members(part)
    rows = np.arange(len(members))
    groups = groups_by_size(store.sizes[members])
    mine = groups if processes is None else processes.share(groups)
    maker = BatchMaker(store, values, model.card.inputs, memory)
    device = model.scale.mean.device
    width = model.card.network.features
    results: dict[str, NDArray[Any]] = {
        "predictions": np.zeros((len(members), len(membership.targets))),
        "expected_errors": np.zeros((len(members), len(membership.targets))),
        "embeddings": np.zeros((len(members), width)),
        "novelty": np.zeros(len(members)),
    }
    for group, batch in zip(mine, maker.ahead([members[rows[g]] for g in mine]), strict=True):
        outputs = model.evaluate(batch.graph.to(device))
        found = (outputs.values, outputs.errors, outputs.embedding, outputs.novelty)
        for array, tensor in zip(results.values(), found, strict=True):
            array[group] = tensor.double().cpu().numpy()
    if processes is not None:
        results = {
            name: processes.add(torch.from_numpy(array)).cpu().numpy()
            for name, array in results.items()
        }
    return ModelEvaluation(membership.targets, members, values[members], **results)


def evaluate_apart(
    model: CrystalModel, store: CrystalStore, membership: Membership, part: str
) -> tuple[ModelEvaluation, dict[int, str]]:
    """Predict as :func:`evaluate_members`, where a crystal that fails spoils no other.

    Returns
    -------
    evaluation : ModelEvaluation
        Its numbers are not finite in rows that have a problem.
    problems : dict
        By row, why the calculation failed or that it gave numbers that are not finite.
    """
    problems: dict[int, str] = {}
    try:
        found = evaluate_members(model, store, membership, part)
    except (CrystalError, PotentialError, ArithmeticError, RuntimeError):
        found = _one_by_one(model, store, membership, part, problems)
    finite = np.isfinite(found.predictions) & np.isfinite(found.expected_errors)
    for row in np.flatnonzero(~(finite.all(axis=1) & np.isfinite(found.novelty))):
        problems.setdefault(int(row), "the prediction is not finite; check its distances and cell")
    return found, problems


def _one_by_one(
    model: CrystalModel,
    store: CrystalStore,
    membership: Membership,
    part: str,
    problems: dict[int, str],
) -> ModelEvaluation:
    members, targets = membership.members(part), len(membership.targets)
    values = membership.values_of(part)
    maker = BatchMaker(store, values, model.card.inputs)
    device = model.scale.mean.device
    names = ("predictions", "expected_errors", "embeddings", "novelty")
    shapes = ((targets,), (targets,), (model.card.network.features,), ())
    results: dict[str, NDArray[Any]] = {
        name: np.full((len(members), *shape), np.nan)
        for name, shape in zip(names, shapes, strict=True)
    }
    for row, member in enumerate(members):
        try:
            outputs = model.evaluate(maker.make(members[row : row + 1]).graph.to(device))
        except (CrystalError, PotentialError, ArithmeticError, RuntimeError) as error:
            problems[row] = str(below_reading(store[int(member)].crystal, error))
            continue
        found = (outputs.values, outputs.errors, outputs.embedding, outputs.novelty)
        for array, tensor in zip(results.values(), found, strict=True):
            array[row] = tensor[0].double().cpu().numpy()
    return ModelEvaluation(membership.targets, members, values[members], **results)


def groups_by_size(sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the rows of batches that fit into memory, crystals of like size together.

    Parameters
    ----------
    sizes
        (n,) numbers of atoms.
    """
    order = np.argsort(sizes, kind="stable")
    groups: list[NDArray[np.int64]] = []
    start = 0
    for stop in range(1, len(order) + 1):
        pairs = int((sizes[order[start:stop]] ** 2).sum())
        if stop == len(order) or stop - start == _CRYSTALS_IN_BATCH or pairs > _PAIRS_IN_BATCH:
            groups.append(order[start:stop])
            start = stop
    return groups
