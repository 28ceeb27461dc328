"""Polar crystals against phonopy's method of Gonze and Lee."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.symmetry import symmetrize_borns_and_epsilon
from places import SHARED

from madelung.common.errors import CrystalWarning, PhononError, PotentialError
from madelung.common.units import COULOMB_CONSTANT, TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_constants import (
    harmonic_of_phonopy,
    phonopy_of,
    phonopy_of_force_sets,
    symmetric_force_constants,
)
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.polar import (
    PolarCrystal,
    neutral_charges,
    shortest_images,
    symmetric_charges,
)
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


@pytest.mark.slow
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


def springs(seed: int) -> HarmonicCrystal:
    """Springs in a triclinic crystal of three atoms, with charges of no symmetry at all."""
    generator = np.random.default_rng(seed)
    cell = np.array([[4.6, 0.3, -0.5], [0.9, 5.1, 0.4], [-0.7, 0.8, 5.6]])
    places = np.array([[0.05, 0.1, 0.0], [0.45, 0.6, 0.35], [0.7, 0.2, 0.75]])
    crystal = Crystal(cell, places @ cell, np.array([3, 22, 8]))
    first, second = (part.ravel() for part in np.indices((3, 3)))
    shifts = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    entries = []
    for i, j in zip(first, second, strict=True):
        vectors = (places[j] + shifts - places[i]) @ cell
        lengths = np.linalg.norm(vectors, axis=1)
        for at in np.flatnonzero((lengths > 0.1) & (lengths < 5.2)):
            stretch = np.outer(vectors[at], vectors[at]) / lengths[at] ** 2
            matrix = -8.0 * np.exp(-lengths[at] / 3.0) * (stretch + 0.1 * np.eye(3))
            entries += [(i, j, shifts[at], matrix), (i, i, np.zeros(3, dtype=int), -matrix)]
    born = generator.normal(size=(3, 3, 3)) * 0.7
    metric = generator.normal(size=(3, 3)) * 0.5
    return HarmonicCrystal(
        crystal=crystal,
        first=np.array([entry[0] for entry in entries]),
        second=np.array([entry[1] for entry in entries]),
        shifts=np.array([entry[2] for entry in entries]),
        matrices=np.array([entry[3] for entry in entries]),
        masses=np.array([6.94, 47.87, 16.0]),
        born=neutral_charges(born),
        dielectric=3.0 * np.eye(3) + metric @ metric.T,
    )


def converged(phonon: Phonopy, born: NDArray[np.float64], dielectric: NDArray[np.float64]) -> None:
    """Give phonopy charges, and a sum that leaves nothing out.

    It has no near part, which is to end within the supercell, on whose shortest vectors it is
    interpolated exactly. phonopy's wave vectors are without 2π.
    """
    low, _, high = np.linalg.eigvalsh(dielectric)
    cell = phonon.supercell.cell
    inside = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0).max() / 2.0
    splitting = 5.8 * np.sqrt(high) / inside
    phonon.nac_params = {
        "born": born, "dielectric": dielectric, "factor": COULOMB_CONSTANT, "method": "gonze",
        "Lambda": splitting / (2.0 * np.pi),
        "G_cutoff": 2.0 * splitting * 5.8 / np.sqrt(low) / (2.0 * np.pi),
    }  # fmt: skip


def rescaled(
    phonon: Phonopy, points: NDArray[np.float64], ahead: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """phonopy's frequencies with the constants of Madelung; it has those of another CODATA."""
    return theirs(phonon, points, ahead) * TERAHERTZ / get_physical_units().DefaultToTHz


