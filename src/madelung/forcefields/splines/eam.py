"""EAM with tabulated functions, as files of the formats setfl and Finnis-Sinclair hold them.

Daw and Baskes, Phys. Rev. B 29, 6443 (1984); Finnis and Sinclair, Phil. Mag. A 50, 45 (1984).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, Self

import ase.data
import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.forcefields.splines.core import (
    SplineForceField,
    compile_model,
    pair_index,
    symmetric_map,
)
from madelung.forcefields.splines.cubic import Table, TabulatedFunction
from madelung.forcefields.splines.meam import SplineMEAM

__all__ = ["ElementHeader", "SplineEAM", "tabulated"]

_FORMAT = "madelung-spline-eam"


@dataclass(frozen=True)
class ElementHeader:
    """What no energy depends on: mass in amu, lattice constant in Å, name of the structure."""

    mass: float
    lattice_constant: float
    structure: str


@dataclass(frozen=True, eq=False)
class SplineEAM(SplineForceField):
    """E = ½ Σ φ(rᵢⱼ) + Σ F(nᵢ), nᵢ = Σ ρ(rᵢⱼ), of T elements.

    Parameters
    ----------
    numbers
        (T,) atomic numbers.
    step, density_step
        Steps of the tables in r (Å) and n; all begin at zero.
    reach
        Cutoff in Å.
    embedding
        (T, N) F in eV.
    density
        (T, M) ρ of the neighbour's element (format setfl), or (T, T, M), of the neighbour's and
        the central atom's element (Finnis-Sinclair).
    scaled_pair
        (T(T + 1)/2, M) r φ(r) in eV Å, pairs in the order 11, 21, 22, 31, …, TT.
    headers
        What the file says of each element.
    comments
        The first three lines of the file.
    """

    step: float
    density_step: float
    reach: float
    embedding: NDArray[np.float64]
    density: NDArray[np.float64]
    scaled_pair: NDArray[np.float64]
    headers: tuple[ElementHeader, ...]
    comments: tuple[str, str, str] = field(default=("", "", ""))

    def __post_init__(self) -> None:
        """Check the shapes."""
        types = len(self.numbers)
        for name in ("embedding", "density", "scaled_pair"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        points = self.scaled_pair.shape[-1]
        good = (
            types > 0
            and len(set(self.numbers)) == types == len(self.headers)
            and self.embedding.ndim == 2
            and len(self.embedding) == types
            and self.density.shape in ((types, points), (types, types, points))
            and self.scaled_pair.shape == (types * (types + 1) // 2, points)
        )
        if not good:
            raise ForceFieldError("the tables of an EAM potential do not fit its elements")
        if not (np.isfinite(self.reach) and self.reach > 0):
            raise ForceFieldError("the cutoff of an EAM potential must be positive")

    @property
    def is_finnis_sinclair(self) -> bool:
        """Whether densities depend on the central atom's element."""
        return self.density.ndim == 3

    @property
    def cutoff(self) -> float:
        """Distance in Å beyond which atoms do not interact."""
        return self.reach

    @cached_property
    def model(self) -> Any:
        """The tables in the core."""
        types = len(self.numbers)
        rows = [(a, b) for a in range(types) for b in range(a + 1)]
        row_of = {row: number for number, row in enumerate(rows)}
        ordered = [row_of[b, a] for a in range(types) for b in range(a, types)]
        pairs = [self._radial(self.scaled_pair[row], True) for row in ordered]
        densities = [self._radial(values) for values in self.density.reshape(-1, self._points)]
        embedding = [TabulatedFunction(self.density_step, row).table() for row in self.embedding]
        first = len(pairs)
        stride, central = (types, 1) if self.is_finnis_sinclair else (1, 0)
        every = range(types)
        return compile_model(
            self.cutoff,
            [*pairs, *densities, *embedding],
            pair=symmetric_map(types),
            density=[first + b * stride + a * central for a in every for b in every],
            embedding=[first + len(densities) + a for a in every],
        )

    @property
    def _points(self) -> int:
        return int(self.scaled_pair.shape[-1])

    def _radial(self, values: NDArray[np.float64], over_distance: bool = False) -> Table:
        return TabulatedFunction(self.step, values).table(self.reach, over_distance)

    def save(self, path: str | PathLike[str]) -> None:
        """Write all tables as JSON."""
        content = {
            "format": _FORMAT,
            "version": 1,
            "numbers": self.numbers,
            "step": self.step,
            "density_step": self.density_step,
            "reach": self.reach,
            "embedding": self.embedding.tolist(),
            "density": self.density.tolist(),
            "scaled_pair": self.scaled_pair.tolist(),
            "headers": [[one.mass, one.lattice_constant, one.structure] for one in self.headers],
            "comments": self.comments,
        }
        with whole_file(path) as temporary:
            temporary.write_text(json_text(content) + "\n")

    @classmethod
    def from_object(cls, content: Mapping[str, Any], source: str) -> Self:
        """Return the potential that the JSON of :meth:`save` describes.

        Raises
        ------
        ForceFieldError
            If it describes none of a known version; ``source`` says where it came from.
        """
        try:
            content = dict(content)
            if content.pop("format") != _FORMAT or content.pop("version") != 1:
                raise ForceFieldError(f"{source}: not a spline EAM of a known version")
            content["numbers"] = tuple(content["numbers"])
            content["headers"] = tuple(ElementHeader(*one) for one in content["headers"])
            content["comments"] = tuple(content["comments"])
            return cls(**content)
        except (KeyError, TypeError, ValueError) as problem:
            if isinstance(problem, ForceFieldError):
                raise
            raise ForceFieldError(f"{source}: is no spline EAM: {problem}") from None


def tabulated(potential: SplineMEAM, points: int = 5000) -> SplineEAM:
    """Return the tables of a spline potential without angular functions.

    Parameters
    ----------
    potential
        Without f and g.
    points
        Numbers in each table. Forces are wrong near knots of the splines, where third derivatives
        jump, by the square of the step: of copper by up to 7e-5 eV/Å with 5,000.

    Raises
    ------
    ForceFieldError
        If it has f and g, or embedding functions only below zero, where files have none.
    """
    if potential.is_angular:
        raise ForceFieldError("a potential with angular functions is no EAM")
    densest = max(float(one.knots[-1]) for one in potential.embedding)
    if densest <= 0:
        raise ForceFieldError("the densities of an EAM must be positive to be tabulated")
    distances = np.linspace(0.0, potential.cutoff, points)
    densities = np.linspace(0.0, densest, points)
    types = len(potential.numbers)
    pairs = [potential.pair[pair_index(b, a, types)] for a in range(types) for b in range(a + 1)]
    return SplineEAM(
        potential.numbers,
        step=float(distances[1]),
        density_step=float(densities[1]),
        reach=potential.cutoff,
        embedding=np.stack([one(densities) - one(np.zeros(())) for one in potential.embedding]),
        density=np.stack([one(distances) for one in potential.density]),
        scaled_pair=np.stack([distances * one(distances) for one in pairs]),
        headers=tuple(
            ElementHeader(float(ase.data.atomic_masses[number]), 0.0, "none")
            for number in potential.numbers
        ),
        comments=("spline EAM potential by Madelung", "", ""),
    )
