"""Phonons in files: those of phonopy, read and written.

Reading is phonopy's own work, which knows its formats of all versions; what it says is checked.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.compression import open_bytes
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
_MOST_ATOMS = 20_000
_HEAD, _NUMBERS_OF_RANDOM = 1 << 12, 6
_UNIT_CELL = "POSCAR-unitcell"


def read_phonopy(
    path: str | os.PathLike[str],
    *,
    unit_cell: str | os.PathLike[str] | None = None,
    supercell: ArrayLike | None = None,
    born: str | os.PathLike[str] | None = None,
) -> HarmonicCrystal:
    """Read force constants, or make them of displacements and forces, from a file of phonopy.

    Parameters
    ----------
    path
        ``phonopy.yaml`` or ``phonopy_params.yaml`` (also compressed), ``FORCE_SETS``,
        ``FORCE_CONSTANTS`` or ``force_constants.hdf5``.
    unit_cell, supercell
        Crystal file, and (3,) multiples of its lattice vectors or a (3, 3) matrix as phonopy
        takes it, for files that do not say it.
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
    _require_room(place)
    arguments = _arguments(place, unit_cell, supercell)
    problem: Exception | None = None
    # Compact force constants are of a primitive cell that the file does not name: that of the
    # crystal, or the unit cell itself.
    for primitive in (None,) if "phonopy_yaml" in arguments else ("auto", "P"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                own: Any = {} if primitive is None else {"primitive_matrix": primitive}
                # What is not named is not taken: phonopy would look where the program runs.
                phonon = phonopy.load(
                    **arguments, **own, is_nac=born is not None, produce_fc=False, log_level=0,
                    born_filename=None if born is None else str(born),
                )  # fmt: skip
            return _harmonic(phonon, place, has_born=born is not None)
        except PhononError:
            raise
        # phonopy raises errors of many kinds for files that it cannot read.
        except Exception as error:
            problem = problem or error
    assert problem is not None
    raise PhononError(f"{place}: phonopy cannot read it ({_first_line(problem)})") from problem


def _require_room(path: Path) -> None:
    """Refuse files that say to be larger than they are, or unpack to more than is sensible."""
    size = 0
    with open_bytes(path, PhononError) as stream:
        head = stream.read(_HEAD)
        part = head
        while part:
            size += len(part)
            if size > _LARGEST_FILE:
                raise PhononError(f"{path}: larger than {_LARGEST_FILE >> 30} GiB")
            part = stream.read(1 << 20)
    if any(suffix in path.name for suffix in (".yaml", ".hdf5")):
        return
    lines = [line.split() for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    # Force sets of random displacements have no head: three displacements and three forces a line.
    if lines and len(lines[0]) == _NUMBERS_OF_RANDOM:
        return
    try:
        counts = [int(word) for word in lines[0]]
        if "FORCE_SETS" in path.name:
            counts += [int(word) for word in lines[1]]
    except (IndexError, ValueError) as error:
        raise PhononError(f"{path}: does not begin with numbers of atoms ({error})") from None
    # Of force constants one number stands for both.
    counts = counts * 2 if len(counts) == 1 else counts
    # A vector takes six characters and more.
    if min(counts) < 1 or math.prod(counts) * 6 > size:
        raise PhononError(f"{path}: says to hold {counts} atoms or displacements, and does not")


def _arguments(
    path: Path, unit_cell: str | os.PathLike[str] | None, supercell: Any
) -> dict[str, Any]:
    """What tells phonopy.load where things are."""
    if ".yaml" in path.name:
        return _arguments_of_yaml(path)
    if unit_cell is None or supercell is None:
        raise PhononError(
            f"{path}: does not say of which crystal it is; name the unit cell's file and the "
            "supercell as well"
        )
    from phonopy.structure.atoms import PhonopyAtoms

    from madelung.crystals.reading.files import read

    crystal = read(unit_cell)
    matrix = _supercell(path, len(crystal), supercell)
    cell: Any = PhonopyAtoms(
        numbers=crystal.numbers, cell=crystal.cell, scaled_positions=crystal.scaled_positions
    )
    kind = "force_sets_filename" if "FORCE_SETS" in path.name else "force_constants_filename"
    return {"unitcell": cell, "supercell_matrix": matrix, kind: str(path)}


def _supercell(path: Path, atoms: int, supercell: Any) -> NDArray[np.int64]:
    """(3, 3) matrix of a supercell that is small enough to be built."""
    matrix = np.asarray(supercell, dtype=np.int64)
    matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
    cells = abs(float(np.linalg.det(matrix))) if matrix.shape == (3, 3) else 0.0
    size = atoms * round(cells) if cells < _MOST_ATOMS else _MOST_ATOMS + 1
    if not 0 < size <= _MOST_ATOMS:
        raise PhononError(
            f"{path}: a supercell of {matrix.tolist()} cells of {atoms} atoms is not read; it may "
            f"have up to {_MOST_ATOMS} atoms"
        )
    return matrix


def _arguments_of_yaml(path: Path) -> dict[str, Any]:
    """A file of phonopy, and the force sets beside it where it has none."""
    found: dict[str, Any] = {"phonopy_yaml": str(path)}
    content = _yaml(path)
    if content.unitcell is not None and content.supercell_matrix is not None:
        _supercell(path, len(content.unitcell), content.supercell_matrix)
    dataset = content.dataset
    if content.force_constants is not None or (dataset is not None and _has_forces(dataset)):
        return found
    for name, kind in _BESIDE.items():
        if (path.parent / name).is_file():
            _require_room(path.parent / name)
            return found | {kind: str(path.parent / name)}
    raise PhononError(
        f"{path}: holds neither force constants nor forces, and no FORCE_SETS lies beside it"
    )


_BESIDE = {
    "FORCE_SETS": "force_sets_filename",
    "FORCE_CONSTANTS": "force_constants_filename",
    "force_constants.hdf5": "force_constants_filename",
}


def _yaml(path: Path) -> Any:
    from phonopy.interface.phonopy_yaml import PhonopyYaml

    content = PhonopyYaml()
    try:
        content.read(str(path))
    # phonopy raises errors of many kinds for files that it cannot read.
    except Exception as error:
        raise PhononError(f"{path}: phonopy cannot read it ({_first_line(error)})") from error
    return content


def _harmonic(phonon: Any, path: Path, *, has_born: bool) -> HarmonicCrystal:
    """The harmonic crystal of a Phonopy object, in eV and Å whatever calculated it."""
    from phonopy.interface.calculator import get_calculator_physical_units

    if phonon.force_constants is None:
        if phonon.dataset is None or not _has_forces(phonon.dataset):
            raise PhononError(f"{path}: holds neither force constants nor forces")
        symmetric_force_constants(phonon, str(path))
    if not np.isfinite(phonon.force_constants).all():
        raise PhononError(f"{path}: a force constant is no finite number")
    harmonic = harmonic_of_phonopy(phonon, path.name)
    units = get_calculator_physical_units(phonon.calculator)
    length = units.distance_to_A
    if length is None or units.force_to_eVperA is None:
        raise PhononError(f"{path}: units of {phonon.calculator!r} are not known")
    crystal = harmonic.crystal
    nac = phonon.nac_params
    if nac is None and not has_born and ".yaml" in path.name:
        nac = _yaml(path).nac_params
    return replace(
        harmonic,
        crystal=replace(crystal, cell=crystal.cell * length, positions=crystal.positions * length),
        matrices=harmonic.matrices * (units.force_to_eVperA / length),
        born=None if nac is None else np.asarray(nac["born"], dtype=np.float64),
        dielectric=None if nac is None else np.asarray(nac["dielectric"], dtype=np.float64),
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
        What was written; beside force sets and force constants the cell that they belong to.

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
    if any(kind in ("force-sets", "force-constants") for kind in kinds):
        # These do not say of which cell they are.
        with whole_file(folder / _UNIT_CELL) as temporary:
            ase.io.write(temporary, harmonic.crystal.to_ase(), format="vasp")
        written.append(folder / _UNIT_CELL)
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
