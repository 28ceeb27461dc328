"""Settings of the training of a neural force field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from madelung.common.errors import ForceFieldError, TrainingError
from madelung.common.resuming import default_settings, require_same_job
from madelung.common.settings_files import (
    read_settings_file,
    validated_settings,
    with_present_names,
)
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.reference.reference_data import ElementSource, elements_of

__all__ = ["NeuralFitSettings", "TrainingCourse", "read_neural_settings", "require_same_course"]

_FORMER_SETTINGS = {
    "guess_weight": "pseudo_label_weight",
    "guesses_in_step": "pseudo_labels_in_step",
}
# Settings that change no weight, and may change when a course goes on.
_FREE_SETTINGS = ("checkpoint_minutes",)


class TrainingCourse(BaseModel):
    """How a neural force field is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(60, ge=1, description="Passes over the configurations.")
    batch_size: int = Field(4, ge=1, description="Configurations of a step, over all processes.")
    learning_rate: float = Field(6e-3, gt=0.0, description="Highest rate of the one-cycle course.")
    warmup_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="Part of the course in which the rate rises."
    )
    weight_decay: float = Field(0.0, ge=0.0, description="Decoupled weight decay.")
    gradient_clip: float = Field(10.0, gt=0.0, description="Largest norm of a gradient.")
    average_decay: float = Field(
        0.995, ge=0.0, lt=1.0, description="Decay of the moving average of the weights (EMA)."
    )
    energy_weight: float = Field(
        0.5, ge=0.0, description="Weight of squared errors of energies in parts of their spread."
    )
    force_weight: float = Field(1.0, ge=0.0, description="The same of forces.")
    stress_weight: float = Field(0.1, ge=0.0, description="The same of stresses.")
    charge_weight: float = Field(
        0.0,
        ge=0.0,
        description="Weight of squared errors of charges (e), where structures carry charges.",
    )
    pseudo_labels_in_step: int = Field(
        4, ge=1, description="Pseudo-labelled configurations in a step, where there are some."
    )
    pseudo_label_weight: float = Field(
        1.0, ge=0.0, description="Weight of their mean loss beside that of the others."
    )
    validations: int = Field(
        20, ge=1, description="How often in the course the averaged weights are validated."
    )
    seed: int = Field(0, ge=0, description="Seed of weights and order.")
    checkpoint_minutes: float = Field(
        5.0, ge=0.0, description="Minutes between checkpoints; one is also written on interruption."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_present_names(cls, content: Any) -> Any:
        return (
            with_present_names(content, _FORMER_SETTINGS) if isinstance(content, dict) else content
        )


class NeuralFitSettings(BaseModel):
    """A neural force field, and how it is fitted to files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: NeuralSettings = Field(description="Elements, reach and size.")
    course: TrainingCourse = Field(
        default_factory=lambda: TrainingCourse(), description="How it is trained."
    )
    members: int = Field(1, ge=1, description="Networks, whose differences are the uncertainty.")
    validation_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="Part of the training data by which weights are chosen."
    )
    initial: str = Field("", description="Folder of a force field to start from.")


def read_neural_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: ElementSource
) -> NeuralFitSettings:
    """Return settings: defaults, what a file says, and changes to that.

    Parameters
    ----------
    path
        YAML or JSON file; None for the defaults.
    changes
        Settings by name; those of ``network`` and ``course`` in dictionaries of their own.
    data
        What elements are taken from if none are named.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, or a setting is wrong.
    """
    content = {} if path is None else read_settings_file(Path(path), ForceFieldError)
    for name, value in changes.items():
        grouped = isinstance(value, dict) and isinstance(content.get(name), dict)
        content[name] = {**content[name], **value} if grouped else value
    network = content.setdefault("network", {})
    if isinstance(network, dict) and "elements" not in network:
        network["elements"] = elements_of(data)
    return validated_settings(NeuralFitSettings, path, content, ForceFieldError)


def require_same_course(begun: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a course of other settings, of another network, or on other data.

    Parameters
    ----------
    begun, asked
        "settings" (those of the course, and "network"), "fingerprint" of the examples and
        "initial_weights". Settings that the course did not know had their defaults.
    folder
        Folder of the course, for the message.

    Raises
    ------
    TrainingError
        If they differ.
    """
    course = {name: value for name, value in asked["settings"].items() if name != "network"}
    network = NeuralSettings.model_validate(asked["settings"]["network"])
    defaults = {
        **default_settings(TrainingCourse.model_validate(course)),
        "network": default_settings(network),
    }
    settings = {_FORMER_SETTINGS.get(name, name): v for name, v in begun["settings"].items()}
    begun = {**begun, "settings": settings}
    require_same_job(begun, asked, folder, TrainingError, defaults=defaults, free=_FREE_SETTINGS)
