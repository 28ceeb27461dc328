"""The terms of a UF3 potential, as files hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from madelung.forcefields.uf3.basis import PairFunction, TripletFunction

__all__ = ["UF3Terms"]


@dataclass(frozen=True, eq=False)
class UF3Terms:
    """What a UF3 potential is made of; its fields are those of ``UF3Potential``.

    Parameters
    ----------
    one_body
        Energy in eV of an atom of each species, by atomic number.
    pairs
        Two-body terms.
    triplets
        Three-body terms.
    metadata
        What is kept with the potential.
    """

    one_body: Mapping[int, float]
    pairs: Sequence[PairFunction]
    triplets: Sequence[TripletFunction] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
