"""Phonons from displacements and forces of configurations in motion.

Equations 1 to 4 of docs/theory/effective-phonons.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase.data
import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.common.units import BOLTZMANN_CONSTANT, TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.phonons.wave_vectors import commensurate_steps, space_group_operations

__all__ = ["EffectivePhonons", "effective_phonons"]

# How far cells may be from multiples of the primitive cell, in its lattice vectors.
_UNEVEN = 1e-4
# Directions of displacements that are weaker than the strongest by this much are missing ones.
_FAINT = 1e-10

Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class EffectivePhonons:
    """Frequencies at all wave vectors that fit into a supercell, Gamma left out.

    Parameters
    ----------
    wave_vectors
        (Q, 3) in units of the reciprocal lattice vectors of the primitive cell, from 0 to 1.
    frequencies
        (Q, 3p) in THz, ascending; those of unstable modes are negative.
    temperature
        What the configurations would have in equilibrium, by the virial theorem, in K.
    """

    wave_vectors: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    temperature: float

    def rms_difference(self, other: EffectivePhonons) -> float:
        """Return the root-mean-square difference of all frequencies in THz.

        Raises
        ------
        ForceFieldError
            If the wave vectors are not the same.
        """
        if not np.array_equal(self.wave_vectors, other.wave_vectors):
            raise ForceFieldError("phonons at different wave vectors cannot be compared")
        return float(np.sqrt(((self.frequencies - other.frequencies) ** 2).mean()))


def effective_phonons(
    primitive: Any, snapshots: Sequence[Crystal], forces: Sequence[NDArray[np.float64]]
) -> EffectivePhonons:
    """Find the harmonic crystal whose forces are nearest to those of some configurations.

    At each wave vector q of the supercell, F(q) = -D(q) u(q) is solved by least squares for the
    Hermitian D(q), over all configurations and all of the star of q. Without anharmonicity D is the
    dynamical matrix; with it, an effective one of the temperature of the configurations, as in
    O. Hellman, I. A. Abrikosov, S. I. Simak, Phys. Rev. B 84, 180301 (2011).

    Parameters
    ----------
    primitive
        The p atoms of a primitive cell at their ideal places.
    snapshots
        Configurations of one supercell of it, its atoms displaced by less than half of the
        distance between like atoms; their order may be any.
    forces
        (n, 3) of each in eV/Å.

    Returns
    -------
    EffectivePhonons

    Raises
    ------
    ForceFieldError
        If a configuration is no supercell of the primitive cell, or there are too few of them.
    """
    (unit,), _ = as_crystals(primitive)
    unit.require_periodic()
    if not snapshots or len(snapshots) != len(forces):
        raise ForceFieldError("phonons need configurations, and forces of each of them")
    multiples = _multiples(unit, snapshots)
    steps, cells = commensurate_steps(multiples)
    waves = [
        _waves(unit, steps / cells, snapshot, force, multiples)
        for snapshot, force in zip(snapshots, forces, strict=True)
    ]
    displaced, pulled = (np.stack(one) for one in zip(*waves, strict=True))
    size = 3 * len(unit)
    squares = np.zeros((len(steps), size, size), dtype=complex)
    products = np.zeros_like(squares)
    star = _star(unit, steps, cells)
    for images, turn in star:
        u, f = turn(displaced[:, images]), turn(pulled[:, images])
        squares += np.einsum("sqi,sqj->qij", u, u.conj())
        products += np.einsum("sqi,sqj->qij", f, u.conj())
    # The first wave vector is Gamma, where displacements and forces of the whole say nothing.
    matrices = _nearest_hermitian(squares[1:], products[1:])
    masses = np.repeat(ase.data.atomic_masses[unit.numbers], 3)
    values = np.linalg.eigvalsh(matrices / np.sqrt(np.outer(masses, masses)))
    frequencies = TERAHERTZ * np.sign(values) * np.sqrt(np.abs(values))
    # Twice the kinetic energy, Σ k T over degrees of freedom, is -Σ F u.
    twice = -np.einsum("qii->", products[1:]).real / (cells * len(star) * len(snapshots))
    temperature = float(twice / frequencies.size / BOLTZMANN_CONSTANT)
    return EffectivePhonons(steps[1:] / cells, frequencies, temperature)


def _multiples(unit: Crystal, snapshots: Sequence[Crystal]) -> NDArray[np.int64]:
    """Lattice vectors of the supercell in those of the primitive cell, (3, 3)."""
    every = np.stack([np.linalg.solve(unit.cell.T, one.cell.T).T for one in snapshots])
    whole = np.round(every[0])
    if np.abs(every - whole).max() > _UNEVEN or round(abs(np.linalg.det(whole))) < 2:
        raise ForceFieldError(
            "the cells of the configurations must be one supercell of the primitive cell"
        )
    return whole.astype(np.int64)


def _waves(
    unit: Crystal,
    wave_vectors: NDArray[np.float64],
    snapshot: Crystal,
    forces: NDArray[np.float64],
    multiples: NDArray[np.int64],
) -> tuple[Complex, Complex]:
    """Fourier components of displacements and forces, each (Q, 3p)."""
    scaled = np.linalg.solve(unit.cell.T, snapshot.positions.T).T
    away = scaled[:, None] - unit.scaled_positions
    away -= np.round(away)
    distances = np.linalg.norm(away @ unit.cell, axis=-1)
    distances[snapshot.numbers[:, None] != unit.numbers] = np.inf
    sites = distances.argmin(axis=1)
    displacements = away[np.arange(len(snapshot)), sites]
    ideal = scaled - displacements
    # Sites are known by their place within the supercell.
    places = np.linalg.solve(multiples.T.astype(float), (ideal - unit.scaled_positions[sites]).T).T
    places = np.round((places % 1.0) * abs(np.linalg.det(multiples)))
    taken = np.unique(np.column_stack([sites, places % len(wave_vectors)]), axis=0)
    if len(taken) != len(wave_vectors) * len(unit) or len(taken) != len(snapshot):
        raise ForceFieldError(
            f"{snapshot.source or snapshot.formula}: its atoms are not one at each site"
        )
    phases = np.exp(-2j * np.pi * wave_vectors @ ideal.T)
    members = (sites == np.arange(len(unit))[:, None]).astype(float)
    moved = np.einsum("qa,ka,ax->qkx", phases, members, displacements @ unit.cell)
    pulled = np.einsum("qa,ka,ax->qkx", phases, members, forces)
    return moved.reshape(len(wave_vectors), -1), pulled.reshape(len(wave_vectors), -1)


def _star(unit: Crystal, steps: NDArray[np.int64], cells: int) -> list[Any]:
    """For each symmetry operation: where it brings wave vectors, and how waves are turned back."""
    place_of = {tuple(step): place for place, step in enumerate(steps.tolist())}
    result = []
    for rotation, shift in space_group_operations(unit):
        turned = steps @ np.round(np.linalg.inv(rotation)).astype(np.int64)
        images = [place_of.get(tuple(step)) for step in (turned % cells).tolist()]
        if None in images:
            continue  # the supercell has not this symmetry
        moved = unit.scaled_positions @ rotation.T + shift
        apart = moved[:, None] - unit.scaled_positions
        atoms = np.abs(apart - np.round(apart)).sum(axis=2).argmin(axis=1)
        # Waves are known at wave vectors between 0 and 1: others have a phase at each site.
        outside = (turned - turned % cells) // cells
        phases = np.exp(-2j * np.pi * outside @ unit.scaled_positions[atoms].T)
        cartesian = unit.cell.T @ rotation @ np.linalg.inv(unit.cell.T)
        result.append((np.array(images), _turning(atoms, phases, cartesian)))
    return result


def _turning(atoms: NDArray[np.int64], phases: Complex, rotation: NDArray[np.float64]) -> Any:
    def turn(waves: Complex) -> Complex:
        by_atom = waves.reshape(*waves.shape[:2], -1, 3)[:, :, atoms] * phases[..., None]
        turned: Complex = (by_atom @ rotation).reshape(waves.shape)
        return turned

    return turn


def _nearest_hermitian(squares: Complex, products: Complex) -> Complex:
    """Hermitian D that minimise Σ |f + D u|², from Σ u u† and Σ f u†, (Q, m, m) each.

    They solve D A + A D = -(B + B†), in the directions of A's eigenvectors one number at a time.
    """
    values, vectors = np.linalg.eigh(squares)
    if (values[:, 0] <= _FAINT * values[:, -1]).any():
        raise ForceFieldError(
            "the configurations do not move in all directions at all wave vectors; more are needed"
        )
    back = vectors.conj().swapaxes(1, 2)
    right = back @ (products + products.conj().swapaxes(1, 2)) @ vectors
    matrices: Complex = vectors @ (-right / (values[:, :, None] + values[:, None])) @ back
    return matrices
