"""How far a finished model may be trusted: widths of its intervals, and limits of the usual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.data.store import CrystalStore
from madelung.models.model import CrystalModel
from madelung.models.novelty import Novelty
from madelung.training.batches import InputMemory
from madelung.training.evaluation import Evaluation, evaluate_members
from madelung.training.processes import Processes
from madelung.training.splits import Membership

__all__ = ["calibrate", "conformal_quantile", "learn_novelty"]

# Crystals from which the spread of the training embeddings is learnt.
_EMBEDDED = 5000


def calibrate(model: CrystalModel, validation: Evaluation) -> None:
    """Widen the expected errors until they hold as many validation errors as they state."""
    for column, card in enumerate(model.card.targets):
        rows = validation.known(card.name)
        errors = np.abs(validation.predictions[rows, column] - validation.truths[rows, column])
        ratios = errors / validation.expected_errors[rows, column]
        card.factor_68, card.factor_90 = (
            conformal_quantile(ratios, share) for share in (0.68, 0.90)
        )


def learn_novelty(
    model: CrystalModel,
    membership: Membership,
    store: CrystalStore,
    validation: Evaluation,
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
