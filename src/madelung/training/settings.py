"""Settings of a training run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madelung.common.errors import TrainingError
from madelung.common.resuming import default_settings, differences, require_same_job
from madelung.common.settings_files import (
    read_settings_file,
    validated_settings,
    with_present_names,
)
from madelung.inputs.settings import InputSettings, PairSettings
from madelung.models.settings import ARCHITECTURES, NetworkSettings, SumNetSettings

__all__ = [
    "FORMER_SETTINGS",
    "TrainingSettings",
    "is_same_training",
    "read_settings",
    "require_same_training",
    "stored_settings",
]

FORMER_SETTINGS = {"hiding": "masking"}
"""What settings were called in an earlier version, which still reads."""
# Settings that change no weight, and may change when a run goes on.
_FREE_SETTINGS = ("checkpoint_minutes", "memory_gigabytes", "name", "purpose")


class TrainingSettings(BaseModel):
    """All that decides what a training run does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", description="Name on the model's card; its targets if not given.")
    purpose: str = Field("", description="On the card: what the model may be used for.")
    target: tuple[str, ...] = Field(
        (), description="Targets to learn together; the data set's default if none is named."
    )
    split: str | None = Field(
        None,
        description="Named split of the data set: that of the first target if it has one, else "
        "drawn with the seed.",
    )
    validation_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="Part kept for validation where the split names none."
    )
    test_share: float = Field(
        0.1, ge=0.0, lt=1.0, description="Part kept for testing where there is no named split."
    )
    validation_parts: int | None = Field(
        None,
        ge=2,
        description="Cut training and validation crystals into this many parts, and validate by "
        "the one whose number is the seed modulo this: an ensemble learns from all, and is "
        "calibrated by all.",
    )
    training_limit: int | None = Field(
        None, ge=1, description="Most training crystals, drawn with the seed."
    )
    max_atoms: int = Field(
        300, ge=1, description="Leave out (and count) training crystals with more atoms."
    )
    seed: int = Field(0, ge=0, description="Seed of weights, order and drawn splits.")
    split_seed: int | None = Field(
        None,
        ge=0,
        description="Seed of drawn splits, where several runs are to share them; the seed if not "
        "given.",
    )
    initial: str = Field(
        "",
        description="Model to start from: a shipped name or a folder. Its weights, and its "
        "settings of graph and network, are taken over.",
    )
    epochs: int = Field(100, ge=1, description="Passes over the training crystals.")
    batch_size: int = Field(64, ge=1, description="Crystals of a step, over all processes.")
    learning_rate: float = Field(1e-3, gt=0.0, description="Highest rate of the one-cycle course.")
    warmup_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="Part of the course in which the rate rises."
    )
    weight_decay: float = Field(0.0, ge=0.0, description="Decoupled weight decay (AdamW).")
    gradient_clip: float = Field(10.0, gt=0.0, description="Largest norm of a gradient.")
    loss: Literal["l1", "mse"] = Field("l1", description="Loss on standardised targets.")
    average_decay: float = Field(
        0.998, ge=0.0, lt=1.0, description="Decay of the moving average of the weights (EMA)."
    )
    denoising: float = Field(
        0.0,
        ge=0.0,
        description="Weight of predicting how atoms were displaced (denoising) beside the loss; "
        "SumNet only.",
    )
    masking: float = Field(
        0.0,
        ge=0.0,
        description="Weight of predicting the elements of masked atoms beside the loss; SumNet "
        "only.",
    )
    patience: int = Field(
        0, ge=0, description="Stop after so many epochs without a better validation; 0 for never."
    )
    element_reference: bool = Field(
        True,
        description="Take off a linear fit of the composition before learning; frequencies have "
        "none.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Arithmetic of the edge networks in training; bfloat16 is faster where the "
        "processor multiplies it. Validation and prediction are always in float32.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="Threads; all cores if not given.")
    device: str = Field("cpu", description="PyTorch device: cpu, cuda, cuda:1, ...")
    checkpoint_minutes: float = Field(
        5.0, ge=0.0, description="Minutes between checkpoints; one is also written on interruption."
    )
    memory_gigabytes: float = Field(
        4.0,
        ge=0.0,
        description="Memory for what SumNet starts from, so that it is made once and not in each "
        "epoch; what finds no room is made anew.",
    )
    graph: InputSettings = Field(
        default_factory=lambda: PairSettings(), description="What the network starts from."
    )
    network: NetworkSettings = Field(
        default_factory=lambda: SumNetSettings(), description="Architecture and size."
    )

    @model_validator(mode="before")
    @classmethod
    def _as_the_architecture_says(cls, content: Any) -> Any:
        """Let settings that are given as dictionaries be those of the architecture."""
        if not isinstance(content, dict):
            return content
        content = with_present_names(content, FORMER_SETTINGS)
        network, graph = content.get("network", {}), content.get("graph", {})
        if isinstance(network, dict):
            kind = ARCHITECTURES.find(network.get("architecture", "sumnet"))
            network = _validated("network", kind, network)
        if isinstance(graph, dict):
            graph = _validated("graph", network.inputs, graph)
        return {**content, "network": network, "graph": graph}

    @property
    def drawn_with(self) -> int:
        """Seed of drawn splits."""
        return self.seed if self.split_seed is None else self.split_seed


def _validated(group: str, kind: type[BaseModel], content: dict[str, Any]) -> BaseModel:
    """Settings of a kind; what is wrong with them is said with the name of the group."""
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        lines = [
            f"{group}.{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
            for error in problem.errors()
        ]
        raise ValueError("; ".join(lines)) from None


def read_settings(
    path: str | os.PathLike[str] | None = None, changes: dict[str, Any] | None = None
) -> TrainingSettings:
    """Read settings from a YAML or JSON file and change some of them.

    Parameters
    ----------
    path
        The file; the defaults if None.
    changes
        Settings by name that go before the file's; those of ``graph`` and ``network`` in
        dictionaries of their own.

    Raises
    ------
    TrainingError
        If the file cannot be read, or a setting is unknown or not allowed.
    """
    content = {} if path is None else read_settings_file(Path(path), TrainingError)
    for name, value in (changes or {}).items():
        if isinstance(value, dict):
            content[name] = {**(content.get(name) or {}), **value}
        else:
            content[name] = value
    return validated_settings(TrainingSettings, path, content, TrainingError)


def require_same_training(begun: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a run of other settings, data or initial weights.

    Parameters
    ----------
    begun, asked
        "settings", "fingerprint" of the data set and "initial_weights" of the run in the folder,
        and of the one that is asked for. Settings that the run did not know had their defaults.
    folder
        Folder of the run, for the message.

    Raises
    ------
    TrainingError
        If they differ.
    """
    own, defaults = _with_present_settings(begun, asked)
    require_same_job(own, asked, folder, TrainingError, defaults=defaults, free=_FREE_SETTINGS)


def is_same_training(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether a run is the one that is asked for; see :func:`require_same_training`."""
    own, defaults = _with_present_settings(begun, asked)
    return not differences(own, asked, defaults=defaults, free=_FREE_SETTINGS)


def _with_present_settings(
    begun: Mapping[str, Any], asked: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a run in the names of today, and defaults of settings that it did not know."""
    # Groups have the defaults of the architecture that is asked for.
    defaults = default_settings(TrainingSettings.model_validate(asked["settings"]))
    settings = stored_settings(begun.get("settings", {}))
    # Runs that knew no initial model had none.
    return {"initial_weights": "", **begun, "settings": settings}, defaults


def stored_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that a program has written, of whatever version, in the names of today.

    Without a warning: nobody can be asked to write them anew.

    Parameters
    ----------
    content
        Names and values.
    """
    return {FORMER_SETTINGS.get(name, name): value for name, value in content.items()}
