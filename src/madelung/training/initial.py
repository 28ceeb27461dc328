"""Training that starts from the weights of an earlier model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from madelung.common.errors import TrainingError
from madelung.models.card import ModelCard
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.models.settings import Readout, readout_of
from madelung.models.shipped import load
from madelung.training.settings import TrainingSettings

__all__ = ["adopt_settings", "load_initial", "note_initial", "start_from"]

# Settings that may differ: no weight depends on them, one that is new begins so that nothing
# changes, or what is read off is learnt anew.
_FREE = ("dropout", "pooling", "readout", "bonds", "areas")
# The last layers of every network, with one row for each target.
_HEADS = ("value.", "scale.")


def load_initial(settings: TrainingSettings) -> CrystalModel | None:
    """Load the model that a run starts from; None if it starts from random weights.

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged.
    """
    return load(settings.initial) if settings.initial else None


def adopt_settings(settings: TrainingSettings, initial: CrystalModel | None) -> TrainingSettings:
    """Return settings with the graph and network of the initial model.

    Dropout, pooling and readout may differ, with the bonds or areas that it needs. Of an
    ensemble, the member that the seed chooses counts.

    Raises
    ------
    TrainingError
        If the settings name a value for one of these that is not the initial model's.
    """
    if initial is None:
        return settings
    graph = initial.card.graph_of(settings.seed % initial.card.members)
    own = {"graph": graph, "network": initial.card.network}
    differences = [
        f"{group}.{name} is {value!r} and was {was!r}"
        for group, taken in own.items()
        for name, value, was in _named_otherwise(getattr(settings, group), taken)
    ]
    if differences:
        raise TrainingError(
            f"{settings.initial}: the initial model had other settings, and its weights only fit "
            f"those: {'; '.join(differences)}; leave these settings away"
        )
    changed = {
        group: taken.model_copy(
            update={
                name: getattr(getattr(settings, group), name)
                for name in _FREE
                if name in getattr(settings, group).model_fields_set and hasattr(taken, name)
            }
        )
        for group, taken in own.items()
    }
    return settings.model_copy(update=changed)


def _named_otherwise(named: BaseModel, taken: BaseModel) -> list[tuple[str, Any, Any]]:
    """Settings that were named with another value: name, this value, the initial model's."""
    return [
        (name, getattr(named, name), getattr(taken, name, None))
        for name in sorted(named.model_fields_set)
        if name not in _FREE and getattr(named, name) != getattr(taken, name, None)
    ]


@torch.no_grad()
def start_from(
    initial: CrystalModel,
    network: nn.Module,
    targets: Sequence[str],
    seed: int,
    readout: Readout = "value",
) -> int:
    """Give a network the weights of an initial model.

    Rows of the last layers are taken over for the targets that the initial model knows, if it read
    them off in the same way; those of other targets stay as they are.

    Parameters
    ----------
    initial
        The initial model. Of an ensemble, the member is taken whose number is the seed modulo
        their number, so that runs of successive seeds start from different ones.
    network
        A network of the same settings; it is changed.
    targets
        Names of its targets.
    seed
        Seed of the run.
    readout
        What the targets of the network are.

    Returns
    -------
    int
        Number of tensors that were taken over, at least in part.
    """
    source = initial.network
    if isinstance(source, NetworkEnsemble):
        source = source.members[seed % len(source.members)]
    known = [card.name for card in initial.card.targets]
    if readout_of(initial.card.network) != readout:
        known = []
    rows = [(row, known.index(name)) for row, name in enumerate(targets) if name in known]
    given, state = source.state_dict(), network.state_dict()
    taken = 0
    for name, value in state.items():
        other = given.get(name)
        if other is None or other.shape[1:] != value.shape[1:]:
            continue
        if name.startswith(_HEADS):
            _take_rows(value, other, rows)
            taken += bool(rows)
        elif other.shape == value.shape:
            value.copy_(other)
            taken += 1
    return taken


def _take_rows(value: Tensor, other: Tensor, rows: Sequence[tuple[int, int]]) -> None:
    for row, of_other in rows:
        value[row] = other[of_other]


def note_initial(card: ModelCard, initial: CrystalModel, name: str) -> None:
    """Write down on a card which model its training started from.

    Elements are counted, and distances and the like taken, in the training crystals of both, since
    a model has seen what the model before it was trained on.
    """
    for element, count in initial.card.elements.items():
        card.elements[element] = card.elements.get(element, 0) + count
    if card.geometry is not None and initial.card.geometry is not None:
        card.geometry = card.geometry.merged(initial.card.geometry)
    card.training["initial"] = {
        "name": name,
        "card": initial.card.name,
        "weights_sha256": initial.card.weights_sha256,
        "dataset": initial.card.training.get("dataset", ""),
    }
