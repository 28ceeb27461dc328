"""Size and options of networks of force constants; apart from these, so that they load at once."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from madelung.inputs.settings import PairSettings

__all__ = ["HarmonicSettings"]


class HarmonicSettings(BaseModel):
    """Size and options of a network of force constants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(96, ge=1, description="Length of all feature vectors.")
    layers: int = Field(3, ge=1, description="Message-passing layers.")
    senders: int = Field(32, ge=1, description="Features of an atom that others are told.")
    tensors: int = Field(32, ge=1, description="Invariants of each higher degree.")
    ends: int = Field(64, ge=1, description="Features of an atom that couplings are told.")
    hidden: int = Field(96, ge=1, description="Width of the layers that choose couplings.")
    channels: int = Field(
        8, ge=0, description="Local channels of each degree, half of either sign."
    )
    spring_reach: float = Field(8.0, gt=0.0, le=20.0, description="Greatest length of springs (Å).")
    local_reach: float = Field(4.5, gt=0.0, le=10.0, description="Reach of local channels (Å).")
    dipoles: bool = Field(
        False, description="Whether screened charges interact, as complete sums of dipoles."
    )
    inputs: PairSettings = Field(PairSettings(), description="What atoms see of the crystal.")