@pytest.mark.parametrize("seed", [0, 1])
def test_crystals_without_symmetry_are_those_of_phonopy(seed: int) -> None:
    harmonic = springs(seed)
    assert harmonic.born is not None and harmonic.dielectric is not None
    phonon = phonopy_of(harmonic, [3, 3, 3])
    polar = polar_of(phonon, harmonic.born, harmonic.dielectric)
    converged(phonon, harmonic.born, harmonic.dielectric)
    generator = np.random.default_rng(seed)
    points = np.vstack([generator.uniform(-0.5, 0.5, (6, 3)), [0.01, 0.0, 0.02]])
    expected = rescaled(phonon, points, None)
    assert np.abs(polar.frequencies(points) - expected).max() < 1e-6
    transposed = polar_of(phonon, harmonic.born.swapaxes(1, 2), harmonic.dielectric)
    assert np.abs(transposed.frequencies(points) - expected).max() > 1e-2
    for ahead in generator.normal(size=(3, 3)):
        expected = rescaled(phonon, np.zeros((1, 3)), ahead)[0]
        ours = polar.frequencies([[0, 0, 0]], ahead)[0]
        # Of acoustic modes at Γ the square is compared: it is zero but for rounding.
        assert np.abs(ours**2 - expected**2).max() < 1e-6
        assert np.abs(ours - expected)[np.abs(expected) > 0.1].max() < 1e-6
        mirrored = transposed.frequencies([[0, 0, 0]], ahead)[0]
        assert np.abs(mirrored - expected).max() > 1e-2


def test_dipoles_in_small_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    harmonic = springs(2)
    multiples = np.array([[2, 1, 0], [0, 2, 0], [1, 0, 2]])
    points = np.random.default_rng(2).uniform(-0.5, 0.5, (5, 3))
    whole = PolarCrystal(harmonic, multiples).dynamical_matrices(points)
    monkeypatch.setattr("madelung.phonons.polar._CHUNK", 200)
    parts = PolarCrystal(harmonic, multiples).dynamical_matrices(points)
    assert np.abs(whole - parts).max() < 1e-8
    assert np.abs(whole - whole.conj().swapaxes(1, 2)).max() < 1e-12


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
    # The square root of a rounding error near Γ is large: compare squares.
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


def test_charges_far_from_neutral_are_announced(salt: Phonopy) -> None:
    with pytest.warns(CrystalWarning, match=r"do not sum to zero.* up to 0\.150 e"):
        polar = polar_of(salt, BORN + 0.15 * np.eye(3), DIELECTRIC)
    assert polar.charge_correction == pytest.approx(0.15)
    # Below that they are changed in silence, and the change can be asked for.
    assert polar_of(salt, BORN + 0.04, DIELECTRIC).charge_correction == pytest.approx(0.04)


def test_charges_that_are_no_numbers_are_refused(salt: Phonopy) -> None:
    with pytest.raises(PhononError, match="must be finite"):
        polar_of(salt, BORN * np.nan, DIELECTRIC)


def test_wave_vectors_and_directions_of_other_shapes_are_refused(salt: Phonopy) -> None:
    polar = polar_of(salt, BORN, DIELECTRIC)
    with pytest.raises(PotentialError, match="wave vectors"):
        polar.frequencies([[0.5, 0.5]])
    with pytest.raises(PotentialError, match="direction"):
        polar.frequencies([[0.0, 0.0, 0.0]], [0.0, 0.0, 0.0])


OXYGENS = [[0.1, 0.2, 0.3], [-0.1, 0.7, 0.2], [-0.1, -0.2, -0.3], [0.1, 0.3, 0.8]]
STRUCTURES: dict[str, tuple[NDArray[np.float64], list[list[float]], list[int]]] = {
    # P2₁/c by hand, rutile, and the silicon of quartz (P3₁21 without oxygen).
    "monoclinic": (
        np.array([[4.1, 0.0, 0.0], [0.0, 5.2, 0.0], [-0.8, 0.0, 6.3]]),
        [*OXYGENS, [0.0, 0.0, 0.0], [0.0, 0.5, 0.5]],
        [8, 8, 8, 8, 22, 22],
    ),
    "rutile": (
        np.diag([4.6, 4.6, 2.95]),
        [[0, 0, 0], [0.5] * 3, [0.3, 0.3, 0], [-0.3, -0.3, 0], [0.2, 0.8, 0.5], [0.8, 0.2, 0.5]],
        [22, 22, 8, 8, 8, 8],
    ),
    "hexagonal": (
        np.array([[4.9, 0.0, 0.0], [-2.45, 2.45 * 3**0.5, 0.0], [0.0, 0.0, 5.4]]),
        [[0.47, 0, 1 / 3], [0, 0.47, 2 / 3], [-0.47, -0.47, 0]],
        [14, 14, 14],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STRUCTURES))
