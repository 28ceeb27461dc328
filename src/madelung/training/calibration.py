"""How far a finished model may be trusted: widths of its intervals, and limits of the usual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.data.store import CrystalStore
from madelung.learning.processes import Processes
from madelung.models.model import CrystalModel
from madelung.models.novelty import Novelty
from madelung.training.batches import InputMemory
from madelung.training.evaluation import ModelEvaluation, evaluate_members
from madelung.training.splits import Membership

__all__ = [
    "averaged_factor",
    "calibrate",
    "conformal_quantile",
    "error_ratios",
    "learn_novelty",
    "quantile_factors",
]

# Crystals from which the spread of the training embeddings is learnt.
_EMBEDDED = 5000


def calibrate(model: CrystalModel, validation: ModelEvaluation) -> None:
    """Widen the expected errors until they hold as many validation errors as they state."""
    for card in model.card.targets:
        card.factor_68, card.factor_90 = quantile_factors(error_ratios(validation, card.name))


def error_ratios(evaluation: ModelEvaluation, target: str) -> NDArray[np.float64]:
    """Return errors over expected errors of the crystals whose value of a target is known."""
    rows, column = evaluation.known(target), evaluation.targets.index(target)
    errors = np.abs(evaluation.predictions[rows, column] - evaluation.truths[rows, column])
    return errors / evaluation.expected_errors[rows, column]


def quantile_factors(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """Return what expected errors are multiplied by to hold 68 % and 90 % of the errors."""
    low, high = (conformal_quantile(ratios, share) for share in (0.68, 0.90))
    return low, high


def averaged_factor(one: float, several: float, count: int, members: int) -> float:
    """Return the factor of an ensemble, from those of fewer of its members.

    Parameters
    ----------
    one, several
        Factors of single members, and of ``count`` members together (more than one).
    count, members
        Numbers of members that were measured, and that the ensemble has.

    Returns
    -------
    float
        What is on a straight line through the two in the reciprocal number of members, equation 4
        of docs/theory/ensembles.md; ``several`` where several are no better than one.
    """
    further = (1.0 / count - 1.0 / members) / (1.0 - 1.0 / count)
    return several - further * max(one - several, 0.0)


def learn_novelty(
    model: CrystalModel,
    membership: Membership,
    store: CrystalStore,
    validation: ModelEvaluation,
    *,
    seed: int = 0,
    processes: Processes | None = None,
    memory: InputMemory | None = None,
) -> None:
    """Learn from the training crystals which embeddings are usual.

    Parameters
    ----------
    model
        The model; it is changed.
    membership
        Parts of the crystals.
    store
        The crystals.
    validation
        Its predictions for the validation crystals.
    seed
        Seed by which crystals are drawn if there are many.
    processes
        Who shares the work; this process alone if None.
    memory
        What is kept of the crystals; nothing if None.
    """
    generator = np.random.default_rng([seed, 5])
    training = membership.members("train")
    if len(training) > _EMBEDDED:
        left = np.setdiff1d(training, generator.choice(training, _EMBEDDED, replace=False))
        membership = membership.without(left)
    embedded = evaluate_members(model, store, membership, "train", processes, memory=memory)
    device = model.scale.mean.device
    model.novelty = Novelty.fit(embedded.embeddings, validation.embeddings).to(device)


def conformal_quantile(ratios: NDArray[np.float64], share: float) -> float:
    """Return the quantile that a further ratio stays below with at least this probability.

    V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World" (2005): the
    ceil((n + 1) share)-th smallest of n exchangeable values.
    """
    rank = min(int(np.ceil((len(ratios) + 1) * share)), len(ratios))
    return float(np.sort(ratios)[rank - 1])
