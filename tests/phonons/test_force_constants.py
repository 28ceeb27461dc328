"""Force constants from displacements and back, against phonopy."""

from __future__ import annotations

import warnings
from typing import Any

import ase.build
import numpy as np
import pytest
from phonon_cases import alloy, force_sets_of, harmonic_metal, metal
from phonon_cases import phonopy_of as emt_phonopy
from phonopy import Phonopy

from madelung.common.errors import PhononError
from madelung.phonons.force_constants import (
    force_constants_of,
    forces_of_displacements,
    harmonic_of_phonopy,
    phonopy_of,
    symmetric_force_constants,
)
from madelung.phonons.harmonic_crystal import HarmonicCrystal

POINTS = np.random.default_rng(5).uniform(-1.5, 1.5, size=(12, 3))
CASES = {
    "copper": lambda: emt_phonopy(ase.build.bulk("Cu", cubic=True), (2, 2, 2), "F"),
    "primitive": lambda: emt_phonopy(ase.build.bulk("Ag"), (3, 3, 3)),
    "uneven": lambda: emt_phonopy(ase.build.bulk("Pd", cubic=True), (1, 2, 3), "F"),
    "slab of two": lambda: emt_phonopy(ase.build.fcc111("Al", (1, 1, 2), vacuum=3.0), (2, 3, 1)),
}


@pytest.fixture(scope="module", params=list(CASES))
def solved(request: pytest.FixtureRequest) -> Phonopy:
    phonon = CASES[request.param]()
    symmetric_force_constants(phonon, request.param)
    return phonon


def phonopy_matrices(phonon: Phonopy, points: Any) -> np.ndarray:
    found = []
    for point in points:
        phonon.dynamical_matrix.run(point)
        found.append(np.array(phonon.dynamical_matrix.dynamical_matrix))
    return np.array(found)


def test_dynamical_matrices_are_those_of_phonopy(solved: Phonopy) -> None:
    harmonic = harmonic_of_phonopy(solved)
    theirs = phonopy_matrices(solved, POINTS)
    assert np.abs(harmonic.dynamical_matrices(POINTS) - theirs).max() < 1e-10
    squares = np.linalg.eigvalsh(harmonic.matrices_of_cells(POINTS))
    assert np.abs(squares - np.linalg.eigvalsh(theirs)).max() < 1e-10


def test_full_force_constants_are_read_as_well(solved: Phonopy) -> None:
    compact = harmonic_of_phonopy(solved)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning: Point group symmetries")
        other = solved.replicate()
    other.dataset = solved.dataset
    other.produce_force_constants(calculate_full_force_constants=True)
    other.symmetrize_force_constants()
    full = harmonic_of_phonopy(other)
    points = POINTS[:3]
    difference = full.dynamical_matrices(points) - compact.dynamical_matrices(points)
    assert np.abs(difference).max() < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [np.diag([2, 2, 2]), [[2, 1, 0], [-1, 2, 0], [0, 1, 3]]])
def test_a_supercell_of_any_shape_has_the_folded_spectrum(matrix: Any) -> None:
    """Frequencies at Γ of the supercell, all of it one cell, are those at commensurate q."""
    harmonic = harmonic_metal("Cu")
    phonon = phonopy_of(harmonic, matrix)
    count = len(phonon.supercell)
    whole = Phonopy(phonon.supercell, np.eye(3), primitive_matrix=np.eye(3), log_level=0)
    whole.force_constants = forces_matrix(phonon)
    squares = np.linalg.eigvalsh(phonopy_matrices(whole, [[0, 0, 0]])[0])
    from madelung.phonons.wave_vectors import commensurate_steps

    steps, cells = commensurate_steps(np.asarray(matrix).T)
    folded = np.linalg.eigvalsh(harmonic.dynamical_matrices(steps / cells)).ravel()
    assert cells * len(harmonic.crystal) == count
    assert np.abs(np.sort(folded) - squares).max() < 1e-9


def forces_matrix(phonon: Phonopy) -> np.ndarray:
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    return np.array(compact_fc_to_full_fc(phonon.primitive, phonon.force_constants))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metal", "alloy"])
def test_force_sets_come_back_from_force_constants(name: str) -> None:
    first = force_constants_of(metal("Ni") if name == "metal" else alloy("Cu", "Au"))
    again = force_constants_of(forces_of_displacements(first, (4, 4, 4)))
    theirs, ours = (one.dynamical_matrices(POINTS) for one in (first, again))
    # Images beyond half of the supercell are folded; this one holds all of the first.
    assert np.abs(theirs - ours).max() < 1e-10


@pytest.mark.slow
def test_random_displacements_of_all_atoms_are_solved_by_symfc() -> None:
    expected = harmonic_metal("Al")
    phonon = phonopy_of(expected, (4, 4, 4))
    full = forces_matrix(phonon)
    moved = 0.02 * np.random.default_rng(0).normal(size=(3, len(full), 3))
    phonon.dataset = {
        "displacements": moved,
        "forces": -np.einsum("imxy,dix->dmy", full, moved),
    }
    symmetric_force_constants(phonon, "random")
    found = harmonic_of_phonopy(phonon)
    difference = found.dynamical_matrices(POINTS) - expected.dynamical_matrices(POINTS)
    assert np.abs(difference).max() < 1e-7


def test_what_is_no_supercell_is_refused() -> None:
    harmonic = harmonic_metal("Cu")
    for matrix in (np.zeros((3, 3)), [1, 2], -np.eye(3)):
        with pytest.raises(PhononError, match="no matrix of a supercell"):
            phonopy_of(harmonic, matrix)


def test_arrays_that_do_not_fit_are_refused() -> None:
    sets = metal("Cu")
    with pytest.raises(PhononError, match="need forces of the shape"):
        type(sets)(**{**vars(sets), "forces": sets.forces[:, :-1]})
    with pytest.raises(PhononError, match="must be finite"):
        type(sets)(**{**vars(sets), "forces": sets.forces * np.nan})
    with pytest.raises(PhononError, match="displaced atom"):
        type(sets)(**{**vars(sets), "atoms": sets.atoms + 1000})
    harmonic = force_constants_of(sets)
    with pytest.raises(PhononError, match="shape"):
        HarmonicCrystal(**{**fields(harmonic), "masses": np.ones(7)})
    with pytest.raises(PhononError, match="need a dielectric tensor"):
        HarmonicCrystal(**{**fields(harmonic), "born": np.zeros((1, 3, 3))})


def fields(harmonic: HarmonicCrystal) -> dict[str, Any]:
    return {name: getattr(harmonic, name) for name in harmonic.__dataclass_fields__}


def test_force_sets_of_phonopy_are_taken_as_they_are() -> None:
    phonon = emt_phonopy(ase.build.bulk("Pt", cubic=True), (2, 2, 2), "F")
    harmonic = force_constants_of(force_sets_of(phonon, "Pt"))
    symmetric_force_constants(phonon, "Pt")
    theirs = phonopy_matrices(phonon, POINTS)
    assert np.abs(harmonic.dynamical_matrices(POINTS) - theirs).max() < 1e-10
