"""Force constants from displacements and back, with phonopy underneath.

Section "Supercells" of docs/theory/harmonic-network.md.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.wave_vectors import commensurate_steps

__all__ = [
    "empty_phonopy",
    "force_constants_of",
    "forces_of_displacements",
    "harmonic_of_phonopy",
    "phonopy_of",
    "phonopy_of_force_sets",
    "require_distance",
    "symmetric_force_constants",
]

_UNEVEN = 1e-3


def force_constants_of(force_sets: ForceSets) -> HarmonicCrystal:
    """Find the force constants that displacements and forces determine, made symmetric.

    Raises
    ------
    PhononError
        If phonopy is not installed or finds none.
    """
    phonon = phonopy_of_force_sets(force_sets)
    symmetric_force_constants(phonon, force_sets.crystal.source or force_sets.crystal.formula)
    harmonic = harmonic_of_phonopy(phonon, force_sets.crystal.source)
    return replace(harmonic, born=force_sets.born, dielectric=force_sets.dielectric)


def phonopy_of_force_sets(force_sets: ForceSets) -> Any:
    """Return a Phonopy object with displacements and forces, its force constants not made yet."""
    phonon = empty_phonopy(
        force_sets.crystal, force_sets.supercell_matrix, force_sets.primitive_matrix
    )
    rows = zip(force_sets.atoms, force_sets.displacements, force_sets.forces, strict=True)
    phonon.dataset = {
        "natom": force_sets.forces.shape[1],
        "first_atoms": [
            {"number": int(atom), "displacement": shift, "forces": forces}
            for atom, shift, forces in rows
        ],
    }
    return phonon


def symmetric_force_constants(phonon: Any, source: str) -> float:
    """Let phonopy make force constants of displacements, and make them symmetric.

    Where all atoms are displaced at once, symfc finds them by least squares.

    Returns
    -------
    float
        The largest change of a force constant by that, in eV/Å²: how far the displacements
        contradict each other.

    Raises
    ------
    PhononError
        If the displacements do not determine them.
    """
    is_random = "first_atoms" not in (phonon.dataset or {})
    # symfc raises it far above what the stack holds, so that any deep recursion would end Python.
    limit = sys.getrecursionlimit()
    try:
        if is_random:
            _require_enough(phonon, source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            phonon.produce_force_constants(
                calculate_full_force_constants=False,
                fc_calculator="symfc" if is_random else None,
            )
            before = np.array(phonon.force_constants)
            phonon.symmetrize_force_constants()
    # phonopy has no errors of its own for data that it cannot use.
    except (RuntimeError, ValueError, IndexError, KeyError, np.linalg.LinAlgError) as error:
        raise PhononError(f"{source}: phonopy finds no force constants ({error})") from error
    finally:
        sys.setrecursionlimit(limit)
    return float(np.abs(phonon.force_constants - before).max())


def _require_enough(phonon: Any, source: str) -> None:
    """Refuse fewer displaced supercells than leave one answer: least squares would choose one."""
    from phonopy.interface.symfc import SymfcFCSolver

    solver = SymfcFCSolver(phonon.supercell, symmetry=phonon.symmetry)
    needed = solver.estimate_numbers_of_supercells(orders=[2])[2]
    given = len(phonon.dataset["displacements"])
    if given < needed:
        raise PhononError(
            f"{source}: {given} displaced supercells do not determine the force constants; at "
            f"least {needed} are needed"
        )


def harmonic_of_phonopy(phonon: Any, source: str | None = None) -> HarmonicCrystal:
    """Return the force constants of a Phonopy object as those of its primitive cell.

    Those of a pair stand on the shortest of the vectors that the supercell cannot tell apart, in
    equal parts. Charges of a non-analytical term are not looked at.

    Raises
    ------
    PhononError
        If it has no force constants.
    """
    if phonon.force_constants is None:
        raise PhononError(f"{source or 'phonopy'}: there are no force constants")
    primitive = phonon.primitive
    constants = np.asarray(phonon.force_constants, dtype=np.float64)
    if len(constants) != len(primitive):
        constants = constants[np.asarray(primitive.p2s_map)]
    vectors, counts = primitive.get_smallest_vectors()
    home = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    numbers, starts = counts[:, :, 0].ravel(), counts[:, :, 1].ravel()
    pair = np.repeat(np.arange(len(numbers)), numbers)
    entry = np.arange(len(pair)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    place, first = np.divmod(pair, len(primitive))
    second = home[place]
    scaled = primitive.scaled_positions
    apart = np.asarray(vectors)[starts[pair] + entry] - scaled[second] + scaled[first]
    return HarmonicCrystal(
        crystal=Crystal(
            cell=primitive.cell,
            positions=primitive.positions,
            numbers=primitive.numbers,
            source=source,
        ),
        first=first,
        second=second,
        shifts=np.rint(apart).astype(np.int64),
        matrices=constants[first, place] / numbers[pair][:, None, None],
        masses=np.asarray(primitive.masses, dtype=np.float64),
    )


def phonopy_of(harmonic: HarmonicCrystal, supercell_matrix: Any) -> Any:
    """Return a Phonopy object of a supercell, its force constants summed over all images.

    Parameters
    ----------
    harmonic
        Force constants; those of dipoles are given to phonopy as Born charges.
    supercell_matrix
        (3, 3) integers, or three for a diagonal, as phonopy takes them, of the primitive cell.

    Raises
    ------
    PhononError
        If the matrix is no supercell, or phonopy is not installed.
    """
    matrix = np.asarray(supercell_matrix, dtype=np.int64)
    matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
    if matrix.shape != (3, 3) or round(np.linalg.det(matrix)) < 1:
        raise PhononError(f"{np.asarray(supercell_matrix).tolist()} is no matrix of a supercell")
    phonon = empty_phonopy(harmonic.crystal, matrix, np.eye(3), masses=harmonic.masses)
    phonon.force_constants = _folded(harmonic, phonon)
    return phonon


def _folded(harmonic: HarmonicCrystal, phonon: Any) -> NDArray[np.float64]:
    """(n, N, 3, 3) force constants between the primitive cell and the atoms of the supercell."""
    supercell, primitive = phonon.supercell, phonon.primitive
    home = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    cells = supercell.positions @ np.linalg.inv(primitive.cell) - primitive.scaled_positions[home]
    lattice = supercell.cell @ np.linalg.inv(primitive.cell)
    codes, count = _classes(np.rint(cells), lattice)
    sites = zip(home.tolist(), codes.tolist(), strict=True)
    place = {site: at for at, site in enumerate(sites)}
    # An atom of the primitive cell may have been put into another cell of the supercell.
    own = np.rint(cells)[np.asarray(primitive.p2s_map)]
    wanted = _classes(harmonic.shifts + own[harmonic.first], lattice)[0]
    images = zip(harmonic.second.tolist(), wanted.tolist(), strict=True)
    at = np.array([place[image] for image in images])
    found = np.zeros((len(primitive), len(supercell), 3, 3))
    np.add.at(found, (harmonic.first, at), harmonic.matrices)
    if harmonic.screened_charges is not None:
        found += _folded_dipoles(harmonic, np.rint(cells), own, home, lattice)
    assert count * len(primitive) == len(supercell)
    return found


def _folded_dipoles(
    harmonic: HarmonicCrystal,
    cells: NDArray[np.float64],
    own: NDArray[np.float64],
    home: NDArray[np.int64],
    lattice: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, N, 3, 3) what the dipoles of a supercell add, from its commensurate wave vectors."""
    steps, count = commensurate_steps(np.rint(lattice).astype(np.int64))
    atoms = len(own)
    found = np.zeros((atoms, len(home), 3, 3))
    for step in steps:
        point = step / count
        blocks = harmonic.dipole_blocks(point[None])[0].reshape(atoms, 3, atoms, 3)
        phases = np.exp(-2j * np.pi * ((cells[None] - own[:, None]) @ point))
        found += (phases[:, :, None, None] * blocks.transpose(0, 2, 1, 3)[:, home]).real
    return found / count


