"""What a UF3 fit is made of: elements, ranges, knots, weights and regularisation."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from madelung.common.errors import ForceFieldError
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.reference.fit_settings import read_fit_settings
from madelung.forcefields.reference.reference_data import ElementSource
from madelung.forcefields.uf3.basis import UF3Basis, break_points, clamped_knots

__all__ = ["Regularisation", "ThreeBodyRange", "TwoBodyRange", "UF3Settings", "read_uf3_settings"]

_FORBID = ConfigDict(extra="forbid", frozen=True)


class TwoBodyRange(BaseModel):
    """Distances of a two-body term, in Å."""

    model_config = _FORBID

    minimum: float = Field(1.5, ge=0, description="Shortest distance.")
    maximum: float = Field(5.5, gt=0, description="Cutoff.")
    intervals: int = Field(25, ge=4, description="Equal intervals between them.")
    knots: tuple[float, ...] | None = Field(
        None, description="Knots instead of equal intervals, those at the ends given four times."
    )

    def axis(self) -> NDArray[np.float64]:
        """Return the knots."""
        if self.knots is None:
            return clamped_knots(self.minimum, self.maximum, self.intervals)
        return np.array(self.knots)


class ThreeBodyRange(BaseModel):
    """Distances of a three-body term, in Å: r_ij and r_ik from the centre, and r_jk."""

    model_config = _FORBID

    minimum: float = Field(1.5, ge=0, description="Shortest of all three distances.")
    maximum: float = Field(4.25, gt=0, description="Cutoff of r_ij and r_ik; r_jk's is twice that.")
    intervals: tuple[int, int, int] = Field(
        (10, 10, 20), description="Equal intervals of r_ij, r_ik and r_jk."
    )
    knots: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] | None = Field(
        None, description="Knots of r_ij, r_ik, r_jk instead of equal intervals."
    )

    def axes(
        self, leading: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the knots of r_ij, r_ik and r_jk, with so many intervals below the shortest."""
        if self.knots is not None:
            one, other, opposite = (np.array(knots) for knots in self.knots)
            return one, other, opposite
        near, other, far = (
            _led(self.minimum, reach, count, leading)
            for reach, count in zip(
                (self.maximum, self.maximum, 2 * self.maximum), self.intervals, strict=True
            )
        )
        return near, other, far

    def turned(self) -> ThreeBodyRange:
        """Return the range of the same triplet with its neighbours named in the other order."""
        one, other, opposite = self.intervals
        knots = None if self.knots is None else (self.knots[1], self.knots[0], self.knots[2])
        return self.model_copy(update={"intervals": (other, one, opposite), "knots": knots})


def _led(lower: float, upper: float, intervals: int, leading: int) -> NDArray[np.float64]:
    """Clamped knots of a range, with intervals before it in which a function rises from zero."""
    if not leading or lower == 0.0:
        return clamped_knots(lower, upper, intervals)
    start = max(lower - leading * (upper - lower) / intervals, 0.0)
    inner = np.linspace(lower, upper, intervals + 1)
    before = np.linspace(start, lower, leading + 1)[:-1]
    return np.concatenate([[start] * 3, before, inner, [upper] * 3])


class Regularisation(BaseModel):
    """Penalties on coefficients: on their squares, and on those of their second differences."""

    model_config = _FORBID

    ridge_one_body: float = Field(1e-12, ge=0, description="On the energies of species.")
    ridge_two_body: float = Field(1e-12, gt=0, description="On coefficients of V2.")
    ridge_three_body: float = Field(1e-12, gt=0, description="On coefficients of V3.")
    curvature_two_body: float = Field(1e-10, ge=0, description="On second differences of V2.")
    curvature_three_body: float = Field(1e-10, ge=0, description="On second differences of V3.")


