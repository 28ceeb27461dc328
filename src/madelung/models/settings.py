"""Sizes and options of the networks; apart from the networks, so that they load at once."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["sumnet"] = Field("sumnet", description="Network: sumnet or potnet.")
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
ARCHITECTURES: dict[str, type[PotNetSettings] | type[SumNetSettings]] = {
    "potnet": PotNetSettings,
    "sumnet": SumNetSettings,
}
"""Settings of each architecture by its name."""


def readout_of(settings: NetworkSettings) -> Readout:
    """Return what the targets of a network are; a PotNet's are values."""
    return settings.readout if isinstance(settings, SumNetSettings) else "value"
