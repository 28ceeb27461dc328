"""How crystals become inputs of networks; apart from the code that does it, to load at once.

Each kind of input names its builder, as ``"module:function"``: called with crystals, a sequence of
settings of the kind, and ``threads``, it returns one graph for each of the settings. To add a kind,
write its settings and its builder, and put it into :data:`InputSettings`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GraphSettings", "InputSettings", "PairSettings"]


class GraphSettings(BaseModel):
    """How the graph of a crystal is made."""

    builder: ClassVar[str] = "madelung.inputs.near_graph:build_graphs"
    """What makes the graphs."""
    model_config = ConfigDict(extra="forbid", frozen=True)

    primitive: bool = Field(
        True,
        description="Reduce crystals to their primitive cells first, so that conventional cells "
        "and supercells get the same values.",
    )
    neighbours: int = Field(16, ge=1, le=200, description="Nearest neighbours of each atom.")
    tie_tolerance: float = Field(
        1e-3,
        ge=0.0,
        description="Atoms no more than this (Å) beyond the last neighbour count as ties.",
    )
    potentials: tuple[str, ...] = Field(
        ("coulomb", "london", "pauli:3"),
        description="Potentials whose complete sums are taken for every pair; empty for none.",
    )
    pauli: Literal["true", "published"] = Field(
        "true",
        description="'published' repeats the scaling of PotNet's public code, alpha V^(-1/6), "
        "which depends on the choice of cell; 'true' is the sum of exp(-alpha r).",
    )
    tolerance: float = Field(1e-6, gt=0.0, description="Absolute error allowed in the sums.")
    merge_tolerance: float = Field(
        1e-4,
        ge=0.0,
        description="Edges of a crystal whose distances (Å) and sums differ by no more than this "
        "count as equal when atoms that symmetry makes equivalent are merged; 0 merges nothing.",
    )


class PairSettings(BaseModel):
    """How the functions of the pairs of a crystal are made that a SumNet starts from."""

    builder: ClassVar[str] = "madelung.inputs.pair_graph:build_pair_graphs"
    """What makes the graphs."""
    model_config = ConfigDict(extra="forbid", frozen=True)

    cutoff: float = Field(6.0, gt=0.0, le=20.0, description="Reach (Å) of the near functions.")
    radial: int = Field(16, ge=1, description="Gaussians of the distance.")
    reduced: int = Field(
        8, ge=0, description="Gaussians of the distance in units of the sum of covalent radii."
    )
    angular: int = Field(
        8, ge=1, description="Gaussians of the distance for each spherical harmonic."
    )
    degree: int = Field(2, ge=0, le=3, description="Highest degree of spherical harmonics.")
    potentials: tuple[str, ...] = Field(
        ("coulomb", "london", "pauli:3"),
        description="Potentials whose complete sums are taken for every pair; empty for none.",
    )
    tolerance: float = Field(1e-6, gt=0.0, description="Absolute error allowed in the sums.")
    symmetry_tolerance: float = Field(
        1e-5,
        ge=0.0,
        description="Atoms (Å) that symmetry operations carry this near to each other are computed "
        "once; 0 computes every atom.",
    )
    bonds: float = Field(
        0.0,
        ge=0.0,
        le=20.0,
        description="Greatest length (Å) of bonds that springs stand on, for networks that read "
        "off frequencies; 0 for none.",
    )
    areas: bool = Field(
        False,
        description="Find the areas of the layers of crystals, for networks that read off values "
        "for an area.",
    )


InputSettings = GraphSettings | PairSettings
"""How crystals become what a network starts from: settings of any kind of input."""
