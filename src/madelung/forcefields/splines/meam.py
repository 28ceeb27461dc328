"""s-MEAM: the modified embedded-atom method with free splines.

Lenosky et al., Modelling Simul. Mater. Sci. Eng. 8, 825 (2000); Vita and Trinkle, Comput. Mater.
Sci. 200, 110752 (2021). Equations 1 and 2 of docs/theory/spline-potentials.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any, Self

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.splines.core import SplineForceField, compile_model, symmetric_map
from madelung.forcefields.splines.cubic import CubicSpline, Table

__all__ = ["SplineMEAM"]

_FORMAT = "madelung-spline-meam"
_PARTS = ("pair", "density", "embedding", "bond", "angle")


@dataclass(frozen=True, eq=False)
class SplineMEAM(SplineForceField):
    """E = Σ φ(rᵢⱼ) + Σ [U(nᵢ) − U(0)], nᵢ = Σ ρ(rᵢⱼ) + Σ f(rᵢⱼ) f(rᵢₖ) g(cos θⱼᵢₖ).

    The functions of T types; those of pairs in the order 11, 12, …, 1T, 22, 23, …, TT.

    Parameters
    ----------
    numbers
        (T,) atomic numbers.
    pair
        φ, T(T + 1)/2.
    density, bond
        ρ and f, T, of the neighbour's type.
    embedding
        U, T, of the central atom's type.
    angle
        g, T(T + 1)/2, of both neighbours' types; without any f and g the potential is an EAM.

    Raises
    ------
    ForceFieldError
        If the number of functions does not fit the number of types.
    """

    pair: tuple[CubicSpline, ...]
    density: tuple[CubicSpline, ...]
    embedding: tuple[CubicSpline, ...]
    bond: tuple[CubicSpline, ...] = ()
    angle: tuple[CubicSpline, ...] = ()

    def __post_init__(self) -> None:
        """Count the functions."""
        types = len(self.numbers)
        if types == 0 or len(set(self.numbers)) != types:
            raise ForceFieldError("a potential has one or more elements, each of them once")
        pairs = types * (types + 1) // 2
        expected_bonds, expected_angles = (types, pairs) if self.is_angular else (0, 0)
        counts = (pairs, types, types, expected_bonds, expected_angles)
        for name, expected in zip(_PARTS, counts, strict=True):
            found = len(getattr(self, name))
            if found != expected:
                raise ForceFieldError(
                    f"a potential of {types} elements needs {expected} functions '{name}', "
                    f"and not {found}"
                )

    @property
    def is_angular(self) -> bool:
        """Whether it has f and g."""
        return bool(self.bond or self.angle)

    @property
    def cutoff(self) -> float:
        """Distance in Å beyond which atoms do not interact: the last of all radial knots."""
        return max(float(one.knots[-1]) for one in self.pair + self.density + self.bond)

    @cached_property
    def model(self) -> Any:
        """The tables in the core."""
        types = len(self.numbers)
        pairs = types * (types + 1) // 2
        functions = [*self.pair, *self.density, *self.embedding, *self.bond, *self.angle]
        tables = [one.table for one in functions]
        first = pairs + types
        tables[first : first + types] = [_from_zero(one.table) for one in self.embedding]
        return compile_model(
            self.cutoff,
            tables,
            pair=symmetric_map(types),
            density=[pairs + b for _ in range(types) for b in range(types)],
            embedding=[first + a for a in range(types)],
            bond=[first + types + a for a in range(types)] if self.is_angular else None,
            angle=symmetric_map(types, first + 2 * types) if self.is_angular else None,
        )

    def as_object(self) -> dict[str, Any]:
        """Return what stands in the JSON file."""
        content: dict[str, Any] = {"format": _FORMAT, "version": 1, "elements": self.symbols}
        for name in _PARTS:
            content[name] = [spline.to_json() for spline in getattr(self, name)]
        return content

    def save(self, path: str | PathLike[str]) -> None:
        """Write all functions as JSON."""
        with whole_file(path) as temporary:
            temporary.write_text(json_text(self.as_object(), indent=1) + "\n")

    @classmethod
    def from_object(cls, content: Mapping[str, Any], source: str) -> Self:
        """Return the potential that the JSON of :meth:`save` describes.

        Raises
        ------
        ForceFieldError
            If it describes none of a known version; ``source`` says where it came from.
        """
        try:
            if content["format"] != _FORMAT or content["version"] != 1:
                raise ForceFieldError(f"{source}: not a spline MEAM of a known version")
            numbers = tuple(ELEMENT_SYMBOLS.index(symbol) for symbol in content["elements"])
            parts = (tuple(CubicSpline.from_json(one) for one in content[name]) for name in _PARTS)
            return cls(numbers, *parts)
        except (KeyError, TypeError, ValueError) as problem:
            if isinstance(problem, ForceFieldError):
                raise
            raise ForceFieldError(f"{source}: is no spline MEAM: {problem}") from None


def _from_zero(table: Table) -> Table:
    """Return U(n) − U(0), so that a lone atom has no energy."""
    coefficients = table.coefficients.copy()
    coefficients[:, 0] -= table(np.zeros(()))
    return replace(table, coefficients=coefficients)
