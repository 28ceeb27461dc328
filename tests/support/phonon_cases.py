"""Force sets of real force fields, in shards as the phonon database has them."""

from __future__ import annotations

import io
import lzma
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ase.build
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from madelung.crystals.crystal import Crystal
from madelung.phonons.force_constants import force_constants_of
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import HarmonicCrystal

METALS = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Al")


def phonopy_of(atoms: Atoms, supercell: Sequence[int], primitive: Any = "P") -> Phonopy:
    """A Phonopy object of ASE's atoms with displacements by symmetry, its forces by EMT."""
    unit = PhonopyAtoms(
        numbers=atoms.numbers, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions()
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning: Point group symmetries")
        phonon = Phonopy(unit, np.diag(supercell), primitive_matrix=primitive, log_level=0)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for cell in phonon.supercells_with_displacements:
        moved = Atoms(numbers=cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True)
        moved.calc = EMT()
        forces.append(moved.get_forces())
    phonon.forces = forces
    return phonon


def force_sets_of(phonon: Phonopy, source: str) -> ForceSets:
    """The same as Madelung holds it."""
    unit = phonon.unitcell
    rows = phonon.dataset["first_atoms"]
    return ForceSets(
        crystal=Crystal(unit.cell, unit.positions, unit.numbers, source=source),
        supercell_matrix=np.asarray(phonon.supercell_matrix, dtype=np.int64),
        primitive_matrix=np.asarray(phonon.primitive_matrix, dtype=np.float64),
        atoms=np.array([row["number"] for row in rows]),
        displacements=np.array([row["displacement"] for row in rows]),
        forces=np.array([row["forces"] for row in rows]),
    )


@cache
def metal(symbol: str, size: int = 2, strain: float = 1.0) -> ForceSets:
    """An fcc metal by EMT."""
    atoms = ase.build.bulk(symbol, cubic=True)
    atoms.set_cell(atoms.cell * strain, scale_atoms=True)
    return force_sets_of(phonopy_of(atoms, (size, size, size), "F"), symbol)


@cache
def alloy(first: str, second: str) -> ForceSets:
    """An ordered alloy in the structure of AuCu3 by EMT, not relaxed."""
    atoms = ase.build.bulk(first, cubic=True)
    atoms.symbols[0] = second
    return force_sets_of(phonopy_of(atoms, (2, 2, 2)), f"{first}{second}")


@cache
def harmonic_metal(symbol: str) -> HarmonicCrystal:
    """An fcc metal by EMT, and its force constants."""
    return force_constants_of(metal(symbol))


def write_shard(path: Path, crystals: Sequence[ForceSets]) -> None:
    """Write force sets in the compact layout, every displacement by itself."""

    def planes(values: NDArray[np.float64], step: float, name: str) -> dict[str, NDArray[Any]]:
        whole = np.rint(values / step).astype(np.int64)
        code = (whole << 1) ^ (whole >> 63)
        return {
            f"{name}_{plane}": (code >> shift & 255).astype(np.uint8)
            for plane, shift in (("low", 0), ("middle", 8), ("high", 16))
        }

    def joined(parts: list[Any]) -> NDArray[Any]:
        return np.concatenate([np.asarray(part).reshape(-1, *np.shape(part)[1:]) for part in parts])

    runs = [len(one.atoms) for one in crystals]
    arrays: dict[str, Any] = {
        "identifier": np.arange(1, len(crystals) + 1),
        "unit_atoms": [len(one.crystal) for one in crystals],
        "supercell_atoms": [one.forces.shape[1] for one in crystals],
        "runs": runs,
        "lattice": [one.crystal.cell.reshape(9) for one in crystals],
        "supercell": [np.diag(one.supercell_matrix) for one in crystals],
        "primitive": [one.primitive_matrix.reshape(9) for one in crystals],
        "born_atoms": np.zeros(len(crystals), dtype=int),
        "dielectric": np.zeros((len(crystals), 9)),
        "number": joined([one.crystal.numbers for one in crystals]),
        "position": joined([one.crystal.scaled_positions for one in crystals]),
        "atom": joined([one.atoms for one in crystals]),
        "displacement": joined([one.displacements for one in crystals]),
        "paired": np.zeros(sum(runs), dtype=np.uint8),
        "born": np.zeros((0, 3, 3)),
        **planes(np.concatenate([one.forces.reshape(-1) for one in crystals]), 1e-5, "odd"),
        **planes(np.zeros(0), 1e-4, "even"),
    }
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path.write_bytes(lzma.compress(stream.getvalue()))
