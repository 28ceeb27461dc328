"""Phonons in files: those of phonopy, read and written.

Reading is phonopy's own work, which knows its formats of all versions; what it says is checked.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import PhononError
from madelung.common.outputs import whole_file
from madelung.common.units import COULOMB_CONSTANT
from madelung.phonons.force_constants import (
    forces_of_displacements,
    harmonic_of_phonopy,
    phonopy_of,
    phonopy_of_force_sets,
    symmetric_force_constants,
)
from madelung.phonons.harmonic_crystal import HarmonicCrystal

__all__ = ["WRITABLE", "read_phonopy", "write_phonopy"]

_LARGEST_FILE = 1 << 30


def read_phonopy(
    path: str | os.PathLike[str],
    *,
    unit_cell: str | os.PathLike[str] | None = None,
    supercell: Sequence[int] | None = None,
    born: str | os.PathLike[str] | None = None,
) -> HarmonicCrystal:
    """Read force constants, or make them of displacements and forces, from a file of phonopy.

    Parameters
    ----------
    path
        ``phonopy.yaml`` or ``phonopy_params.yaml`` (also compressed), ``FORCE_SETS``,
        ``FORCE_CONSTANTS`` or ``force_constants.hdf5``.
    unit_cell, supercell
        Crystal file, and the multiples of its lattice vectors, for files that do not say it.
    born
        ``BORN``, for the non-analytical term.

    Raises
    ------
    PhononError
        If phonopy is not installed or cannot read the file, or it holds neither force constants
        nor forces.
    """
    place = Path(path)
    try:
        import phonopy
    except ImportError:
        raise PhononError(
            "this needs phonopy, which is not installed: pip install 'madelung[phonons]'"
        ) from None
    if not place.is_file():
        raise PhononError(f"{place}: there is no such file")
    if place.stat().st_size > _LARGEST_FILE:
        raise PhononError(f"{place}: larger than {_LARGEST_FILE >> 30} GiB")
    arguments = _arguments(place, unit_cell, supercell)
    arguments["born_filename"] = None if born is None else str(born)
    problem: Exception | None = None
    # Compact force constants are of a primitive cell that the file does not name: that of the
    # crystal, or the unit cell itself.
    for primitive in (None,) if "phonopy_yaml" in arguments else ("auto", "P"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                own: Any = {} if primitive is None else {"primitive_matrix": primitive}
                phonon = phonopy.load(**arguments, **own, produce_fc=False, log_level=0)
            return _harmonic(phonon, place)
        except PhononError:
            raise
        # phonopy raises errors of many kinds for files that it cannot read.
        except Exception as error:
            problem = problem or error
    assert problem is not None
    raise PhononError(f"{place}: phonopy cannot read it ({_first_line(problem)})") from problem


def _arguments(
    path: Path, unit_cell: str | os.PathLike[str] | None, supercell: Sequence[int] | None
) -> dict[str, Any]:
    """What tells phonopy.load where things are."""
    if ".yaml" in path.name:
        return {"phonopy_yaml": str(path)}
    if unit_cell is None or supercell is None:
        raise PhononError(
            f"{path}: does not say of which crystal it is; name the unit cell's file and the "
            "supercell as well"
        )
    from phonopy.structure.atoms import PhonopyAtoms

    from madelung.crystals.reading.files import read

    crystal = read(unit_cell)
    cell: Any = PhonopyAtoms(
        numbers=crystal.numbers, cell=crystal.cell, scaled_positions=crystal.scaled_positions
    )
    kind = "force_sets_filename" if "FORCE_SETS" in path.name else "force_constants_filename"
    return {
        "unitcell": cell,
        "supercell_matrix": np.diag(supercell),
        kind: str(path),
    }


def _harmonic(phonon: Any, path: Path) -> HarmonicCrystal:
    if phonon.force_constants is None:
        if phonon.dataset is None or not _has_forces(phonon.dataset):
            raise PhononError(f"{path}: holds neither force constants nor forces")
        symmetric_force_constants(phonon, str(path))
    harmonic = harmonic_of_phonopy(phonon, path.name)
    if not np.isfinite(harmonic.matrices).all():
        raise PhononError(f"{path}: a force constant is no finite number")
    nac = phonon.nac_params
    if nac is None:
        return harmonic
    return replace(
        harmonic,
        born=np.asarray(nac["born"], dtype=np.float64),
        dielectric=np.asarray(nac["dielectric"], dtype=np.float64),
    )


def _has_forces(dataset: dict[str, Any]) -> bool:
    if "first_atoms" in dataset:
        return all("forces" in row for row in dataset["first_atoms"])
    return "forces" in dataset


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def write_phonopy(
    harmonic: HarmonicCrystal, folder: Path, supercell: Any, kinds: Sequence[str]
) -> list[Path]:
    """Write a harmonic crystal as files that phonopy reads.

    Parameters
    ----------
    harmonic
        What is written.
    folder
        Where; it is made if it is missing.
    supercell
        (3,) or (3, 3) integers, of the primitive cell.
    kinds
        Of :data:`WRITABLE`.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    PhononError
        If a kind is not known, or there are no Born charges to write.
    """
    unknown = [kind for kind in kinds if kind not in WRITABLE]
    if unknown:
        raise PhononError(f"{', '.join(unknown)} cannot be written; {', '.join(WRITABLE)} can")
    if "born" in kinds and harmonic.born is None:
        raise PhononError("there are no Born charges to write")
    phonon = phonopy_of(harmonic, supercell)
    written = []
    for kind in kinds:
        name = {"phonopy": "phonopy_params.yaml"}.get(kind, kind.upper().replace("-", "_"))
        with whole_file(folder / name) as temporary:
            _WRITERS[kind](harmonic, phonon, temporary)
        written.append(folder / name)
    return written


def _write_parameters(harmonic: HarmonicCrystal, phonon: Any, path: Path) -> None:
    if harmonic.born is not None:
        phonon.nac_params = {
            "born": harmonic.born,
            "dielectric": harmonic.dielectric,
            "factor": COULOMB_CONSTANT,
        }
    phonon.save(filename=str(path), settings={"force_constants": True})


def _write_force_constants(harmonic: HarmonicCrystal, phonon: Any, path: Path) -> None:
    from phonopy.file_IO import write_FORCE_CONSTANTS

    write_FORCE_CONSTANTS(
        phonon.force_constants, filename=str(path), p2s_map=phonon.primitive.p2s_map
    )


def _write_force_sets(harmonic: HarmonicCrystal, phonon: Any, path: Path) -> None:
    from phonopy.file_IO import write_FORCE_SETS

    sets = forces_of_displacements(harmonic, phonon.supercell_matrix)
    write_FORCE_SETS(phonopy_of_force_sets(sets).dataset, filename=str(path))


def _write_born(harmonic: HarmonicCrystal, phonon: Any, path: Path) -> None:
    """Write the charges of the atoms that symmetry leaves different, as phonopy reads them."""
    from phonopy.file_IO import get_BORN_lines

    assert harmonic.born is not None and harmonic.dielectric is not None
    lines = get_BORN_lines(phonon.unitcell, harmonic.born, harmonic.dielectric)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


_WRITERS: dict[str, Callable[[HarmonicCrystal, Any, Path], None]] = {
    "phonopy": _write_parameters,
    "force-constants": _write_force_constants,
    "force-sets": _write_force_sets,
    "born": _write_born,
}
WRITABLE = tuple(_WRITERS)
"""What can be written: phonopy_params.yaml, FORCE_CONSTANTS, FORCE_SETS and BORN."""
