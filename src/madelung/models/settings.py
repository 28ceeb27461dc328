"""Sizes and options of the networks; apart from the networks, so that they load at once.

Each architecture names the kind of its inputs, and what builds the network, as
``"module:function"``: called with its settings, those of its inputs and the number of targets. To
add one, write its settings and its network, and put the settings into :data:`NetworkSettings`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from madelung.common.errors import ModelError
from madelung.common.registry import Registry
from madelung.inputs.settings import GraphSettings, InputSettings, PairSettings

__all__ = [
    "ARCHITECTURES",
    "NetworkSettings",
    "PotNetSettings",
    "Readout",
    "SumNetSettings",
    "readout_of",
]

Readout = Literal["value", "frequency", "area"]
"""What the targets of a network are."""


class PotNetSettings(BaseModel):
    """Size and options of a PotNet."""

    inputs: ClassVar[type[InputSettings]] = GraphSettings
    """What it starts from."""
    builder: ClassVar[str] = "madelung.models.potnet:PotNet.from_settings"
    """What makes the network."""
    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["potnet"] = "potnet"
    features: int = Field(256, ge=1, description="Length of all feature vectors.")
    layers: int = Field(3, ge=1, description="Message-passing layers.")
    gaussians: int = Field(256, ge=2, description="Gaussians that describe a distance.")
    multiquadrics: int = Field(64, ge=2, description="Multiquadrics that describe a sum.")
    attention: bool = Field(
        False, description="Pass complete edges through an attention layer of their own."
    )


class SumNetSettings(BaseModel):
    """Size and options of a SumNet."""

    inputs: ClassVar[type[InputSettings]] = PairSettings
    """What it starts from."""
    builder: ClassVar[str] = "madelung.models.sumnet:SumNet.from_settings"
    """What makes the network."""
    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["sumnet"] = Field("sumnet", description="Name of the architecture.")
    features: int = Field(128, ge=1, description="Length of all feature vectors.")
    layers: int = Field(4, ge=1, description="Message-passing layers.")
    senders: int = Field(32, ge=1, description="Features of an atom that others are told.")
    tensors: int = Field(48, ge=1, description="Invariants of each higher degree.")
    dropout: float = Field(
        0.0, ge=0.0, lt=1.0, description="Part of the features left out at random in training."
    )
    pooling: Literal["mean", "attention"] = Field(
        "mean",
        description="What is read off: the mean over the atoms, or one in which each feature "
        "chooses its atoms, for properties that few atoms decide.",
    )
    readout: Readout = Field(
        "value",
        description="What targets are: values; frequencies of vibrations, which are those of a "
        "crystal whose springs the network chooses (needs bonds); or values that are learnt for "
        "the area of a layer, as energies of exfoliation (needs areas).",
    )


NetworkSettings = PotNetSettings | SumNetSettings
"""Settings of any network; ``architecture`` tells which."""

ARCHITECTURES: Registry[type[NetworkSettings]] = Registry(
    "architecture",
    {kind.model_fields["architecture"].default: kind for kind in get_args(NetworkSettings)},
    ModelError,
)
"""Settings of each architecture by its name."""


def readout_of(settings: NetworkSettings) -> Readout:
    """Return what the targets of a network are: values, where it has no such setting."""
    readout: Readout = getattr(settings, "readout", "value")
    return readout
