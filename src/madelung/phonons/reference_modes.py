"""Modes of reference crystals at commensurate wave vectors: what the network is taught by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.common.units import TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.wave_vectors import (
    commensurate_steps,
    irreducible_points,
    space_group_operations,
)

__all__ = ["ReferenceModes", "is_sound", "reference_modes"]

# How far lattice vectors of a supercell may be from multiples of those of the primitive cell.
_UNEVEN = 1e-3
# Force sets that contradict themselves are no reference: largest asymmetry of a force constant
# (eV/Å²) and lowest frequency (THz), as for the column "sound" of the database.
_LARGEST_ASYMMETRY, _LOWEST_FREQUENCY = 0.1, -10.0


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
        frequencies: NDArray[np.float64] = (
            TERAHERTZ * np.sign(self.squares) * np.sqrt(np.abs(self.squares))
        )
        return frequencies


def is_sound(modes: ReferenceModes) -> bool:
    """Tell whether a calculation agrees with itself well enough to learn from it."""
    lowest = float(modes.frequencies.min())
    return modes.asymmetry <= _LARGEST_ASYMMETRY and lowest >= _LOWEST_FREQUENCY


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
    phonon, asymmetry = _force_constants(force_sets)
    primitive = phonon.primitive
    crystal = Crystal(
        cell=primitive.cell,
        positions=primitive.positions,
        numbers=primitive.numbers,
        source=force_sets.crystal.source,
    )
    inverse = np.linalg.inv(primitive.cell)
    multiples = _whole(phonon.supercell.cell @ inverse, force_sets)
    steps, cells = commensurate_steps(multiples)
    rotations = [rotation for rotation, _ in space_group_operations(crystal)]
    kept, counts = irreducible_points(steps, cells, rotations)
    points, weights = steps[kept] / cells, counts / cells
    if most_elements is not None:
        points, weights = _fewer(points, weights, most_elements // (3 * len(crystal)) ** 2)
    squares, modes = np.linalg.eigh(_dynamical(phonon, points))
    return ReferenceModes(
        crystal=crystal,
        masses=np.asarray(primitive.masses, dtype=np.float64),
        multiples=multiples,
        wave_vectors=points,
        weights=weights,
        squares=squares,
        modes=modes.astype(np.complex64),
        asymmetry=asymmetry,
        born=force_sets.born,
        dielectric=force_sets.dielectric,
    )


def _force_constants(force_sets: ForceSets) -> tuple[Any, float]:
    """A Phonopy object with symmetric force constants, and how much symmetrising changed them."""
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    crystal = force_sets.crystal
    unit: Any = PhonopyAtoms(
        numbers=crystal.numbers, cell=crystal.cell, scaled_positions=crystal.scaled_positions
    )
    try:
        phonon = Phonopy(
            unit,
            force_sets.supercell_matrix,
            primitive_matrix=force_sets.primitive_matrix,
            log_level=0,
        )
        phonon.dataset = {
            "natom": force_sets.forces.shape[1],
            "first_atoms": [
                {"number": int(atom), "displacement": shift, "forces": forces}
                for atom, shift, forces in zip(
                    force_sets.atoms, force_sets.displacements, force_sets.forces, strict=True
                )
            ],
        }
        phonon.produce_force_constants(calculate_full_force_constants=False)
        before = np.array(phonon.force_constants)
        phonon.symmetrize_force_constants()
    except (RuntimeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise PhononError(
            f"{crystal.source}: phonopy finds no force constants ({error})"
        ) from error
    return phonon, float(np.abs(phonon.force_constants - before).max())


def _whole(multiples: NDArray[np.float64], force_sets: ForceSets) -> NDArray[np.int64]:
    found = np.rint(multiples).astype(np.int64)
    if np.abs(multiples - found).max() > _UNEVEN:
        raise PhononError(
            f"{force_sets.crystal.source}: its supercell is no multiple of its primitive cell"
        )
    return found


def _dynamical(phonon: Any, points: NDArray[np.float64]) -> NDArray[np.complex128]:
    """(K, 3n, 3n) dynamical matrices with phases of whole cells, from compact force constants."""
    primitive, supercell = phonon.primitive, phonon.supercell
    atoms, own = len(primitive), np.asarray(primitive.p2s_map)
    inverse = np.linalg.inv(primitive.cell)
    home = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    away = supercell.positions @ inverse - primitive.scaled_positions[home]
    cells = np.rint(away)
    constants = np.asarray(phonon.force_constants)
    if len(constants) != atoms:
        constants = constants[own]
    phases = np.exp(2j * np.pi * (points @ cells.T))
    found = np.zeros((len(points), atoms, 3, atoms, 3), dtype=complex)
    for second in range(atoms):
        images = np.flatnonzero(home == second)
        relative = phases[:, None, images] * phases[:, own, None].conj()
        found[:, :, :, second] = np.einsum("qis,isab->qiab", relative, constants[:, images])
    scale = 1.0 / np.sqrt(np.repeat(primitive.masses, 3))
    full = found.reshape(len(points), 3 * atoms, 3 * atoms) * scale[:, None] * scale
    return (full + full.conj().swapaxes(1, 2)) / 2.0


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
