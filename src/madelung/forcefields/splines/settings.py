"""Settings of a fit of a spline MEAM."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.reference.fit_settings import read_fit_settings
from madelung.forcefields.reference.reference_data import ElementSource

__all__ = ["SplineMEAMSettings", "read_meam_settings"]

Knots = Annotated[int, Field(ge=4, le=100)]
Positive = Annotated[float, Field(gt=0)]


class SplineMEAMSettings(BaseModel):
    """What a fit of a spline MEAM or EAM does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[str, ...] = Field(
        min_length=1, description="Symbols, in the order of the file."
    )
    angular: bool = Field(
        True, description="Whether there are f and g; without them the potential is an EAM."
    )
    cutoff: Positive = Field(description="Where φ and ρ end, in Å.")
    bond_cutoff: Positive | None = Field(
        None, description="Where f ends, in Å; at the cutoff if not given."
    )
    first_knot: Positive | None = Field(
        None,
        description="First radial knot in Å; the least distance in the data, less 0.02 Å, if not "
        "given.",
    )
    pair_knots: Knots = Field(12, description="Knots of each φ.")
    density_knots: Knots = Field(12, description="Knots of each ρ.")
    embedding_knots: Knots = Field(8, description="Knots of each U.")
    bond_knots: Knots = Field(10, description="Knots of each f.")
    angle_knots: Knots = Field(10, description="Knots of each g.")
    energy_scale: Positive = Field(
        0.004, description="Error in eV/atom that weighs as the force scale."
    )
    force_scale: Positive = Field(0.2, description="Error in eV/Å that weighs as the energy scale.")
    stress_scale: Positive | None = Field(
        None,
        description="Error in eV/Å³ that weighs as those; stresses are not fitted if not given.",
    )
    density_weight: float = Field(
        1.0, ge=0, description="Weight of densities outside the knots of U."
    )
    smoothness: float = Field(
        1e-3, ge=0, description="Weight of second differences of coefficients."
    )
    starts: int = Field(
        4,
        ge=1,
        description="Random starts (or, where the fit begins from a potential, changes of it).",
    )
    candidates: int = Field(
        8, ge=1, description="Random functions of which each start takes the best."
    )
    generations: int = Field(
        0, ge=0, description="Of CMA-ES, before the descent of each start; 0 for none."
    )
    searched: int = Field(
        40, ge=1, description="Configurations that starts look at, in turns of each group."
    )
    search_iterations: int = Field(50, ge=1, description="Gauss-Newton steps of each start.")
    polished: int = Field(
        1, ge=1, description="How many of the best starts go on with all configurations."
    )
    iterations: int = Field(
        75, ge=1, description="Gauss-Newton steps of each of them, on all configurations."
    )
    validation: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Part of the configurations that choose between them, and are not fitted.",
    )
    seed: int = Field(0, ge=0, description="Seed of all random numbers.")
    threads: int = Field(1, ge=1, description="Starts that run side by side.")

    @field_validator("elements")
    @classmethod
    def _known(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in elements:
            if symbol not in ELEMENT_SYMBOLS[1:]:
                raise ValueError(f"'{symbol}' is no element")
        if len(set(elements)) != len(elements):
            raise ValueError("each element is named once")
        return elements

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers."""
        return tuple(ELEMENT_SYMBOLS.index(symbol) for symbol in self.elements)

    @property
    def reach(self) -> float:
        """Largest of the cutoffs."""
        bond_cutoff = self.bond_cutoff if self.angular else None
        return max(self.cutoff, bond_cutoff or self.cutoff)


def read_meam_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: ElementSource
) -> SplineMEAMSettings:
    """Return the settings of a spline MEAM; parameters and errors as for UF3."""
    return read_fit_settings(SplineMEAMSettings, path, changes, data)
