"""Force constants from extxyz files of displaced supercells, as programs and users write them."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from madelung.common.errors import ForceFieldError, PhononError
from madelung.crystals.crystal import Crystal
from madelung.crystals.primitive import primitive_crystal
from madelung.crystals.reading.files import read
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.phonons.force_constants import (
    empty_phonopy,
    harmonic_of_phonopy,
    symmetric_force_constants,
)
from madelung.phonons.harmonic_crystal import HarmonicCrystal

__all__ = ["FRAME_SUFFIXES", "read_displaced_frames"]

FRAME_SUFFIXES = (".extxyz", ".xyz")
"""Ends of the names of such files, compressed ones apart."""
_MOST_ATOMS, _MOST_FRAMES = 20_000, 100_000
_UNEVEN = 1e-3  # of a multiple of a lattice vector
_LONGEST = 0.8  # Å
_AT_REST = 1e-5  # Å
_NEAR = 8
_SYMMETRY = 1e-5  # Å, that of phonopy


def read_displaced_frames(
    path: str | os.PathLike[str],
    *,
    unit_cell: str | os.PathLike[str],
    supercell: ArrayLike | None = None,
    born: str | os.PathLike[str] | None = None,
) -> HarmonicCrystal:
    """Make force constants of the frames of an extxyz file with forces.

    Atoms may stand in any order and in any image. Forces of a frame at rest are taken off those of
    the others. If each frame displaces one atom, force constants follow by differences; else by
    least squares (symfc: A. Seko and A. Togo, Phys. Rev. B 110, 214302 (2024)).

    Parameters
    ----------
    path
        Frames of one supercell; keys of forces as :func:`read_configurations` looks for them.
    unit_cell
        Crystal file of the cell without displacements.
    supercell
        (3,) multiples of its lattice vectors, or a (3, 3) matrix as phonopy takes it; by default
        what the cells of the frames say.
    born
        ``BORN``, for the non-analytical term.

    Raises
    ------
    PhononError
        If a frame is damaged, is not of that supercell, or displaces an atom by more than 0.8 Å, or
        if the frames do not determine the force constants.
    """
    place = Path(path)
    frames = _frames(place)
    unit = read(unit_cell).require_periodic()
    matrix = _matrix(place, frames[0], unit, supercell)
    # phonopy may set a cell that is primitive already in another way.
    is_primitive = len(primitive_crystal(unit, _SYMMETRY)) == len(unit)
    phonon = empty_phonopy(unit, matrix, "P" if is_primitive else "auto")
    sites = Crystal(phonon.supercell.cell, phonon.supercell.positions, phonon.supercell.numbers)
    found = [_displacement(frame, sites) for frame in frames]
    phonon.dataset = _dataset(place, [one[0] for one in found], [one[1] for one in found])
    symmetric_force_constants(phonon, str(place))
    harmonic = harmonic_of_phonopy(phonon, place.name)
    return harmonic if born is None else _with_charges(harmonic, phonon, Path(born))


def _frames(path: Path) -> list[Configuration]:
    """All frames; one that cannot be used is an error, as each was calculated for a reason."""

    def refuse(problem: ForceFieldError) -> None:
        raise PhononError(str(problem))

    frames: list[Configuration] = []
    try:
        for frame in read_configurations(path, on_problem=refuse):
            if frame.forces is None:
                raise PhononError(f"{frame.crystal.source}: it has no forces")
            if len(frame.crystal) > _MOST_ATOMS or len(frames) == _MOST_FRAMES:
                raise PhononError(
                    f"{path}: more than {_MOST_ATOMS} atoms or {_MOST_FRAMES} frames are not read"
                )
            frames.append(frame)
    except ForceFieldError as error:
        raise PhononError(str(error)) from error
    if not frames:
        raise PhononError(f"{path}: holds no frame")
    return frames


def _matrix(
    path: Path, frame: Configuration, unit: Crystal, supercell: ArrayLike | None
) -> NDArray[np.int64]:
    """(3, 3) supercell as phonopy takes it, which the cell of a frame has to agree with."""
    measured = (np.asarray(frame.crystal.cell) @ np.linalg.inv(unit.cell)).T
    matrix = np.rint(measured).astype(np.int64)
    if supercell is not None:
        given = np.asarray(supercell, dtype=np.int64)
        matrix = np.diag(given) if given.shape == (3,) else given
    if matrix.shape != (3, 3) or np.abs(measured - matrix).max() > _UNEVEN * np.abs(matrix).max():
        raise PhononError(
            f"{path}: the cell of its first frame is {np.round(measured, 4).tolist()} times that "
            "of the unit cell, which is not the supercell"
        )
    if round(np.linalg.det(matrix)) < 1:
        raise PhononError(
            f"{path}: the supercell {matrix.tolist()} turns left hands into right ones"
        )
    return matrix


def _displacement(
    frame: Configuration, sites: Crystal
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3) displacements from the sites and forces on them, in the order of the sites."""
    crystal, where = frame.crystal, frame.crystal.source
    if len(crystal) != len(sites) or not np.allclose(crystal.cell, sites.cell, atol=1e-3):
        raise PhononError(
            f"{where}: {len(crystal)} atoms in another cell than the supercell of {len(sites)}"
        )
    own, theirs = (one.scaled_positions % 1.0 for one in (crystal, sites))
    # Nearest in scaled coordinates is nearly nearest; of a few such the nearest is taken.
    tree = cKDTree(theirs % 1.0, boxsize=1.0)
    near = tree.query(own % 1.0, k=min(_NEAR, len(sites)))[1].reshape(len(sites), -1)
    apart = own[:, None] - theirs[near]
    vectors = (apart - np.rint(apart)) @ np.asarray(sites.cell)
    best = np.linalg.norm(vectors, axis=2).argmin(axis=1)
    rows = np.arange(len(sites))
    places, moved = near[rows, best], vectors[rows, best]
    longest = float(np.linalg.norm(moved, axis=1).max())
    if longest > _LONGEST:
        raise PhononError(f"{where}: an atom is {longest:.2f} Å from every site of the supercell")
    if len(np.unique(places)) != len(sites):
        raise PhononError(f"{where}: two atoms are nearest to the same site of the supercell")
    if (np.asarray(crystal.numbers) != np.asarray(sites.numbers)[places]).any():
        raise PhononError(f"{where}: an atom is of another element than its site in the unit cell")
    displacements, forces = np.empty((len(sites), 3)), np.empty((len(sites), 3))
    displacements[places], forces[places] = moved, frame.forces
    return displacements, forces


