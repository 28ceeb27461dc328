"""Validation of an ensemble by crystals that some of its members have not learnt from.

Members that share their validation crystals predict these together. Where each member was validated
by other crystals, a crystal is predicted by those members that have not learnt from it; see
docs/theory/ensembles.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import TrainingError
from madelung.data.store import CrystalStore
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.models.targets import TargetScale
from madelung.training.batches import InputMemory
from madelung.training.calibration import (
    averaged_factor,
    calibrate,
    error_ratios,
    quantile_factors,
)
from madelung.training.evaluation import ModelEvaluation, evaluate_members
from madelung.training.splits import Membership

__all__ = ["calibrate_unseen", "evaluate_unseen", "joint_membership"]


def joint_membership(memberships: Sequence[Membership]) -> Membership:
    """Return the parts of crystals in the training of an ensemble.

    Parameters
    ----------
    memberships
        Those of each member, with the same targets and values.

    Returns
    -------
    Membership
        What one member was validated by is validation, though others learnt from it; what any
        other one learnt from is training.

    Raises
    ------
    TrainingError
        If a test crystal of one member is none of another's.
    """
    first = memberships[0]
    labels = np.stack([membership.labels for membership in memberships])
    tested = labels == "test"
    if (tested != tested[0]).any():
        raise TrainingError(
            "members were tested on different crystals, so that an ensemble of them could be "
            "tested on none; train with the same --split and --split-seed"
        )
    joint = np.where((labels == "train").any(axis=0), "train", "")
    joint = np.where((labels == "val").any(axis=0), "val", joint)
    return Membership(first.targets, first.values, np.where(tested[0], "test", joint), first.splits)


def evaluate_unseen(
    model: CrystalModel,
    store: CrystalStore,
    memberships: Sequence[Membership],
    *,
    memory: InputMemory | None = None,
) -> ModelEvaluation:
    """Predict each validation crystal by the members that have not learnt from it.

    Parameters
    ----------
    model
        An ensemble.
    store
        The data set that its members were trained on.
    memberships
        Parts of its crystals for each member.
    memory
        What is kept of the crystals; nothing if None.
    """
    joint = joint_membership(memberships)
    entries = (joint.labels == "val") & np.isfinite(joint.values)
    unseen = np.stack([own.labels != "train" for own in memberships], axis=2)
    patterns, pattern_of = np.unique(unseen[entries], axis=0, return_inverse=True)
    numbers = np.full(entries.shape, -1)
    numbers[entries] = pattern_of.reshape(-1)
    found = []
    for number, pattern in enumerate(patterns):
        part = _some_members(model, np.flatnonzero(pattern))
        own = replace(joint, labels=np.where(numbers == number, "val", ""))
        found.append(evaluate_members(part, store, own, "val", memory=memory))
    return _joined(found)


def calibrate_unseen(
    model: CrystalModel,
    store: CrystalStore,
    memberships: Sequence[Membership],
    validation: ModelEvaluation,
    *,
    memory: InputMemory | None = None,
) -> None:
    """Widen expected errors until they hold as many errors of all members as they state.

    Parameters
    ----------
    model
        An ensemble; it is changed.
    store
        The data set that its members were trained on.
    memberships
        Parts of its crystals for each member.
    validation
        Predictions of the validation crystals, by those that have not learnt from each.
    memory
        What is kept of the crystals; nothing if None.
    """
    calibrate(model, validation)
    counts = [
        _unseen_by(memberships, validation.indices[validation.known(card.name)], column)
        for column, card in enumerate(model.card.targets)
    ]
    members = len(memberships)
    if not any(1 < count < members for count in counts):
        return
    alone = [
        evaluate_members(_some_members(model, np.array([member])), store, own, "val", memory=memory)
        for member, own in enumerate(memberships)
    ]
    for card, count in zip(model.card.targets, counts, strict=True):
        if not 1 < count < members:
            continue
        ratios = np.concatenate([error_ratios(found, card.name) for found in alone])
        together, singly = (card.factor_68, card.factor_90), quantile_factors(ratios)
        card.factor_68, card.factor_90 = (
            averaged_factor(one, several, count, members)
            for one, several in zip(singly, together, strict=True)
        )


def _unseen_by(memberships: Sequence[Membership], rows: NDArray[np.int64], column: int) -> int:
    """How many members have not learnt from each of some crystals; 0 if that differs."""
    counts = np.sum([own.labels[rows, column] != "train" for own in memberships], axis=0)
    return int(counts[0]) if len(counts) and (counts == counts[0]).all() else 0


def _some_members(model: CrystalModel, chosen: NDArray[np.int64]) -> CrystalModel:
    """The ensemble of some members of an ensemble, on the scale of the whole one."""
    network = model.network
    assert isinstance(network, NetworkEnsemble)
    if len(chosen) == len(network.members):
        return model
    card = model.card.model_copy()
    card.members = len(chosen)
    card.member_graphs = tuple(model.card.graph_of(member) for member in chosen)
    members = [network.members[member] for member in chosen]
    if len(network.scales) == 0:
        part = NetworkEnsemble(members, card.consensus)
        return CrystalModel(card, part, model.scale, model.novelty, model.target)
    scales = [scale for scale in network.scales if isinstance(scale, TargetScale)]
    scales = [scales[member] for member in chosen]
    part = NetworkEnsemble(members, card.consensus, scales, network.widening[chosen])
    # Outputs are on the scale of the first member.
    return CrystalModel(card, part, scales[0], model.novelty, model.target)


def _joined(parts: Sequence[ModelEvaluation]) -> ModelEvaluation:
    """One evaluation, in which each target of a crystal is from the part that knows its value."""
    indices = np.unique(np.concatenate([part.indices for part in parts]))
    names = ("truths", "predictions", "expected_errors")
    tables = {name: np.full((len(indices), len(parts[0].targets)), np.nan) for name in names}
    embeddings = np.empty((len(indices), parts[0].embeddings.shape[1]))
    novelty = np.empty(len(indices))
    for part in parts:
        rows = np.searchsorted(indices, part.indices)
        known = np.isfinite(part.truths)
        for name, table in tables.items():
            own = known | np.isnan(table[rows])
            table[rows] = np.where(own, getattr(part, name), table[rows])
        embeddings[rows], novelty[rows] = part.embeddings, part.novelty
    return ModelEvaluation(
        parts[0].targets, indices, **tables, embeddings=embeddings, novelty=novelty
    )
