"""What is written down about a model beside its weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madelung.common.errors import ModelError
from madelung.common.finite_numbers import require_finite_numbers
from madelung.common.text import bounded_text
from madelung.inputs.settings import InputSettings
from madelung.models.geometry import TrainedGeometry
from madelung.models.settings import ARCHITECTURES, NetworkSettings

__all__ = ["CARD_FILE", "CARD_FORMAT", "Consensus", "ModelCard", "TargetCard", "read_card"]

CARD_FILE = "card.json"
"""Name of the file in a model's folder."""
CARD_FORMAT = 7
"""Version of the format; all earlier ones stay readable."""

Consensus = Literal["mean", "median"]
"""What the members of an ensemble agree on."""


class TargetCard(BaseModel):
    """One quantity that a model predicts."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(description="Name, as in the data set.")
    unit: str = Field("", description="Unit; empty for a pure number.")
    description: str = Field("", description="What it is, in a few words.")
    factor_68: float = Field(
        1.0, description="Widens the expected error so that 68 % of validation errors are within."
    )
    factor_90: float = Field(2.0, description="The same for 90 %.")
    errors: dict[str, Any] = Field(
        default_factory=dict, description="Errors on the test crystals: count, mae, interval, ..."
    )
    validation: dict[str, Any] = Field(
        default_factory=dict,
        description="The same on the validation crystals, by which epoch and factors were chosen.",
    )


class ModelCard(BaseModel):
    """Where a model comes from, what it is for, and all that its predictions depend on."""

    model_config = ConfigDict(extra="forbid")

    format: int = Field(CARD_FORMAT, description="Version of this format.")
    name: str = Field(description="Name of the model.")
    purpose: str = Field("", description="What it may be used for, and what not.")
    targets: list[TargetCard] = Field(min_length=1, description="What it predicts.")
    graph: InputSettings = Field(description="How crystals become graphs.")
    network: NetworkSettings = Field(
        discriminator="architecture", description="Architecture and size."
    )
    members: int = Field(1, ge=1, description="Networks that predict together.")
    consensus: Consensus = Field(
        "mean",
        description="What several predict: the mean of their values, as all did up to format 3, or "
        "the median of the mixture of their distributions.",
    )
    member_graphs: tuple[InputSettings, ...] = Field(
        (), description="How crystals become the graphs of each member, where that differs."
    )
    member_scales: bool = Field(
        False,
        description="Whether each member scales targets, and is widened, in its own way, as where "
        "members learnt from different crystals.",
    )
    stored_as: Literal["float32", "float16"] = Field(
        "float32", description="Precision of the network's parameters in the file."
    )
    elements: dict[str, int] = Field(
        default_factory=dict, description="In how many training crystals each element occurs."
    )
    geometry: TrainedGeometry | None = Field(
        None,
        description="Distances, neighbours and volumes of the training crystals; not known of "
        "models up to format 6.",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="Data, licence, split, seed, settings, commit, command, time.",
    )
    weights_sha256: str = Field("", description="Checksum of the weights.")

    @model_validator(mode="after")
    def _one_graph_for_each(self) -> ModelCard:
        if len(self.member_graphs) not in (0, self.members):
            raise ValueError(f"{len(self.member_graphs)} graphs for {self.members} members")
        return self

    @property
    def inputs(self) -> InputSettings | tuple[InputSettings, ...]:
        """What the network starts from; of an ensemble, that of each member where it differs."""
        return self.member_graphs or self.graph

    def graph_of(self, member: int) -> InputSettings:
        """Return what a member starts from."""
        return self.member_graphs[member] if self.member_graphs else self.graph


def read_card(folder: str | os.PathLike[str]) -> ModelCard:
    """Read the card of a model from its folder.

    Raises
    ------
    ModelError
        If it is missing, damaged, or was written by a later version.
    """
    path = Path(folder) / CARD_FILE
    try:
        content = json.loads(bounded_text(path))
    except OSError as problem:
        raise ModelError(
            f"{path}: cannot be read ({problem.strerror}); give a model's folder or a name that "
            "'madelung models' lists"
        ) from None
    except (ValueError, RecursionError) as problem:
        raise ModelError(f"{path}: no JSON ({problem}); copy the model again") from None
    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(version, int) or version < 1:
        raise ModelError(f"{path}: no card of a model (it states no format)")
    if version > CARD_FORMAT:
        raise ModelError(
            f"{path}: format {version} is newer than this version of Madelung reads "
            f"({CARD_FORMAT}); update Madelung"
        )
    require_finite_numbers(content, str(path), ModelError)
    try:
        return ModelCard.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ARCHITECTURES)
        raise ModelError(f"{path}: {place}: {first['msg']}") from None
