"""Phonons of any force field, by displacements that symmetry leaves different."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import CrystalWarning, PhononError
from madelung.common.progress import watched
from madelung.common.units import GIGAPASCAL
from madelung.crystals.crystal import Crystal
from madelung.crystals.primitive import primitive_crystal
from madelung.crystals.reading.arguments import as_crystals
from madelung.forcefields.calculator import ForceFieldCalculator
from madelung.forcefields.interface import ForceField
from madelung.phonons.force_constants import empty_phonopy, force_constants_of, require_distance
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.prediction import Phonons

__all__ = ["force_sets_of_force_field", "phonons_of_force_field", "supercell_of_length"]

_LENGTH = 15.0
_LARGEST_FORCE, _LARGEST_STRESS = 1e-2, 0.5  # eV/Å and GPa
_MOST_ATOMS = 20_000


def supercell_of_length(crystal: Crystal, length: float = _LENGTH) -> NDArray[np.int64]:
    """Return the (3,) multiples of a cell whose heights are at least ``length`` in Å."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    return np.ceil(length / heights - 1e-6).astype(np.int64)


def phonons_of_force_field(
    crystal: Any,
    force_field: Any,
    supercell: ArrayLike | None = None,
    *,
    distance: float = 0.01,
    born: NDArray[np.float64] | None = None,
    dielectric: NDArray[np.float64] | None = None,
    quiet: bool = True,
) -> Phonons:
    """Find the phonons of a crystal in a force field.

    Parameters
    ----------
    crystal
        A path, ASE ``Atoms``, a pymatgen ``Structure`` or a :class:`Crystal`, at rest in the force
        field.
    force_field
        A :class:`ForceField`, or any calculator of ASE.
    supercell
        (3,) or (3, 3) integers, of the primitive cell; by default at least 15 Å high in each
        direction.
    distance
        Length of the displacements in Å; each is made both ways where symmetry does not do it.
    born, dielectric
        (n, 3, 3) Born charges of the atoms of the primitive cell in e, and (3, 3), for a
        non-analytical term.
    quiet
        Whether to show no progress.

    Raises
    ------
    PhononError
        If phonopy is not installed, the supercell is none, or a force is no finite number.
    """
    sets = force_sets_of_force_field(
        crystal, force_field, supercell, distance=distance, quiet=quiet
    )
    harmonic = force_constants_of(sets)
    if born is not None:
        harmonic = replace(harmonic, born=np.asarray(born), dielectric=np.asarray(dielectric))
    return Phonons(harmonic, warnings=sets.crystal.warnings)


def force_sets_of_force_field(
    crystal: Any,
    force_field: Any,
    supercell: ArrayLike | None = None,
    *,
    distance: float = 0.01,
    quiet: bool = True,
) -> ForceSets:
    """Evaluate a force field for all displacements of a supercell that symmetry leaves different.

    The crystal's warnings say if it is not at rest. Parameters and errors are those of
    :func:`phonons_of_force_field`.
    """
    (read,), _ = as_crystals(crystal)
    unit = primitive_crystal(read.require_periodic(), 1e-5)
    matrix = supercell_of_length(unit) if supercell is None else np.asarray(supercell)
    matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
    size = len(unit) * round(abs(float(np.linalg.det(matrix)))) if matrix.shape == (3, 3) else 0
    if not 0 < size <= _MOST_ATOMS:
        raise PhononError(
            f"a supercell of {size} atoms ({np.asarray(matrix).tolist()}) is not calculated; name "
            f"one of up to {_MOST_ATOMS}"
        )
    require_distance(distance)
    evaluate = _evaluation(force_field)
    phonon = _displaced(unit, matrix, distance)
    displaced = phonon.supercells_with_displacements
    whole = _crystal(phonon.supercell, unit.source)
    at_rest, stress = evaluate(whole)
    found = []
    with watched("displacements", show=not quiet) as advance:
        for done, one in enumerate(displaced, 1):
            # What a crystal has that is not at rest belongs to no displacement.
            found.append(evaluate(_crystal(one, unit.source))[0] - at_rest)
            advance(done, len(displaced))
    rows = phonon.dataset["first_atoms"]
    notes = (*read.warnings, *_not_at_rest(at_rest, stress))
    for note in notes[len(read.warnings) :]:
        warnings.warn(f"{unit.source or unit.formula}: {note}", CrystalWarning, stacklevel=3)
    return ForceSets(
        crystal=Crystal(
            unit.cell, unit.positions, unit.numbers, source=unit.source, warnings=notes
        ),
        supercell_matrix=np.asarray(matrix, dtype=np.int64),
        primitive_matrix=np.eye(3),
        atoms=np.array([row["number"] for row in rows], dtype=np.int64),
        displacements=np.array([row["displacement"] for row in rows], dtype=np.float64),
        forces=np.array(found),
    )


def _displaced(unit: Crystal, matrix: NDArray[np.int64], distance: float) -> Any:
    phonon = empty_phonopy(unit, matrix, np.eye(3))
    phonon.generate_displacements(distance=distance)
    return phonon


Evaluation = Callable[[Crystal], tuple[NDArray[np.float64], NDArray[np.float64] | None]]


def _evaluation(force_field: Any) -> Evaluation:
    """A function that returns forces (eV/Å), and the stress (eV/Å³) where there is one."""
    calculator: Any = force_field
    if isinstance(force_field, ForceField):
        calculator = ForceFieldCalculator(force_field)
    if not hasattr(calculator, "get_forces"):
        raise PhononError(
            f"an object of type {type(force_field).__name__!r} is no force field: give one of "
            "Madelung's, or a calculator of ASE"
        )

    def evaluate(crystal: Crystal) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        atoms = crystal.to_ase()
        atoms.calc = calculator
        forces = np.array(atoms.get_forces(), dtype=np.float64)
        if not np.isfinite(forces).all():
            raise PhononError(f"{crystal.source or crystal.formula}: a force is no finite number")
        try:
            stress = np.array(atoms.get_stress(voigt=False))
        # ASE's calculators that have no stress raise one of these.
        except (NotImplementedError, RuntimeError):
            return forces, None
        return forces, stress

    return evaluate


def _crystal(cell: Any, source: str | None) -> Crystal:
    return Crystal(cell.cell, cell.positions, cell.numbers, source=source)


def _not_at_rest(forces: NDArray[np.float64], stress: NDArray[np.float64] | None) -> list[str]:
    """Say how far a crystal is from rest, where that is far."""
    notes = []
    largest = float(np.linalg.norm(forces, axis=1).max())
    if largest > _LARGEST_FORCE:
        notes.append(
            f"its atoms are not at rest in this force field: the largest force is {largest:.3f} "
            "eV/Å; relax it first"
        )
    if stress is not None:
        pressure = float(np.abs(stress).max()) / GIGAPASCAL
        if pressure > _LARGEST_STRESS:
            notes.append(
                f"its cell is not at rest in this force field: the largest stress is "
                f"{pressure:.2f} GPa; relax it first, or read the phonons as those under stress"
            )
    return notes
