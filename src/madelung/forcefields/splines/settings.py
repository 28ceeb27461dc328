"""Settings of a fit of a spline MEAM."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.reference.fit_settings import read_fit_settings

__all__ = ["SplineMEAMSettings", "read_meam_settings"]

Knots = Annotated[int, Field(ge=4, le=100)]
Positive = Annotated[float, Field(gt=0)]


class SplineMEAMSettings(BaseModel):
    """What a fit does.

    Parameters
    ----------
    elements
        Symbols, in the order of the file.
    angular
        Whether there are f and g; without them the potential is an EAM.
    cutoff
        Where φ and ρ end, in Å.
    bond_cutoff
        Where f ends, in Å; None: at the cutoff.
    first_knot
        First radial knot in Å; None: the least distance in the data, less 0.02 Å.
    pair_knots, density_knots, embedding_knots, bond_knots, angle_knots
        Knots of each φ, ρ, U, f and g.
    energy_scale, force_scale
        Errors in eV/atom and eV/Å that weigh alike.
    stress_scale
        Error in eV/Å³ that weighs as those; None: stresses are not fitted.
    density_weight
        Weight of densities outside the knots of U.
    smoothness
        Weight of second differences of coefficients.
    starts
        Random starts (or, where the fit begins from a potential, changes of it).
    candidates
        Random functions of which each start takes the best.
    generations
        Of CMA-ES, before the descent of each start; 0: none.
    searched
        Configurations that starts look at, in turns of each group.
    search_iterations
        Gauss-Newton steps of each start.
    polished
        How many of the best starts go on with all configurations.
    iterations
        Gauss-Newton steps of each of them.
    validation
        Part of the configurations that choose between them, and are not fitted.
    seed
        Of all random numbers.
    threads
        Starts that run side by side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[str, ...] = Field(min_length=1)
    angular: bool = True
    cutoff: Positive
    bond_cutoff: Positive | None = None
    first_knot: Positive | None = None
    pair_knots: Knots = 12
    density_knots: Knots = 12
    embedding_knots: Knots = 8
    bond_knots: Knots = 10
    angle_knots: Knots = 10
    energy_scale: Positive = 0.004
    force_scale: Positive = 0.2
    stress_scale: Positive | None = None
    density_weight: float = Field(default=1.0, ge=0)
    smoothness: float = Field(default=1e-3, ge=0)
    starts: int = Field(default=4, ge=1)
    candidates: int = Field(default=8, ge=1)
    generations: int = Field(default=0, ge=0)
    searched: int = Field(default=40, ge=1)
    search_iterations: int = Field(default=50, ge=1)
    polished: int = Field(default=1, ge=1)
    iterations: int = Field(default=75, ge=1)
    validation: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)

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
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: tuple[str, ...]
) -> SplineMEAMSettings:
    """Return the settings of a spline MEAM; parameters and errors as for UF3."""
    return read_fit_settings(SplineMEAMSettings, path, changes, data)
