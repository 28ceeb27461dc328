"""What a neural force field is made of."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict, Field, field_validator

from madelung.crystals.elements import ATOMIC_NUMBERS

__all__ = ["REFERENCE", "NeuralSettings"]

REFERENCE = "reference"
"""Name of the head that a force field's energy is read from unless told otherwise."""


class NeuralSettings(BaseModel):
    """Elements, reach and size of a neural force field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: Annotated[tuple[str, ...], MinLen(1)] = Field(description="Symbols.")
    cutoff: float = Field(5.0, gt=1.0, le=12.0, description="Reach (Å) of one layer.")
    layers: int = Field(2, ge=1, le=5, description="Layers; each one lets atoms see farther.")
    features: int = Field(96, ge=4, description="Features of an atom.")
    radial: int = Field(10, ge=2, description="Functions of the distance.")
    degree: int = Field(
        3, ge=2, le=3, description="Highest degree of the spherical harmonics of the first layer."
    )
    channels: int = Field(48, ge=1, description="Pairs of tensors whose scalar products are taken.")
    cubic_channels: int = Field(
        16, ge=1, description="Triples of tensors whose invariant products are taken."
    )
    senders: int = Field(12, ge=1, description="Features that an atom sends in a later layer.")
    long_range: bool = Field(
        True,
        description="Charges and dispersion coefficients of atoms, whose energies are complete "
        "sums.",
    )
    heads: Annotated[tuple[str, ...], MinLen(1)] = Field(
        (REFERENCE,),
        description="Energies that the network gives, such as those of several methods.",
    )

    @field_validator("elements")
    @classmethod
    def _in_order(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [symbol for symbol in elements if symbol not in ATOMIC_NUMBERS]
        if unknown:
            raise ValueError(f"no elements: {', '.join(unknown)}")
        return tuple(sorted(set(elements), key=lambda symbol: ATOMIC_NUMBERS[symbol]))

    @field_validator("heads")
    @classmethod
    def _different(cls, heads: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(heads)) != len(heads):
            raise ValueError("two heads have the same name")
        return heads

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers, ascending."""
        return tuple(ATOMIC_NUMBERS[symbol] for symbol in self.elements)