def _dataset(
    path: Path, displacements: list[NDArray[np.float64]], forces: list[NDArray[np.float64]]
) -> dict[str, Any]:
    """Displacements and forces as phonopy takes them."""
    lengths = [np.linalg.norm(one, axis=1) for one in displacements]
    rest = [at for at, one in enumerate(lengths) if one.max() < _AT_REST]
    moved = [at for at, one in enumerate(lengths) if one.max() >= _AT_REST]
    if not moved:
        raise PhononError(f"{path}: no frame displaces an atom from its place in the unit cell")
    own = np.mean([forces[at] for at in rest], axis=0) if rest else 0.0
    if all(np.count_nonzero(lengths[at] >= _AT_REST) == 1 for at in moved):
        atoms = [int(lengths[at].argmax()) for at in moved]
        rows = [
            {"number": atom, "displacement": displacements[at][atom], "forces": forces[at] - own}
            for at, atom in zip(moved, atoms, strict=True)
        ]
        return {"natom": len(lengths[0]), "first_atoms": rows}
    return {
        "displacements": np.array([displacements[at] for at in moved]),
        "forces": np.array([forces[at] - own for at in moved]),
    }


def _with_charges(harmonic: HarmonicCrystal, phonon: Any, path: Path) -> HarmonicCrystal:
    from phonopy.file_IO import parse_BORN

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = parse_BORN(phonon.primitive, filename=str(path))
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise PhononError(f"{path}: phonopy cannot read it ({error})") from error
    return replace(
        harmonic,
        born=np.asarray(found["born"], dtype=np.float64),
        dielectric=np.asarray(found["dielectric"], dtype=np.float64),
    )
