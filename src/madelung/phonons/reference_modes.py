"""Modes of reference crystals at commensurate wave vectors: what the network is taught by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_constants import (
    harmonic_of_phonopy,
    phonopy_of_force_sets,
    symmetric_force_constants,
)
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import signed_roots
from madelung.phonons.wave_vectors import (
    commensurate_steps,
    irreducible_points,
    space_group_operations,
)

__all__ = ["LARGEST_ASYMMETRY", "LOWEST_FREQUENCY", "ReferenceModes", "is_sound", "reference_modes"]

# How far lattice vectors of a supercell may be from multiples of those of the primitive cell.
_UNEVEN = 1e-3
# Force sets that contradict themselves are no reference: largest asymmetry of a force constant
# (eV/Å²) and lowest frequency (THz), as for the column "sound" of the database.
LARGEST_ASYMMETRY, LOWEST_FREQUENCY = 0.1, -10.0


@dataclass(frozen=True, eq=False)
class ReferenceModes:
    """Modes of a crystal of n atoms at K wave vectors.

    Parameters
    ----------
    crystal
        The primitive cell.
    masses
        (n,) in u.
    multiples
        (3, 3) lattice vectors of the supercell, as rows, in those of the primitive cell.
    wave_vectors
        (K, 3) in reciprocal lattice vectors, one of each star, Gamma the first.
    weights
        (K,) part of all commensurate wave vectors that each one stands for.
    squares
        (K, 3n) eigenvalues in eV/(Å² u), ascending.
    modes
        (K, 3n, 3n) eigenvectors as columns, for phases exp(2πi q·T) of whole cells T.
    asymmetry
        Largest change of a force constant by symmetrisation, in eV/Å².
    born, dielectric
        (n, 3, 3) in e, and (3, 3), or None.
    """

    crystal: Crystal
    masses: NDArray[np.float64]
    multiples: NDArray[np.int64]
    wave_vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    squares: NDArray[np.float64]
    modes: NDArray[np.complex64]
    asymmetry: float
    born: NDArray[np.float64] | None = None
    dielectric: NDArray[np.float64] | None = None

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """(K, 3n) in THz; those of unstable modes are negative."""
        return signed_roots(self.squares)


def is_sound(modes: ReferenceModes) -> bool:
    """Tell whether a calculation agrees with itself well enough to learn from it."""
    lowest = float(modes.frequencies.min())
    return modes.asymmetry <= LARGEST_ASYMMETRY and lowest >= LOWEST_FREQUENCY


def reference_modes(force_sets: ForceSets, most_elements: int | None = None) -> ReferenceModes:
    """Find the modes that finite displacements say, through phonopy's force constants.

    Parameters
    ----------
    force_sets
        Forces of displaced supercells.
    most_elements
        Most elements of ``modes`` to keep; some wave vectors are left out, in a fixed choice, where
        there would be more, but never all but one. All are kept if None.

    Raises
    ------
    PhononError
        If phonopy cannot make force constants, or the supercell is no multiple of the primitive
        cell.
    """
    name = force_sets.crystal.source or force_sets.crystal.formula
    phonon = phonopy_of_force_sets(force_sets)
    asymmetry = symmetric_force_constants(phonon, name)
    harmonic = harmonic_of_phonopy(phonon, name)
    crystal = harmonic.crystal
    multiples = _whole(phonon.supercell.cell @ np.linalg.inv(crystal.cell), name)
    steps, cells = commensurate_steps(multiples)
    rotations = [rotation for rotation, _ in space_group_operations(crystal)]
    kept, counts = irreducible_points(steps, cells, rotations)
    points, weights = steps[kept] / cells, counts / cells
    if most_elements is not None:
        points, weights = _fewer(points, weights, most_elements // (3 * len(crystal)) ** 2)
    squares, modes = np.linalg.eigh(harmonic.matrices_of_cells(points))
    return ReferenceModes(
        crystal=crystal,
        masses=harmonic.masses,
        multiples=multiples,
        wave_vectors=points,
        weights=weights,
        squares=squares,
        modes=modes.astype(np.complex64),
        asymmetry=asymmetry,
        born=force_sets.born,
        dielectric=force_sets.dielectric,
    )


def _whole(multiples: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    found = np.rint(multiples).astype(np.int64)
    if np.abs(multiples - found).max() > _UNEVEN:
        raise PhononError(f"{name}: its supercell is no multiple of its primitive cell")
    return found


def _fewer(
    points: NDArray[np.float64], weights: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gamma and a fixed random choice of the others, which share the weight of all the others."""
    most = max(most, 2)
    if len(points) <= most:
        return points, weights
    others = weights[1:] / weights[1:].sum()
    generator = np.random.default_rng(len(points))
    chosen = 1 + np.sort(generator.choice(len(others), size=most - 1, replace=False, p=others))
    kept = np.concatenate([[0], chosen])
    share = np.concatenate([weights[:1], np.full(most - 1, (1.0 - weights[0]) / (most - 1))])
    return points[kept], share
