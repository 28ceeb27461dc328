"""Sizes and options of the networks; apart from the networks, so that they load at once."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PotNetSettings"]


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