class UF3Settings(BaseModel):
    """Settings of a UF3 fit."""

    model_config = _FORBID

    elements: tuple[str, ...] = Field(min_length=1, description="Symbols of the elements.")
    two_body: TwoBodyRange = Field(TwoBodyRange(), description="Range of all pairs.")
    three_body: ThreeBodyRange | None = Field(
        ThreeBodyRange(), description="Range of all triplets; null for a pair potential."
    )
    pairs: dict[str, TwoBodyRange] = Field(
        {}, description="Ranges of single pairs, as in W-W, that differ."
    )
    triplets: dict[str, ThreeBodyRange] = Field(
        {},
        description="Ranges of single triplets, centre first, as in O-H-H, that differ; r_ij is "
        "that of the neighbour named first.",
    )
    trailing: int = Field(
        3, ge=0, le=3, description="Coefficients that are zero at the cutoff, for smoothness."
    )
    leading: int = Field(
        2,
        ge=0,
        le=3,
        description="Intervals below the shortest distance of triplets in which V3 comes from "
        "zero, and coefficients that are zero there: with 2, neither energies nor forces jump.",
    )
    kappa: float = Field(0.1, ge=0, le=1, description="Weight of energies; forces have the rest.")
    stress_weight: float = Field(
        0.0, ge=0, description="Weight of stresses beside that of energies and forces."
    )
    regularisation: Regularisation = Field(Regularisation(), description="Penalties.")
    positive_below: float | None = Field(
        None, gt=0, description="V2 is not negative below this distance in Å."
    )
    decreasing_below: float | None = Field(
        None, gt=0, description="V2 does not rise below this distance in Å: a repulsive core."
    )

    @model_validator(mode="after")
    def _check(self) -> UF3Settings:
        for symbol in self.elements:
            if symbol not in ELEMENT_SYMBOLS[1:]:
                raise ValueError(f"{symbol!r} is no element")
        if len(set(self.elements)) < len(self.elements):
            raise ValueError("an element is named twice")
        try:
            basis = self.basis()
            for knots in basis.pair_knots.values():
                break_points(knots)
            for axes in basis.triplet_knots.values():
                for axis in axes:
                    break_points(axis)
        except ForceFieldError as error:
            raise ValueError(str(error)) from None
        known = {_key(name) for name in (*self.pairs, *self.triplets)}
        unknown = known - {*basis.pair_knots, *basis.triplet_knots}
        if unknown or len(known) < len(self.pairs) + len(self.triplets):
            raise ValueError(
                "pairs and triplets are named once each, by symbols of the elements: W-W, O-H-H"
            )
        return self

    def basis(self) -> UF3Basis:
        """Return the basis that these settings describe."""
        species = tuple(sorted(ELEMENT_SYMBOLS.index(symbol) for symbol in self.elements))
        pairs = {_key(name): value for name, value in self.pairs.items()}
        triplets = {
            _key(name): value.turned() if _is_turned(name) else value
            for name, value in self.triplets.items()
        }
        pair_knots = {
            (a, b): pairs.get((a, b), self.two_body).axis()
            for a in species
            for b in species
            if a <= b
        }
        triplet_knots = {}
        for key in [(c, a, b) for c in species for a in species for b in species if a <= b]:
            chosen = triplets.get(key, self.three_body)
            if chosen is not None:
                triplet_knots[key] = chosen.axes(self.leading)
        return UF3Basis(species, pair_knots, triplet_knots, self.trailing, self.leading)


def _key(name: str) -> tuple[int, ...]:
    """Atomic numbers of a name as W-W or O-H-H; where order does not matter, ascending."""
    parts = name.split("-")
    if len(parts) not in (2, 3) or any(part not in ELEMENT_SYMBOLS[1:] for part in parts):
        raise ValueError(f"{name!r} names no pair (W-W) and no triplet (O-H-H)")
    numbers = [ELEMENT_SYMBOLS.index(part) for part in parts]
    if len(numbers) == 2:
        return tuple(sorted(numbers))
    return (numbers[0], *sorted(numbers[1:]))


def _is_turned(name: str) -> bool:
    """Whether the neighbours of a triplet are named in the other order than :func:`_key` has."""
    numbers = [ELEMENT_SYMBOLS.index(part) for part in name.split("-") if part in ELEMENT_SYMBOLS]
    return len(numbers) == 3 and numbers[1] > numbers[2]


def read_uf3_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: ElementSource
) -> UF3Settings:
    """Return settings: defaults, what a file says, and changes to that.

    Parameters
    ----------
    path
        YAML or JSON file with names and values of :class:`UF3Settings`; None for the defaults.
    changes
        Settings by name. Ranges may be texts: ``1.5:5.5:25`` for pairs, and for triplets
        ``1.5:4.25:10,10,20`` or ``none``.
    data
        What elements are taken from if none are named.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, or a setting is wrong.
    """
    texts = {name: value for name, value in changes.items() if isinstance(value, str)}
    parsed = {name: _parsed_range(name, text) for name, text in texts.items()}
    return read_fit_settings(UF3Settings, path, {**changes, **parsed}, data)


def _parsed_range(name: str, text: str) -> dict[str, Any] | None:
    """Turn MIN:MAX:N, or MIN:MAX:L,M,N, into a range."""
    if name == "three_body" and text == "none":
        return None
    try:
        minimum, maximum, intervals = text.split(":")
        counts = [int(part) for part in intervals.split(",")]
        return {
            "minimum": float(minimum),
            "maximum": float(maximum),
            "intervals": counts if name == "three_body" else counts[0],
        }
    except ValueError:
        form = "MIN:MAX:L,M,N or none" if name == "three_body" else "MIN:MAX:N"
        raise ForceFieldError(f"{name}: {text!r} is not of the form {form}") from None