def test_symmetric_charges_are_those_of_phonopy(name: str) -> None:
    cell, places, numbers = STRUCTURES[name]
    generator = np.random.default_rng(4)
    born = generator.normal(size=(len(places), 3, 3)) * 0.02
    metric = np.eye(3) * 3.0 + generator.normal(size=(3, 3)) * 0.3
    metric = (metric + metric.T) / 2.0
    crystal = Crystal(cell, np.array(places) @ cell, np.array(numbers))
    ours, dielectric = symmetric_charges(crystal, born, metric)
    unit = PhonopyAtoms(numbers=numbers, cell=cell, scaled_positions=places)
    theirs_born, theirs_metric = symmetrize_borns_and_epsilon(born, metric, unit)
    assert np.abs(born - ours).max() > 1e-3
    assert np.abs(neutral_charges(ours) - theirs_born).max() < 1e-12
    assert np.abs(dielectric - theirs_metric).max() < 1e-12
    with pytest.raises(PhononError, match="atoms need Born charges"):
        symmetric_charges(crystal, born[:-1], metric)


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


def of_the_database(*names: str) -> dict[str, ForceSets]:
    """Crystals of the phonon database with Born charges, by their numbers."""
    found = {}
    for number in range(8):
        for sets in read_shard(SHARED / f"data/phonons/phonondb_rest_0{number}.npz.xz"):
            name = "" if isinstance(sets, PhononError) else str(sets.crystal.source).split()[-1]
            if name in names and not isinstance(sets, PhononError):
                found[name] = sets
        if len(found) == len(names):
            return found
    pytest.fail(f"{set(names) - set(found)} are not in the database")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the phonon database is not here")
def test_rock_salt_of_the_database_splits_as_published() -> None:
    """mp-22862: 5.055 THz across, 7.677 THz along z."""
    sets = of_the_database("mp-22862")["mp-22862"]
    phonon = phonopy_of_force_sets(sets)
    symmetric_force_constants(phonon, "NaCl")
    assert sets.born is not None and sets.dielectric is not None
    polar = polar_of(phonon, sets.born, sets.dielectric)
    found = polar.frequencies([[0, 0, 0]], [0, 0, 1.0])[0]
    assert found[3:] == pytest.approx([5.055, 5.055, 7.677], abs=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the phonon database is not here")
def test_crystals_of_low_symmetry_of_the_database_are_those_of_phonopy() -> None:
    """CaC2 (C2/m), NaNO2 (Imm2) and KNbO3 (Amm2)."""
    generator = np.random.default_rng(5)
    for name, sets in of_the_database("mp-917", "mp-2964", "mp-5246").items():
        phonon = phonopy_of_force_sets(sets)
        symmetric_force_constants(phonon, name)
        assert sets.born is not None and sets.dielectric is not None
        born = neutral_charges(sets.born)
        polar = polar_of(phonon, born, sets.dielectric)
        converged(phonon, born, sets.dielectric)
        points = generator.uniform(-0.5, 0.5, (5, 3))
        assert np.abs(polar.frequencies(points) - rescaled(phonon, points, None)).max() < 1e-6
        for ahead in generator.normal(size=(2, 3)):
            ours = polar.frequencies([[0, 0, 0]], ahead)[0]
            expected = rescaled(phonon, np.zeros((1, 3)), ahead)[0]
            assert np.abs(ours**2 - expected**2).max() < 1e-5, name
            assert np.abs(ours - expected)[np.abs(expected) > 0.1].max() < 1e-6, name
