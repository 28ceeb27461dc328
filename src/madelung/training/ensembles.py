"""Several runs made into one model: what their networks agree on, calibrated anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madelung.common.errors import ModelError, TrainingError
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text, whole_file
from madelung.data.dataset import open_dataset
from madelung.data.index import is_store
from madelung.data.store import CrystalStore
from madelung.models.card import ModelCard
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.geometry import TrainedGeometry
from madelung.models.model import CrystalModel
from madelung.models.novelty import Novelty
from madelung.models.training_crystals import TrainingCrystals
from madelung.training.batches import InputMemory
from madelung.training.calibration import learn_novelty
from madelung.training.ensemble_members import (
    FACTS_OF_A_RUN,
    EnsembleMember,
    note_of,
    read_members,
)
from madelung.training.evaluation import ModelEvaluation, TargetErrors, evaluate_members
from madelung.training.preparation import crystals_used, prepare
from madelung.training.results import (
    MODEL_FOLDER,
    PREDICTIONS_FILE,
    RESULTS_FILE,
    circumstances,
    note_errors,
    part_errors,
    write_predictions,
)
from madelung.training.splits import PARTS, Membership, resolve_membership
from madelung.training.unseen import calibrate_unseen, evaluate_unseen, joint_membership

__all__ = ["EnsembleResult", "combine_models", "ensemble_runs"]

_STORE = "dataset"


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """What runs have been made into.

    Parameters
    ----------
    model
        The ensemble.
    errors
        For each part ("val", "test") and target its errors; no entry where nothing is known.
    member_errors
        The same of each member, in order.
    folder
        Where the files are.
    """

    model: CrystalModel
    errors: dict[str, dict[str, TargetErrors]]
    member_errors: list[dict[str, dict[str, Any]]]
    folder: Path


def combine_models(
    models: Sequence[CrystalModel],
    store: CrystalStore,
    memberships: Sequence[Membership],
    *,
    half: bool = False,
    memory: InputMemory | None = None,
) -> tuple[CrystalModel, ModelEvaluation]:
    """Make one model of several that were trained on the same data set.

    Its value is the median of the mixture of their distributions; its expected error holds theirs
    and their spread, and is calibrated by validation crystals, each of which is predicted by the
    models that were not trained on it.

    Parameters
    ----------
    models
        At least two, of equal targets and settings of the network; those of the graph may differ.
    store
        The data set that they were trained on.
    memberships
        Parts of its crystals in the training of each.
    half
        Whether to round the parameters to half precision, in which they take half the space. What
        is calibrated and tested is the model with rounded parameters.
    memory
        What is kept of the crystals; nothing if None.

    Returns
    -------
    model : CrystalModel
        The ensemble.
    validation : ModelEvaluation
        The predictions that it was calibrated by.

    Raises
    ------
    ModelError
        If the models do not fit together.
    TrainingError
        If they were tested on different crystals.
    """
    _require_alike(models)
    joint_membership(memberships)
    first = models[0]
    device = first.scale.mean.device
    card = _combined_card(models, memberships)
    scales = [deepcopy(model.scale) for model in models] if card.member_scales else []
    widening = torch.tensor(
        [[target.factor_68 for target in model.card.targets] for model in models]
    )
    members = (model.network for model in models)
    network = NetworkEnsemble(members, card.consensus, scales, widening).to(device).eval()
    novelty = Novelty.empty(first.card.network.features).to(device)
    combined = CrystalModel(card, network, first.scale, novelty, first.target)
    # Members may have started from models that knew other crystals.
    known = (model.training_crystals for model in models)
    combined.training_crystals = reduce(
        TrainingCrystals.merged, known, crystals_used(store, memberships)
    )
    if half:
        _round_to_half(combined)
    validation = held_out = evaluate_unseen(combined, store, memberships, memory=memory)
    calibrate_unseen(combined, store, memberships, validation, memory=memory)
    if card.member_scales:
        # What is usual is told by all members together, of crystals that some have learnt too.
        held_out = evaluate_members(combined, store, memberships[0], "val", memory=memory)
    learn_novelty(combined, memberships[0], store, held_out, memory=memory)
    return combined, validation


def _combined_card(models: Sequence[CrystalModel], memberships: Sequence[Membership]) -> ModelCard:
    """The card of an ensemble before it is calibrated."""
    card = models[0].card.model_copy(deep=True)
    card.members, card.consensus, card.weights_sha256 = len(models), "median", ""
    graphs = tuple(model.card.graph for model in models)
    card.member_graphs = graphs if len(set(graphs)) > 1 else ()
    labels = memberships[0].labels
    shared = all(np.array_equal(labels, own.labels) for own in memberships)
    card.member_scales = not (shared and _equal_scales(models))
    for target in card.targets:
        target.errors = {}
    card.training = {
        name: value for name, value in card.training.items() if name not in FACTS_OF_A_RUN
    }
    card.training["members"] = [note_of(model) for model in models]
    card.training |= _crystal_counts(memberships)
    card.elements = _all_elements(models)
    card.geometry = _whole_geometry(models)
    return card


def _crystal_counts(memberships: Sequence[Membership]) -> dict[str, Any]:
    """What a card says about the crystals of each part; one may teach some and validate others."""
    values = {
        part: np.any([np.isfinite(own.values_of(part)) for own in memberships], axis=0)
        for part in PARTS
    }
    return {
        "crystals": {part: int(known.any(axis=1).sum()) for part, known in values.items()},
        "values": {
            name: {part: int(known[:, column].sum()) for part, known in values.items()}
            for column, name in enumerate(memberships[0].targets)
        },
    }


def _all_elements(models: Sequence[CrystalModel]) -> dict[str, int]:
    """In how many crystals that one model learnt from each element occurs, for the most of them."""
    counts: dict[str, int] = {}
    for model in models:
        for element, count in model.card.elements.items():
            counts[element] = max(count, counts.get(element, 0))
    return counts


def _whole_geometry(models: Sequence[CrystalModel]) -> TrainedGeometry | None:
    """What holds the training crystals of all models; None if one does not say what it knows."""
    known = [model.card.geometry for model in models if model.card.geometry is not None]
    return reduce(TrainedGeometry.merged, known) if len(known) == len(models) else None


def _equal_scales(models: Sequence[CrystalModel]) -> bool:
    first = models[0].scale.state_dict()
    return all(
        torch.equal(value, model.scale.state_dict()[name])
        for model in models
        for name, value in first.items()
    )


@torch.no_grad()
def _round_to_half(model: CrystalModel) -> None:
    for parameter in model.network.parameters():
        parameter.copy_(parameter.half())
    model.card.stored_as = "float16"


def _require_alike(models: Sequence[CrystalModel]) -> None:
    if len(models) < 2:
        raise ModelError("an ensemble needs two models or more")
    first = models[0]
    names = [target.name for target in first.card.targets]
    for number, model in enumerate(models, start=1):
        if model.card.members != 1:
            raise ModelError(f"model {number} is an ensemble itself; give its members")
        for what, one, other in (
            ("targets", [target.name for target in model.card.targets], names),
            ("settings of the network", model.card.network, first.card.network),
        ):
            if one != other:
                raise ModelError(f"model {number} has other {what} than the first: {one}, {other}")


def _require_different(members: Sequence[EnsembleMember]) -> None:
    """Refuse a network that is there twice: it would count double, and spreads be too small."""
    known: dict[str, str] = {}
    for member in members:
        checksum = member.model.card.weights_sha256
        if checksum and checksum in known:
            raise TrainingError(
                f"{member.source}: this network is there already, from {known[checksum]}; "
                "name each run once"
            )
        known[checksum] = member.source


@alone_in_folder
def ensemble_runs(
    runs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    dataset: str | os.PathLike[str] | None = None,
    name: str = "",
    purpose: str = "",
    half: bool = False,
) -> EnsembleResult:
    """Make one model of several finished runs, test it once, and write it down.

    Parameters
    ----------
    runs
        Folders of the runs. Models may stand among them, by folder or name, and an ensemble counts
        as its members, so that runs can join it.
    out
        Folder for ``model/``, ``predictions.csv`` and ``results.json``, as of a run.
    dataset
        What the runs were trained on; by default the store in the folder of the first one, or the
        data set that it names.
    name
        Name on the card; that of the first run if not given.
    purpose
        On the card: what the model may be used for; as of the first run if not given.
    half
        Whether to round the parameters to half precision, in which they take half the space.

    Raises
    ------
    TrainingError
        If a folder holds no finished run and no model, a network is there twice, or the runs were
        trained on other data or tested on other crystals.
    ModelError
        If the models do not fit together.
    """
    members = read_members(runs)
    models = [member.model for member in members]
    store = _store(Path(runs[0]), models[0], dataset)
    for member in members:
        if member.model.card.training.get("fingerprint") != store.fingerprint:
            raise TrainingError(
                f"{member.source}: was trained on another data set than {store.folder}"
            )
    _require_different(members)
    # Before the data are gone through, which takes longer.
    _require_alike(models)
    settings = [member.settings_on(store) for member in members]
    joint_membership([resolve_membership(store, own) for own in settings])
    memory = InputMemory(settings[0].memory_gigabytes)
    memberships = [prepare(store, own, memory).membership for own in settings]
    combined, validation = combine_models(models, store, memberships, half=half, memory=memory)
    combined.card.name = name or combined.card.name
    combined.card.purpose = purpose or combined.card.purpose
    test = evaluate_members(combined, store, memberships[0], "test", memory=memory)
    return _conclude(combined, models, store, {"val": validation, "test": test}, Path(out))


def _conclude(
    model: CrystalModel,
    members: Sequence[CrystalModel],
    store: CrystalStore,
    parts: dict[str, ModelEvaluation],
    out: Path,
) -> EnsembleResult:
    errors = {part: part_errors(model, evaluation) for part, evaluation in parts.items()}
    note_errors(model, errors)
    seconds = sum(member.card.training.get("seconds", 0.0) for member in members)
    model.card.training |= {"seconds": round(seconds, 1), **circumstances()}
    model.save(out / MODEL_FOLDER)
    write_predictions(out / PREDICTIONS_FILE, model, store, parts)
    member_errors = [{card.name: card.errors for card in member.card.targets} for member in members]
    content = {
        "errors": {
            part: {name: found.as_object() for name, found in targets.items()}
            for part, targets in errors.items()
        },
        "member_errors": member_errors,
        "units": {card.name: card.unit for card in model.card.targets},
        "members": len(members),
        "seconds": round(seconds, 1),
        "training": model.card.training,
    }
    with whole_file(out / RESULTS_FILE) as temporary:
        temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
    return EnsembleResult(model, errors, member_errors, out)


def _store(
    folder: Path, model: CrystalModel, dataset: str | os.PathLike[str] | None
) -> CrystalStore:
    if dataset is not None:
        return open_dataset(str(dataset))
    if is_store(folder / _STORE):
        return CrystalStore.open(folder / _STORE)
    return open_dataset(str(model.card.training.get("dataset", "")))