def _classes(shifts: NDArray[Any], lattice: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Numbers of cells that are equal where a supercell makes them so, and how many there are."""
    whole = np.rint(lattice).astype(np.int64)
    if np.abs(lattice - whole).max() > _UNEVEN:
        raise PhononError("the supercell is no multiple of the primitive cell")
    count = round(abs(np.linalg.det(whole)))
    adjugate = np.rint(np.linalg.inv(whole) * count).astype(np.int64)
    codes = np.rint(shifts).astype(np.int64) @ adjugate % count
    return codes @ np.array([count * count, count, 1]), count


def forces_of_displacements(
    harmonic: HarmonicCrystal, supercell_matrix: Any, distance: float = 0.01
) -> ForceSets:
    """Return the forces that displacements by symmetry would have in a supercell.

    Parameters
    ----------
    harmonic
        Force constants.
    supercell_matrix
        As for :func:`phonopy_of`.
    distance
        Length of the displacements in Å.
    """
    phonon = phonopy_of(harmonic, supercell_matrix)
    require_distance(distance)
    # Displacements make phonopy forget force constants.
    full = _all_rows(phonon)
    phonon.generate_displacements(distance=distance)
    rows = phonon.dataset["first_atoms"]
    atoms = np.array([row["number"] for row in rows], dtype=np.int64)
    shifts = np.array([row["displacement"] for row in rows], dtype=np.float64)
    return ForceSets(
        crystal=harmonic.crystal,
        supercell_matrix=np.asarray(phonon.supercell_matrix, dtype=np.int64),
        primitive_matrix=np.eye(3),
        atoms=atoms,
        displacements=shifts,
        forces=-np.einsum("dnxy,dx->dny", full[atoms], shifts),
        born=harmonic.born,
        dielectric=harmonic.dielectric,
    )


def require_distance(distance: float) -> None:
    """Refuse lengths of displacements that no force constants follow from.

    Raises
    ------
    PhononError
        If it is not between 1e-5 and 1 Å.
    """
    if not 1e-5 <= distance <= 1.0:
        raise PhononError(f"displacements of {distance} Å make no force constants; take 0.01 Å")


def _all_rows(phonon: Any) -> NDArray[np.float64]:
    """(N, N, 3, 3) force constants of a supercell from those of its primitive cell."""
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    full: NDArray[np.float64] = compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)
    return full


def empty_phonopy(
    crystal: Crystal, supercell_matrix: Any, primitive_matrix: Any, masses: Any = None
) -> Any:
    """Return a Phonopy object without displacements and forces.

    Raises
    ------
    PhononError
        If phonopy is not installed, or cannot use the cells.
    """
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError:
        raise PhononError(
            "this needs phonopy, which is not installed: pip install 'madelung[phonons]'"
        ) from None
    unit: Any = PhonopyAtoms(
        numbers=crystal.numbers,
        cell=crystal.cell,
        scaled_positions=crystal.scaled_positions,
        masses=masses,
    )
    try:
        with warnings.catch_warnings():
            # A supercell with less symmetry than the crystal is nothing to worry about.
            warnings.filterwarnings("ignore", "Warning: Point group symmetries")
            # The primitive cell that it finds where "auto" asks for it.
            warnings.filterwarnings("ignore", "primitive_matrix defaulted")
            return Phonopy(unit, supercell_matrix, primitive_matrix=primitive_matrix, log_level=0)
    except (RuntimeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        where = crystal.source or crystal.formula
        raise PhononError(f"{where}: phonopy cannot use its cells ({error})") from error
