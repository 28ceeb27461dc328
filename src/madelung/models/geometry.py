"""Distances, neighbours and volumes of the training crystals, and crystals outside of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from madelung.crystals.contacts import Contacts, crystal_contacts, relative_volume
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ELEMENT_SYMBOLS, covalent_radii

__all__ = ["TrainedGeometry", "central_range", "learn_geometry"]

# Shorter by less is what pressure, or another functional, does to a bond: of crystals like those
# that were learnt from, two to three in a hundred are warned of, and ten if nothing is forgiven.
_SHORTENED = 0.95
_SHOWN = 3
_ELEMENTS = len(ELEMENT_SYMBOLS)


class TrainedGeometry(BaseModel):
    """Within which distances, numbers of neighbours and volumes a model has learnt."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    shortest_distances: dict[str, float] = Field(
        description="Shortest distance (Å) of each pair of elements, 'Cl-Na', where one below 4 Å "
        "or 1.3 times the sum of their covalent radii occurs."
    )
    shortest_relative: float = Field(
        ge=0.0,
        description="Shortest distance of all over the sum of the two covalent radii; for pairs "
        "that were never near each other.",
    )
    coordination: dict[str, tuple[int, int]] = Field(
        description="Fewest and most neighbours of the atoms of each element: atoms nearer than "
        "1.3 times the sum of the covalent radii."
    )
    volumes: tuple[float, float] = Field(
        description="Volumes of atoms over those of spheres of their covalent radii, between which "
        "99 % of the training crystals lie."
    )

    def warnings(self, crystal: Crystal) -> Iterator[str]:
        """Say with numbers where a crystal lies outside."""
        low, high = self.volumes
        volume = relative_volume(crystal)
        if not low <= volume <= high:
            own = abs(float(np.linalg.det(np.asarray(crystal.cell)))) / len(crystal)
            yield (
                f"its volume for each atom is {own:.4g} Å³, {volume:.2f} of the spheres of the "
                f"covalent radii; 99 % of the training crystals lie between {low:.2f} and "
                f"{high:.2f}"
            )
        contacts = crystal_contacts(crystal)
        short = list(self._too_short(contacts))
        if short:
            yield f"distances shorter than in any training crystal: {_listed(short)}"
        odd = list(self._odd_coordination(crystal, contacts))
        if odd:
            yield f"numbers of neighbours that no training crystal has: {_listed(odd)}"

    def merged(self, other: TrainedGeometry) -> TrainedGeometry:
        """Return what holds the training crystals of both."""
        shortest = dict(self.shortest_distances)
        for pair, distance in other.shortest_distances.items():
            shortest[pair] = min(distance, shortest.get(pair, distance))
        coordination = dict(self.coordination)
        for symbol, (low, high) in other.coordination.items():
            own_low, own_high = coordination.get(symbol, (low, high))
            coordination[symbol] = (min(low, own_low), max(high, own_high))
        lows, highs = zip(self.volumes, other.volumes, strict=True)
        return TrainedGeometry(
            shortest_distances=dict(sorted(shortest.items())),
            shortest_relative=min(self.shortest_relative, other.shortest_relative),
            coordination=dict(sorted(coordination.items())),
            volumes=(min(lows), max(highs)),
        )

    def _too_short(self, contacts: Contacts) -> Iterator[str]:
        radii = covalent_radii()
        for pair, distance in zip(contacts.pairs, contacts.distances, strict=True):
            known = self.shortest_distances.get(_pair_name(*pair))
            limit = self.shortest_relative * radii[pair].sum() if known is None else known
            if distance < _SHORTENED * limit:
                text = f"{_pair_name(*pair)} {distance:.3g} Å"
                yield f"{text} (never so near)" if known is None else f"{text} ({known:.3g} Å)"

    def _odd_coordination(self, crystal: Crystal, contacts: Contacts) -> Iterator[str]:
        numbers = np.asarray(crystal.numbers)
        for number in crystal.species:
            known = self.coordination.get(ELEMENT_SYMBOLS[number])
            if known is None:
                continue
            own = contacts.coordination[numbers == number]
            outside = own[(own < known[0]) | (own > known[1])]
            if len(outside):
                counts = ", ".join(str(count) for count in np.unique(outside))
                yield f"{ELEMENT_SYMBOLS[number]} {counts} ({known[0]} to {known[1]})"


def learn_geometry(crystals: Iterable[Crystal]) -> TrainedGeometry:
    """Look at all training crystals once.

    Parameters
    ----------
    crystals
        At least one; read one at a time. All are periodic in three directions.
    """
    nearest = np.full((_ELEMENTS, _ELEMENTS), np.inf)
    fewest = np.full(_ELEMENTS, np.iinfo(np.int64).max)
    most = np.full(_ELEMENTS, -1)
    volumes = []
    for crystal in crystals:
        contacts, numbers = crystal_contacts(crystal), np.asarray(crystal.numbers)
        places = tuple(contacts.pairs.T)
        nearest[places] = np.minimum(nearest[places], contacts.distances)
        np.minimum.at(fewest, numbers, contacts.coordination)
        np.maximum.at(most, numbers, contacts.coordination)
        volumes.append(relative_volume(crystal))
    return TrainedGeometry(
        shortest_distances=_named_distances(nearest),
        shortest_relative=_smallest_ratio(nearest),
        coordination={
            ELEMENT_SYMBOLS[number]: (int(fewest[number]), int(most[number]))
            for number in np.flatnonzero(most >= 0)
        },
        volumes=central_range(volumes),
    )


def central_range(values: Sequence[float]) -> tuple[float, float]:
    """Return two of the values between which 99 % of them lie, or more."""
    low = np.quantile(values, 0.005, method="lower")
    high = np.quantile(values, 0.995, method="higher")
    return float(low), float(high)


def _named_distances(nearest: NDArray[np.float64]) -> dict[str, float]:
    pairs = np.argwhere(np.isfinite(nearest))
    # A thousandth of an Å is more than bonds are known to; a card has thousands of pairs.
    return {
        _pair_name(*pair): round(float(nearest[tuple(pair)]), 3)
        for pair in sorted(pairs, key=lambda pair: _pair_name(*pair))
    }


def _smallest_ratio(nearest: NDArray[np.float64]) -> float:
    radii = covalent_radii()
    ratios = nearest / (radii[:, None] + radii)
    smallest = float(ratios.min())
    return smallest if np.isfinite(smallest) else 0.0


def _pair_name(first: int, second: int) -> str:
    return "-".join(sorted((ELEMENT_SYMBOLS[first], ELEMENT_SYMBOLS[second])))


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
