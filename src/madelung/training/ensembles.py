"""Several runs made into one model: the mean of their networks, calibrated anew."""

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
from madelung.training.evaluation import TargetErrors, evaluate_members
from madelung.training.logs import SETTINGS_FILE
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
# What a card says about its own run, and an ensemble's about each of its members.
_OF_A_RUN = ("seed", "best_epoch", "epochs", "seconds", "processes", "command", "date", "machine")


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

    Its value is the mean of theirs; its expected error holds theirs and their spread, and is
    calibrated by the validation crystals.

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
    card.members, card.weights_sha256 = len(models), ""
    graphs = tuple(model.card.graph for model in models)
    card.member_graphs = graphs if len(set(graphs)) > 1 else ()
    for target in card.targets:
        target.errors = {}
    card.training = {name: value for name, value in card.training.items() if name not in _OF_A_RUN}
    card.training["members"] = [_note(model) for model in models]
    network = NetworkEnsemble(model.network for model in models).to(device).eval()
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


def _note(model: CrystalModel) -> dict[str, Any]:
    """What is kept of a member's card."""
    training = model.card.training
    return {
        "seed": training.get("settings", {}).get("seed"),
        **{name: training[name] for name in _OF_A_RUN if name in training},
        "weights_sha256": model.card.weights_sha256,
        "errors": {target.name: target.errors for target in model.card.targets},
    }


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
        Folders of the runs.
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
        If a folder holds no finished run, or the runs were trained on other crystals, or chosen
        by other validation crystals.
    ModelError
        If the models do not fit together.
    """
    folders = [Path(run) for run in runs]
    models = [_model(folder) for folder in folders]
    store = _store(folders[0], models[0], dataset)
    settings = [
        _settings(folder, model, store) for folder, model in zip(folders, models, strict=True)
    ]
    for folder, model in zip(folders, models, strict=True):
        if model.card.training.get("fingerprint") != store.fingerprint:
            raise TrainingError(f"{folder}: was trained on another data set than {store.folder}")
    if len(models) > 1:
        _require_same_parts(store, folders, settings)
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


def _model(folder: Path) -> CrystalModel:
    if not (folder / RESULTS_FILE).is_file():
        raise TrainingError(
            f"{folder}: no finished run ({RESULTS_FILE} is missing); give folders that 'madelung "
            "train' has finished"
        )
    return CrystalModel.load(folder / MODEL_FOLDER)


def _settings(folder: Path, model: CrystalModel, store: CrystalStore) -> TrainingSettings:
    """Settings of a run, with the target and split that it took from its data set."""
    path = folder / SETTINGS_FILE
    try:
        settings = TrainingSettings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as problem:
        raise TrainingError(f"{path}: cannot be read ({problem.strerror})") from None
    except ValueError as problem:
        raise TrainingError(f"{path}: no settings of a run ({problem})") from None
    taken: dict[str, Any] = {"target": tuple(target.name for target in model.card.targets)}
    splits = set(model.card.training.get("splits", {}).values())
    if settings.split is None and len(splits) == 1 and splits <= set(store.split_names):
        taken["split"] = splits.pop()
    return settings.model_copy(update=taken)


def _store(
    folder: Path, model: CrystalModel, dataset: str | os.PathLike[str] | None
) -> CrystalStore:
    if dataset is not None:
        return open_dataset(str(dataset))
    if is_store(folder / _STORE):
        return CrystalStore.open(folder / _STORE)
    return open_dataset(str(model.card.training.get("dataset", "")))


def _require_same_parts(
    store: CrystalStore, folders: Sequence[Path], settings: Sequence[TrainingSettings]
) -> None:
    """Refuse runs one of which learnt from crystals that another one was chosen by."""
    parts = [resolve_membership(store, item).labels for item in settings]
    for folder, labels in zip(folders, parts, strict=True):
        if not np.array_equal(labels, parts[0]):
            raise TrainingError(
                f"{folder}: learnt from other crystals than {folders[0]}, so that no crystals are "
                "left to calibrate by; train with the same --split-seed"
            )
