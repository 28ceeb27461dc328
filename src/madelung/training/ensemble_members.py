"""The runs that an ensemble is made of, and an ensemble taken apart into them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.errors import TrainingError
from madelung.common.text import bounded_text
from madelung.data.store import CrystalStore
from madelung.models.card import CARD_FILE
from madelung.models.ensemble import NetworkEnsemble
from madelung.models.model import CrystalModel
from madelung.models.shipped import SHIPPED_MODELS, load
from madelung.models.targets import TargetScale
from madelung.training.logs import SETTINGS_FILE
from madelung.training.results import MODEL_FOLDER, RESULTS_FILE
from madelung.training.settings import TrainingSettings, stored_settings

__all__ = ["FACTS_OF_A_RUN", "EnsembleMember", "note_of", "read_members", "separate"]

FACTS_OF_A_RUN = (
    "seed", "best_epoch", "epochs", "seconds", "processes", "command", "date", "machine",
)  # fmt: skip
"""What a card says about its own run, and an ensemble's about each of its members."""


@dataclass(frozen=True, eq=False)
class EnsembleMember:
    """One network, and how it was trained.

    Parameters
    ----------
    source
        Where it comes from: a folder, or the name of a model.
    model
        The network as a model.
    settings
        Those of its run.
    """

    source: str
    model: CrystalModel
    settings: TrainingSettings

    def settings_on(self, store: CrystalStore) -> TrainingSettings:
        """Return the settings with the targets and split that were taken from the data set."""
        card = self.model.card
        taken: dict[str, Any] = {"target": tuple(target.name for target in card.targets)}
        splits = set(card.training.get("splits", {}).values())
        if self.settings.split is None and len(splits) == 1 and splits <= set(store.split_names):
            taken["split"] = splits.pop()
        return self.settings.model_copy(update=taken)


def read_members(sources: Sequence[str | os.PathLike[str]]) -> list[EnsembleMember]:
    """Load the networks of runs and models.

    Parameters
    ----------
    sources
        Folders of finished runs; folders or names of models, of which an ensemble gives each of
        its members.

    Raises
    ------
    TrainingError
        If a folder holds no finished run and no model, or its settings cannot be read.
    ModelError
        If a model is damaged.
    """
    members = []
    for source in sources:
        model = _model(source)
        written = _written_settings(Path(source))
        for own in separate(model):
            content = own.card.training.get("settings") if written is None else written
            members.append(EnsembleMember(str(source), own, _settings(source, content)))
    return members


def separate(model: CrystalModel) -> list[CrystalModel]:
    """Take an ensemble apart.

    Returns
    -------
    list of CrystalModel
        A model for each member, as it was before it joined; a single network as it is.
    """
    if not isinstance(model.network, NetworkEnsemble):
        return [model]
    return [_separated(model, number) for number in range(model.card.members)]


def note_of(model: CrystalModel) -> dict[str, Any]:
    """Return what the card of an ensemble keeps of the card of a member."""
    training = model.card.training
    return {
        "seed": training.get("settings", {}).get("seed"),
        **{name: training[name] for name in FACTS_OF_A_RUN if name in training},
        "weights_sha256": model.card.weights_sha256,
        "errors": {target.name: target.errors for target in model.card.targets},
        "factors": {
            target.name: [target.factor_68, target.factor_90] for target in model.card.targets
        },
    }


def _separated(model: CrystalModel, number: int) -> CrystalModel:
    assert isinstance(model.network, NetworkEnsemble)
    card = model.card.model_copy(deep=True)
    card.graph = card.graph_of(number)
    card.members, card.member_graphs = 1, ()
    card.consensus, card.stored_as = "mean", "float32"
    card.member_scales = False
    note = card.training.pop("members")[number]
    settings = TrainingSettings.model_validate(stored_settings(card.training["settings"]))
    # Members may have other seeds, but not other validation crystals.
    own = {"seed": note["seed"], "split_seed": settings.drawn_with, "graph": card.graph}
    card.training["settings"] = settings.model_copy(update=own).model_dump(mode="json")
    card.training |= {name: note[name] for name in FACTS_OF_A_RUN if name in note}
    card.weights_sha256 = note["weights_sha256"]
    for target in card.targets:
        target.errors = note["errors"][target.name]
        # Earlier versions did not keep these.
        if "factors" in note:
            target.factor_68, target.factor_90 = note["factors"][target.name]
    scale = model.network.scales[number] if len(model.network.scales) else model.scale
    assert isinstance(scale, TargetScale)
    network = model.network.members[number]
    separated = CrystalModel(card, network, scale, model.novelty, model.target)
    separated.training_crystals = model.training_crystals
    return separated


def _model(source: str | os.PathLike[str]) -> CrystalModel:
    folder = Path(source)
    if (folder / RESULTS_FILE).is_file():
        return CrystalModel.load(folder / MODEL_FOLDER)
    shipped = any(model.name == str(source) for model in SHIPPED_MODELS)
    if shipped or (folder / CARD_FILE).is_file():
        return load(source)
    raise TrainingError(
        f"{folder}: no finished run ({RESULTS_FILE} is missing) and no model; give folders that "
        "'madelung train' has finished, or models"
    )


def _written_settings(folder: Path) -> Any:
    """Settings beside a run; None for a model, whose card holds them."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        return json.loads(bounded_text(path))
    except OSError as problem:
        raise TrainingError(f"{path}: cannot be read ({problem.strerror})") from None
    except ValueError as problem:
        raise TrainingError(f"{path}: no settings of a run ({problem})") from None


def _settings(source: str | os.PathLike[str], content: Any) -> TrainingSettings:
    try:
        known = stored_settings(content) if isinstance(content, dict) else content
        return TrainingSettings.model_validate(known)
    except ValueError as problem:
        raise TrainingError(f"{source}: no settings of a run ({problem})") from None
