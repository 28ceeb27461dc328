"""How a network of force constants is trained."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PhononCourse"]


class PhononCourse(BaseModel):
    """Settings of a course of training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(30, ge=1, description="Passes over the crystals.")
    batch_size: int = Field(8, ge=1, description="Crystals of a step, over all processes.")
    learning_rate: float = Field(3e-3, gt=0.0, description="Highest rate of the one-cycle course.")
    warmup_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="Part of the course in which the rate rises."
    )
    weight_decay: float = Field(1e-4, ge=0.0, description="Decoupled weight decay.")
    statistics_share: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="Part of the course in which the statistics of normalisation follow the "
        "batches; then they are fixed, as those of few crystals are noise.",
    )
    gradient_clip: float = Field(5.0, gt=0.0, description="Largest norm of a gradient.")
    average_decay: float = Field(
        0.999, ge=0.0, lt=1.0, description="Decay of the moving average of the weights (EMA)."
    )
    electric_weight: float = Field(
        0.2, ge=0.0, description="Weight of errors of Born charges and dielectric tensors."
    )
    validations: int = Field(
        14, ge=1, description="How often in the course the averaged weights are validated."
    )
    seed: int = Field(0, ge=0, description="Seed of weights and order.")
    checkpoint_minutes: float = Field(
        5.0, ge=0.0, description="Minutes between checkpoints; one is also written on interruption."
    )
