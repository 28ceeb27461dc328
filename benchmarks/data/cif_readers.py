"""Readers of CIFs of several packages, and what is wrong with what they read."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data.cif_texts import cell_parameters
from benchmarks.data.known_crystals import KnownCrystal

__all__ = ["READERS", "Answer", "answer_of", "fault"]

RIGHT, WARNED, SILENT = "right", "wrong, with a warning", "wrong in silence"
REFUSED, MISSING = "refused", "not installed"


@dataclass(frozen=True, eq=False)
class _Read:
    """What a reader made of a file: cell, fractional coordinates, atomic numbers, charges."""

    cell: NDArray[np.float64]
    fractional: NDArray[np.float64]
    numbers: NDArray[np.int64]
    charges: NDArray[np.float64] | None


@dataclass(frozen=True)
class Answer:
    """How a reader did on a file.

    Parameters
    ----------
    outcome
        ``right``, ``wrong in silence``, ``wrong, with a warning`` or ``refused``.
    detail
        What is wrong, or the reader's message.
    warned
        Whether it gave a warning.
    """

    outcome: str
    detail: str
    warned: bool


def _madelung(path: Path) -> _Read:
    import madelung as md

    crystal = md.read(path)
    return _Read(crystal.cell, crystal.scaled_positions, crystal.numbers, crystal.charges)


def _gemmi(path: Path) -> _Read:
    import gemmi

    small = gemmi.read_small_structure(str(path))
    sites = small.get_all_unit_cell_sites()
    places = [[site.fract.x, site.fract.y, site.fract.z] for site in sites]
    numbers = [site.element.atomic_number for site in sites]
    charges = [float(site.charge) for site in sites]
    vectors = [small.cell.orthogonalize(gemmi.Fractional(*row)) for row in np.eye(3)]
    cell = np.array([[vector.x, vector.y, vector.z] for vector in vectors])
    # Gemmi has 0 where nothing is said.
    known = np.array(charges) if any(charges) else None
    return _Read(cell, np.array(places).reshape(-1, 3), np.array(numbers), known)


def _pymatgen(path: Path) -> _Read:
    from pymatgen.core import Structure

    structure = Structure.from_file(path)
    species: list[Any] = [site.specie for site in structure]
    charges = [getattr(one, "oxi_state", None) for one in species]
    known = None if None in charges else np.array(charges, dtype=np.float64)
    numbers = np.array([one.Z for one in species])
    return _Read(structure.lattice.matrix, structure.frac_coords, numbers, known)


def _ase(path: Path) -> _Read:
    import ase.io

    atoms: Any = ase.io.read(path, format="cif")
    return _Read(atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers, None)


READERS: dict[str, tuple[str, Callable[[Path], _Read]]] = {
    "Madelung": ("madelung", _madelung),
    "gemmi": ("gemmi", _gemmi),
    "pymatgen": ("pymatgen-core", _pymatgen),
    "ASE": ("ase", _ase),
}
"""Each reader's distribution, and how it is called: as its documentation does first."""


def answer_of(
    reader: str,
    path: Path,
    known: KnownCrystal,
    charges: dict[int, int] | None,
    digits: tuple[int, int, int],
) -> Answer:
    """Read a file, and compare what was read with the crystal.

    Parameters
    ----------
    reader
        One of :data:`READERS`.
    path
        The file.
    known
        The crystal that it holds.
    charges
        The charge of each element, if the file gives one.
    digits
        Decimals of coordinates, lengths and angles in the file.
    """
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            read = READERS[reader][1](path)
        except ImportError:
            return Answer(MISSING, "", False)
        except Exception as error:
            text = " ".join(str(error).replace(str(path), "the file").split())
            return Answer(REFUSED, f"{type(error).__name__}: {text[:200]}", bool(given))
    wrong = fault(read, known, charges, digits)
    if wrong is None:
        return Answer(RIGHT, "", bool(given))
    said = "; ".join(str(item.message) for item in given)
    outcome = WARNED if given else SILENT
    return Answer(outcome, f"{wrong} ({said[:200]})" if given else wrong, bool(given))


def fault(
    read: _Read,
    known: KnownCrystal,
    charges: dict[int, int] | None,
    digits: tuple[int, int, int],
) -> str | None:
    """Return what is wrong of cell, elements, number of atoms, places and charges; or None."""
    places, lengths, angles = (10.0**-count for count in digits)
    theirs, ours = cell_parameters(read.cell), cell_parameters(known.cell)
    same = np.allclose(theirs[0], ours[0], rtol=0, atol=lengths + 1e-6)
    if not (same and np.allclose(theirs[1], ours[1], rtol=0, atol=angles + 1e-4)):
        return "another cell"
    found, wanted = Counter(read.numbers.tolist()), Counter(known.numbers.tolist())
    if found.keys() != wanted.keys():
        return "other elements"
    if found != wanted:
        return "fewer atoms" if found.total() < wanted.total() else "more atoms"
    # Each of up to three coordinates of an image is that of the file, or a sum of two.
    tolerance = 3.0 * places * sum(ours[0]) + 1e-3
    match = _matched(read, known, tolerance)
    if match is None:
        return "other places"
    if charges is None or read.charges is None:
        return None
    right = [charges[number] for number in read.numbers.tolist()]
    return None if np.allclose(read.charges, right) else "other charges"


def _matched(read: _Read, known: KnownCrystal, tolerance: float) -> NDArray[np.bool_] | None:
    """Return which atoms are which; None unless each is near exactly one of its element."""
    steps = read.fractional[:, None] - known.fractional[None]
    distances = np.linalg.norm((steps - np.round(steps)) @ known.cell, axis=2)
    distances[read.numbers[:, None] != known.numbers[None]] = math.inf
    near = distances < tolerance
    # Where tolerances overlap, the nearest counts.
    if (near.sum(axis=0) > 1).any() or (near.sum(axis=1) > 1).any():
        nearest = distances.argmin(axis=1)
        near &= np.arange(len(known.numbers))[None] == nearest[:, None]
    return near if (near.sum(axis=0) == 1).all() and (near.sum(axis=1) == 1).all() else None
