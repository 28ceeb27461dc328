"""Several runs made into one model: what their networks agree on, calibrated anew."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madelung.data.dataset import open_dataset
from madelung.data.index import is_store
from madelung.data.store import CrystalStore
from madelung.errors import ModelError, TrainingError
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.models.novelty import Novelty
from madelung.outputs import whole_file
from madelung.training.batches import InputMemory
from madelung.training.calibration import calibrate, learn_novelty
from madelung.training.ensemble_members import (
    FACTS_OF_A_RUN,
    EnsembleMember,
    note_of,
    read_members,
)
from madelung.training.evaluation import TargetErrors, evaluate_members
from madelung.training.preparation import prepare
from madelung.training.results import (
    MODEL_FOLDER,
    PREDICTIONS_FILE,
    RESULTS_FILE,
    circumstances,
    note_errors,
    part_errors,
    write_predictions,
)
from madelung.training.settings import TrainingSettings
from madelung.training.splits import Membership, resolve_membership

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
    membership: Membership,
    *,
    half: bool = False,
    memory: InputMemory | None = None,
) -> CrystalModel:
    """Make one model of several that were trained on the same crystals.

    Its value is the median of the mixture of their distributions; its expected error holds theirs
    and their spread, and is calibrated by the validation crystals.

    Parameters
    ----------
    models
        At least two, of equal targets, scales, and settings of the network; those of the graph
        may differ.
    store
        The data set that they were trained on.
    membership
        Parts of its crystals in that training. No model may have been trained on a validation
        crystal.
    half
        Whether to round the parameters to half precision, in which they take half the space. What
        is calibrated and tested is the model with rounded parameters.
    memory
        What is kept of the crystals; nothing if None.

    Raises
    ------
    ModelError
        If the models do not fit together.
    """
    _require_alike(models)
    first = models[0]
    device = first.scale.mean.device
    card = first.card.model_copy(deep=True)
    card.members, card.consensus, card.weights_sha256 = len(models), "median", ""
    graphs = tuple(model.card.graph for model in models)
    card.member_graphs = graphs if len(set(graphs)) > 1 else ()
    for target in card.targets:
        target.errors = {}
    card.training = {
        name: value for name, value in card.training.items() if name not in FACTS_OF_A_RUN
    }
    card.training["members"] = [note_of(model) for model in models]
    network = NetworkEnsemble((model.network for model in models), card.consensus)
    network = network.to(device).eval()
    novelty = Novelty.empty(first.card.network.features).to(device)
    combined = CrystalModel(card, network, first.scale, novelty, first.target)
    if half:
        _round_to_half(combined)
    validation = evaluate_members(combined, store, membership, "val", memory=memory)
    calibrate(combined, validation)
    learn_novelty(combined, membership, store, validation, memory=memory)
    return combined


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
        for name, value in first.scale.state_dict().items():
            if not torch.equal(value, model.scale.state_dict()[name]):
                raise ModelError(
                    f"model {number} scales its targets otherwise than the first; train the "
                    "members on the same crystals (--split-seed)"
                )


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
        If a folder holds no finished run and no model, or the runs were trained on other crystals,
        or chosen by other validation crystals.
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
    settings = [member.settings_on(store) for member in members]
    if len(models) > 1:
        _require_same_parts(store, members, settings)
        # Before the data are gone through, which takes longer.
        _require_alike(models)
    membership = prepare(store, settings[0]).membership
    memory = InputMemory(settings[0].memory_gigabytes)
    combined = combine_models(models, store, membership, half=half, memory=memory)
    combined.card.name = name or combined.card.name
    combined.card.purpose = purpose or combined.card.purpose
    return _conclude(combined, models, store, membership, Path(out), memory)


def _conclude(
    model: CrystalModel,
    members: Sequence[CrystalModel],
    store: CrystalStore,
    membership: Membership,
    out: Path,
    memory: InputMemory,
) -> EnsembleResult:
    parts = {
        part: evaluate_members(model, store, membership, part, memory=memory)
        for part in ("val", "test")
    }
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
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return EnsembleResult(model, errors, member_errors, out)


def _store(
    folder: Path, model: CrystalModel, dataset: str | os.PathLike[str] | None
) -> CrystalStore:
    if dataset is not None:
        return open_dataset(str(dataset))
    if is_store(folder / _STORE):
        return CrystalStore.open(folder / _STORE)
    return open_dataset(str(model.card.training.get("dataset", "")))


def _require_same_parts(
    store: CrystalStore, members: Sequence[EnsembleMember], settings: Sequence[TrainingSettings]
) -> None:
    """Refuse runs one of which learnt from crystals that another one was chosen by."""
    parts = [resolve_membership(store, item).labels for item in settings]
    for member, labels in zip(members, parts, strict=True):
        if not np.array_equal(labels, parts[0]):
            raise TrainingError(
                f"{member.source}: learnt from other crystals than {members[0].source}, so that no "
                "crystals are left to calibrate by; train with the same --split-seed"
            )
