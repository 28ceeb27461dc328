"""What the atoms of a crystal are to each other, summed over all images before anything non-linear.

For an atom i and an orbit J of equivalent atoms, radial functions times spherical harmonics are
summed over every image of every atom of J, and complete sums are added to them. A network that is
linear in these numbers cannot tell which cell a crystal was given in; see docs/theory/sumnet.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import ToleranceWarning
from madelung.common.harmonics import spherical_harmonics
from madelung.common.native import native_core
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import covalent_radii
from madelung.crystals.layers import area_per_atom
from madelung.crystals.neighbours import search_pairs
from madelung.crystals.orbits import atom_orbits
from madelung.crystals.primitive import primitive_crystal
from madelung.inputs.bonds import CrystalBonds, crystal_bonds
from madelung.inputs.settings import PairSettings
from madelung.sums.complete import complete_sums
from madelung.sums.names import potential_from_name

__all__ = [
    "PairFunctions",
    "function_sections",
    "near_sections",
    "pair_functions",
    "several_pair_functions",
]

# The ranges of centres: distances in Å up to the cutoff, and distances over sums of radii.
_FIRST_CENTRE = 0.8
_REDUCED_RANGE = (0.6, 2.6)
# Complete sums are of the size of one after multiplication by these.
_SUM_SCALES = {"coulomb": 1.0, "london": 5.0, "pauli": 5.0}


@dataclass(frozen=True, eq=False)
class PairFunctions:
    """A crystal as a network sees it: n orbits of equivalent atoms, and P near pairs of them.

    Parameters
    ----------
    numbers
        (n,) atomic numbers.
    weights
        (n,) atoms of the cell in each orbit.
    receivers, senders
        (P,) orbits of which images are near each other, sorted by receiver.
    functions
        (P, D) summed near functions, float32: scalars, then for each degree l of spherical
        harmonics (2l + 1) times the radial functions.
    sums
        (n, n, potentials) complete sums between a receiver and the atoms of a sender, float32.
    orbits
        The orbit of each atom of the primitive cell.
    bonds
        Bonds between single atoms, if the settings ask for them.
    area
        Area of a layer for each of its atoms in Å², if the settings ask for it.
    """

    numbers: NDArray[np.int64]
    weights: NDArray[np.int64]
    receivers: NDArray[np.int64]
    senders: NDArray[np.int64]
    functions: NDArray[np.float32]
    sums: NDArray[np.float32]
    orbits: NDArray[np.int64]
    bonds: CrystalBonds | None = None
    area: float | None = None

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        arrays = (self.numbers, self.weights, self.receivers, self.senders, self.orbits)
        total = sum(array.nbytes for array in (*arrays, self.functions, self.sums))
        return total + (self.bonds.nbytes if self.bonds is not None else 0)


def function_sections(settings: PairSettings) -> tuple[int, ...]:
    """Return how many functions of each degree a pair has, the scalars with complete sums first."""
    scalars, *angular = near_sections(settings)
    return len(settings.potentials) + scalars, *angular


def near_sections(settings: PairSettings) -> tuple[int, ...]:
    """Return how many near functions of each degree a pair has, the scalars first."""
    angular = ((2 * degree + 1) * settings.angular for degree in range(1, settings.degree + 1))
    return settings.radial + settings.reduced, *angular


def pair_functions(crystal: Crystal, settings: PairSettings, *, threads: int = 1) -> PairFunctions:
    """Sum the functions of all pairs of a crystal.

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions or has no volume.
    """
    (made,) = several_pair_functions(crystal, [settings], threads=threads)
    return made


def several_pair_functions(
    crystal: Crystal, variants: Sequence[PairSettings], *, threads: int = 1
) -> list[PairFunctions]:
    """Sum the functions of all pairs as several settings want them.

    Orbits, and complete sums, that they have in common are computed once.

    Raises
    ------
    CrystalError
        If the crystal is not periodic in three directions or has no volume.
    """
    crystal = crystal.require_periodic()
    orbits: dict[float, _Orbits] = {}
    sums: dict[tuple[object, ...], NDArray[np.float32]] = {}
    made = []
    for settings in variants:
        tolerance = settings.symmetry_tolerance
        if tolerance not in orbits:
            orbits[tolerance] = _Orbits.of(crystal, tolerance)
        own = orbits[tolerance]
        kind = (tolerance, settings.potentials, settings.tolerance)
        if kind not in sums:
            sums[kind] = _complete(own, settings, threads)
        made.append(_joined(own, settings, sums[kind]))
    return made


@dataclass(frozen=True, eq=False)
class _Orbits:
    """A crystal, or its primitive cell, and the n orbits of its atoms.

    Parameters
    ----------
    crystal
        The cell that is summed over.
    first
        (n,) an atom of each orbit.
    orbit
        The orbit of each atom.
    weights
        (n,) atoms of each orbit.
    """

    crystal: Crystal
    first: NDArray[np.int64]
    orbit: NDArray[np.int64]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, crystal: Crystal, tolerance: float) -> _Orbits:
        # Without a tolerance nothing is merged; otherwise a smaller cell has fewer pairs to sum.
        if tolerance > 0.0:
            crystal = primitive_crystal(crystal, tolerance)
        _, first, orbit, weights = np.unique(
            atom_orbits(crystal, tolerance),
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        return cls(crystal, first, orbit, weights)


def _joined(orbits: _Orbits, settings: PairSettings, sums: NDArray[np.float32]) -> PairFunctions:
    receivers, senders, functions = _near(orbits.crystal, settings, orbits.first, orbits.orbit)
    bonds, area = None, None
    if settings.bonds:
        bonds = crystal_bonds(orbits.crystal, orbits.orbit, settings.bonds)
    if settings.areas:
        area = area_per_atom(orbits.crystal)
    return PairFunctions(
        numbers=np.asarray(orbits.crystal.numbers, dtype=np.int64)[orbits.first],
        weights=orbits.weights.astype(np.int64),
        receivers=receivers,
        senders=senders,
        functions=functions.astype(np.float32, order="C"),
        sums=sums,
        orbits=orbits.orbit.astype(np.int64),
        bonds=bonds,
        area=area,
    )


def _complete(orbits: _Orbits, settings: PairSettings, threads: int) -> NDArray[np.float32]:
    """(n, n, potentials) complete sums between representatives and orbits."""
    crystal, first, orbit = orbits.crystal, orbits.first, orbits.orbit
    if not settings.potentials:
        return np.zeros((len(first), len(first), 0), dtype=np.float32)
    potentials = [potential_from_name(name).potential for name in settings.potentials]
    with warnings.catch_warnings():
        # Where float64 cannot hold the tolerance (atoms nearly on one site) float32 cannot either.
        warnings.simplefilter("ignore", ToleranceWarning)
        sums = complete_sums(crystal, potentials, tolerance=settings.tolerance, threads=threads)
    values = to_numpy(sums.values)[:, first, :]
    members = (orbit[:, None] == np.arange(len(first))).astype(np.float64)
    scales = [_SUM_SCALES.get(name.split(":")[0], 1.0) for name in settings.potentials]
    found = np.moveaxis(values @ members, 0, 2) * np.array(scales)
    return found.astype(np.float32, order="C")


def _near(
    crystal: Crystal, settings: PairSettings, first: NDArray[np.int64], orbit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Pairs with images in reach: receivers, senders and (P, D) sums of functions over these."""
    radii = covalent_radii()[np.asarray(crystal.numbers)[first]]
    core = native_core()
    if core is None:
        return _near_by_numpy(crystal, settings, first, orbit, radii)
    receivers, senders, functions = core.near_functions(
        np.ascontiguousarray(to_numpy(crystal.cell)),
        np.ascontiguousarray(to_numpy(crystal.positions)),
        *(np.ascontiguousarray(first), np.ascontiguousarray(orbit), radii),
        *(settings.cutoff, settings.radial, settings.reduced, settings.angular, settings.degree),
    )
    return receivers, senders, functions


