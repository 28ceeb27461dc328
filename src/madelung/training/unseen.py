"""Validation of an ensemble by crystals that some of its members have not learnt from.

Members that share their validation crystals predict these together. Where each member was validated
by other crystals, a crystal is predicted by those members that have not learnt from it; see
docs/theory/ensembles.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from madelung.data.store import CrystalStore
from madelung.errors import TrainingError
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.models.targets import TargetScale
from madelung.training.batches import InputMemory
from madelung.training.evaluation import Evaluation, evaluate_members
from madelung.training.splits import Membership

__all__ = ["evaluate_unseen", "joint_membership"]


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
) -> Evaluation:
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
    unseen = np.stack([(own.labels != "train").all(axis=1) for own in memberships], axis=1)
    crystals = joint.members("val")
    patterns, pattern_of = np.unique(unseen[crystals], axis=0, return_inverse=True)
    found = []
    for number, pattern in enumerate(patterns):
        others = np.delete(np.arange(len(store)), crystals[pattern_of.reshape(-1) == number])
        part = _some_members(model, np.flatnonzero(pattern))
        found.append(evaluate_members(part, store, joint.without(others), "val", memory=memory))
    return _joined(found)


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


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    indices = np.concatenate([part.indices for part in parts])
    order = np.argsort(indices)
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("truths", "predictions", "expected_errors", "embeddings", "novelty")
    }
    return Evaluation(parts[0].targets, indices[order], **arrays)
