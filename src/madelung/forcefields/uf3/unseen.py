"""Pairs and triplets of species that no data tell anything of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.uf3.basis import PairFunction
from madelung.forcefields.uf3.normal_equations import NormalEquations

__all__ = ["described", "repulsive_pair", "unseen_terms"]

# J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (1985).
_WEIGHTS, _RATES = (0.18175, 0.50986, 0.28022, 0.02817), (3.19980, 0.94229, 0.40290, 0.20162)
_LENGTH, _POWER = 0.46850, 0.23


def unseen_terms(equations: NormalEquations) -> list[tuple[int, ...]]:
    """Return the species of two- and three-body terms of which no data tell anything."""
    seen = sum(equations.diagonal(name) for name in ("energy", "forces", "stress"))
    seen = np.broadcast_to(seen, equations.basis.size)
    terms: list[tuple[tuple[int, ...], NDArray[np.int64]]] = []
    terms += equations.basis.pair_columns.items()
    terms += equations.basis.triplet_columns.items()
    return [key for key, columns in terms if not seen[columns[columns >= 0]].any()]


def described(terms: list[tuple[int, ...]]) -> str:
    """Return a warning about terms without data; empty if there are none."""
    if not terms:
        return ""
    names = ["-".join(ELEMENT_SYMBOLS[number] for number in key) for key in terms]
    return (
        f"no data tell of {', '.join(names)} within the cutoff: of these, pairs repel as bare "
        "nuclei do, and triplets have no term of their own; add structures in which they occur"
    )


def repulsive_pair(species: tuple[int, int], knots: NDArray[np.float64]) -> PairFunction:
    """Return a V2 that repels at all distances, for a pair of which nothing is known.

    The universal screened repulsion of nuclei, which goes to zero at the cutoff. (Its coefficients
    are its values at the averages of inner knots: so the spline falls and bends as it does.)

    Parameters
    ----------
    species
        Two atomic numbers, ascending.
    knots
        (K,) in Å.
    """
    places = np.array([knots[n + 1 : n + 4].mean() for n in range(len(knots) - 4)])
    places = np.maximum(places, 0.05)
    contraction = sum(number**_POWER for number in species) / _LENGTH
    screening = sum(
        weight * np.exp(-rate * contraction * places)
        for weight, rate in zip(_WEIGHTS, _RATES, strict=True)
    )
    values = 0.5 * COULOMB_CONSTANT * species[0] * species[1] / places * screening
    ended: NDArray[np.float64] = values * np.clip(1.0 - places / knots[-1], 0.0, None) ** 2
    ended[-3:] = 0.0
    return PairFunction(species, knots, ended)
