"""Polar crystals against phonopy's method of Gonze and Lee."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from places import SHARED

from madelung.common.errors import PhononError
from madelung.common.units import COULOMB_CONSTANT, TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_constants import (
    harmonic_of_phonopy,
    phonopy_of_force_sets,
    symmetric_force_constants,
)
from madelung.phonons.polar import PolarCrystal, neutral_charges, shortest_images
from madelung.phonons.shards import read_shard

BORN = np.array([np.eye(3), -np.eye(3)]) * 1.1
DIELECTRIC = np.eye(3) * 2.4
POINTS = np.array([[0.013, 0.0, 0.0], [0.21, -0.17, 0.4], [0.5, 0.5, 0.0], [0.03, 0.05, -0.02]])


def rock_salt() -> Phonopy:
    """Springs between nearest neighbours in rock salt, in a supercell that is wide for them."""
    fcc = 2.82 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=float)
    unit = PhonopyAtoms(symbols=["Na", "Cl"], cell=fcc, scaled_positions=[[0, 0, 0], [0.5] * 3])
    phonon = Phonopy(unit, np.diag([4, 4, 4]), primitive_matrix=np.eye(3), log_level=0)
    phonon.generate_displacements(distance=0.01)
    places = phonon.supercell.positions
    inverse = np.linalg.inv(phonon.supercell.cell)
    forces = []
    for row in phonon.dataset["first_atoms"]:
        moved = np.zeros_like(places)
        moved[row["number"]] = row["displacement"]
        own = np.zeros_like(places)
        for atom, place in enumerate(places):
            apart = (places - place) @ inverse
            apart = (apart - np.rint(apart)) @ phonon.supercell.cell
            lengths = np.linalg.norm(apart, axis=1)
            for other in np.flatnonzero((lengths > 0.1) & (lengths < 3.0)):
                e = apart[other] / lengths[other]
                own[atom] += 3.0 * e * (e @ (moved[other] - moved[atom]))
        forces.append(own)
    phonon.forces = forces
    symmetric_force_constants(phonon, "rock salt")
    return phonon


@pytest.fixture(scope="module")
def salt() -> Phonopy:
    return rock_salt()


def polar_of(phonon: Phonopy, born: np.ndarray, dielectric: np.ndarray) -> PolarCrystal:
    harmonic = replace(harmonic_of_phonopy(phonon), born=born, dielectric=dielectric)
    multiples = np.rint(phonon.supercell.cell @ np.linalg.inv(phonon.primitive.cell)).astype(int)
    return PolarCrystal(harmonic, multiples)


def theirs(phonon: Phonopy, points: np.ndarray, direction: np.ndarray | None) -> np.ndarray:
    along = None if direction is None else phonon.primitive.cell @ direction
    phonon.run_qpoints(points, nac_q_direction=along)
    return np.sort(phonon.qpoints.frequencies, axis=1)


def test_frequencies_are_those_of_phonopy(salt: Phonopy) -> None:
    polar = polar_of(salt, BORN, DIELECTRIC)
    salt.nac_params = {
        "born": BORN, "dielectric": DIELECTRIC, "factor": COULOMB_CONSTANT, "method": "gonze",
    }  # fmt: skip
    # phonopy's constants are of an earlier CODATA: relative differences of 1e-7.
    assert np.abs(polar.frequencies(POINTS) - theirs(salt, POINTS, None)).max() < 3e-5
    for direction in np.array([[0, 0, 1.0], [1.0, 0.4, -0.2]]):
        ours = polar.frequencies([[0, 0, 0]], direction)
        assert np.abs(ours - theirs(salt, np.zeros((1, 3)), direction)).max() < 3e-6


def test_lyddane_sachs_teller(salt: Phonopy) -> None:
    """The splitting of two ions is Z²e²/(ε₀ε Ω μ), whatever holds them."""
    polar = polar_of(salt, BORN, DIELECTRIC)
    along = polar.frequencies([[0, 0, 0]], [0, 0, 1.0])[0]
    masses = polar.harmonic.masses
    reduced = masses[0] * masses[1] / masses.sum()
    volume = abs(np.linalg.det(polar.harmonic.crystal.cell))
    squared = 4.0 * np.pi * COULOMB_CONSTANT * 1.1**2 / (2.4 * volume * reduced)
    assert along[5] ** 2 - along[4] ** 2 == pytest.approx(TERAHERTZ**2 * squared, rel=1e-6)
    assert np.abs(along[:3]).max() < 1e-3


def test_commensurate_wave_vectors_are_left_as_they_are(salt: Phonopy) -> None:
    polar = polar_of(salt, BORN, DIELECTRIC)
    points = np.array([[0.25, 0.0, 0.5], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
    with_dipoles = polar.frequencies(points)
    # The cube root of a rounding error near Γ is large: compare squares.
    plain = polar.harmonic.frequencies(points)
    assert np.abs(with_dipoles**2 - plain**2).max() < 1e-6


def test_the_macroscopic_field_is_that_of_small_wave_vectors(salt: Phonopy) -> None:
    polar = polar_of(salt, BORN, DIELECTRIC)
    direction = np.array([0.2, 0.9, 0.4])
    at_gamma = polar.frequencies([[0, 0, 0]], direction)[0]
    near = polar.frequencies([1e-4 * direction @ polar.harmonic.crystal.cell.T])[0]
    assert np.abs(near[3:] - at_gamma[3:]).max() < 1e-4


def test_charges_are_made_neutral() -> None:
    born = np.random.default_rng(0).normal(size=(5, 3, 3))
    assert np.abs(neutral_charges(born).sum(axis=0)).max() < 1e-12


def test_without_charges_there_are_no_dipoles(salt: Phonopy) -> None:
    with pytest.raises(PhononError, match="needs Born charges"):
        PolarCrystal(harmonic_of_phonopy(salt), np.eye(3, dtype=int))


@pytest.mark.parametrize("multiples", [np.diag([2, 3, 1]), [[2, 1, 0], [0, 2, 0], [1, 0, 2]]])
def test_shortest_images_are_those_of_phonopy(multiples: object) -> None:
    matrix = np.asarray(multiples)
    cell = np.array([[3.0, 0.2, 0.0], [0.1, 4.0, 0.3], [-1.0, 0.5, 5.0]])
    places = np.array([[0.0, 0.0, 0.0], [0.3, 0.4, 0.5]])
    crystal = Crystal(cell, places @ cell, np.array([3, 9]))
    first, second, shifts, shares = shortest_images(crystal, matrix)
    unit = PhonopyAtoms(numbers=[3, 9], cell=cell, scaled_positions=places)
    phonon = Phonopy(unit, matrix.T, primitive_matrix=np.eye(3), log_level=0)
    _, counts = phonon.primitive.get_smallest_vectors()
    assert len(first) == counts[:, :, 0].sum()
    assert shares.sum() == pytest.approx(4 * round(abs(np.linalg.det(matrix))))
    lengths = np.linalg.norm((places[second] + shifts - places[first]) @ cell, axis=1)
    vectors, _ = phonon.primitive.get_smallest_vectors()
    expected = np.linalg.norm(np.asarray(vectors) @ cell, axis=1)
    assert np.abs(np.sort(lengths) - np.sort(expected)).max() < 1e-6


@pytest.mark.skipif(not SHARED.is_dir(), reason="the phonon database is not here")
def test_rock_salt_of_the_database_splits_as_published() -> None:
    """mp-22862: 5.055 THz across, 7.677 THz along z."""
    for number in range(8):
        for sets in read_shard(SHARED / f"data/phonons/phonondb_rest_0{number}.npz.xz"):
            if isinstance(sets, PhononError) or not str(sets.crystal.source).endswith(" mp-22862"):
                continue
            phonon = phonopy_of_force_sets(sets)
            symmetric_force_constants(phonon, "NaCl")
            assert sets.born is not None and sets.dielectric is not None
            polar = polar_of(phonon, sets.born, sets.dielectric)
            found = polar.frequencies([[0, 0, 0]], [0, 0, 1.0])[0]
            assert found[3:] == pytest.approx([5.055, 5.055, 7.677], abs=1e-3)
            return
    pytest.fail("rock salt is not in the database")