def _near_by_numpy(
    crystal: Crystal,
    settings: PairSettings,
    first: NDArray[np.int64],
    orbit: NDArray[np.int64],
    radii: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The same without the core."""
    i, j, distance, vector = search_pairs(crystal.positions, crystal.cell, settings.cutoff, "ijdD")
    place = np.full(len(crystal), -1)
    place[first] = np.arange(len(first))
    chosen = (place[i] >= 0) & (distance > 0.0)
    receivers, senders = place[i[chosen]], orbit[j[chosen]]
    contributions = _contributions(
        distance[chosen], vector[chosen], radii[receivers] + radii[senders], settings
    )
    pairs = receivers * len(first) + senders
    order = np.argsort(pairs, kind="stable")
    pairs, contributions = pairs[order], contributions[order]
    new = np.ones(len(pairs), dtype=bool)
    new[1:] = np.diff(pairs) > 0
    if len(pairs):
        contributions = np.add.reduceat(contributions, np.flatnonzero(new), axis=0)
    found_receivers, found_senders = np.divmod(pairs[new], len(first))
    return found_receivers, found_senders, contributions


def _contributions(
    distance: NDArray[np.float64],
    vector: NDArray[np.float64],
    radii: NDArray[np.float64],
    settings: PairSettings,
) -> NDArray[np.float64]:
    """(E, D) functions of each image."""
    envelope = _envelope(distance / settings.cutoff)[:, None]
    whole = (_FIRST_CENTRE, settings.cutoff)
    parts = [envelope * _gaussians(distance, *whole, settings.radial)]
    if settings.reduced:
        parts.append(envelope * _gaussians(distance / radii, *_REDUCED_RANGE, settings.reduced))
    if settings.degree:
        radial = envelope * _gaussians(distance, *whole, settings.angular)
        harmonics = spherical_harmonics(vector / distance[:, None], settings.degree)
        products = harmonics[:, :, None] * radial[:, None, :]
        # An atom may have no neighbours.
        parts.append(products.reshape(len(distance), harmonics.shape[1] * settings.angular))
    return np.concatenate(parts, axis=1)


def _gaussians(
    values: NDArray[np.float64], low: float, high: float, count: int
) -> NDArray[np.float64]:
    """(E, count) Gaussians whose standard deviation is the distance of their centres."""
    width = (high - low) / count
    centres = low + width * np.arange(count)
    return np.exp(-0.5 * ((values[:, None] - centres) / width) ** 2)


def _envelope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Falls from one to zero at x = 1, where two derivatives vanish.

    J. Gasteiger, J. Gross, S. Günnemann, ICLR 2020, equation 8, with p = 6.
    """
    return np.where(x < 1.0, 1.0 - 28.0 * x**6 + 48.0 * x**7 - 21.0 * x**8, 0.0)
