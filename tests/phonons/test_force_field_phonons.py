"""Phonons of force fields: ASE's calculators, Madelung's own, and what is not at rest."""

from __future__ import annotations

from typing import Any

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces
from ase.calculators.lj import LennardJones
from ase.phonons import Phonons as AsePhonons

from madelung.common.errors import CrystalWarning, PhononError
from madelung.common.units import COULOMB_CONSTANT, TERAHERTZ
from madelung.crystals.crystal import Crystal
from madelung.forcefields.pairs.complete_pairs import CompletePairs
from madelung.phonons.displacements import phonons_of_force_field, supercell_of_length
from madelung.phonons.polar import PolarCrystal

SALT = {
    "Na-Na": "buckingham:424.1:0.32:1.0",
    "Na-Cl": "buckingham:1256.3:0.32:7.0",
    "Cl-Cl": "buckingham:3485.5:0.32:70.0",
}


def copper() -> Atoms:
    """fcc copper at rest in EMT."""
    return ase.build.bulk("Cu", a=3.5898)


@pytest.mark.slow
def test_frequencies_are_those_of_ase(tmp_path: Any) -> None:
    atoms = copper()
    found = phonons_of_force_field(atoms, EMT(), (5, 5, 5), distance=0.01)
    theirs = AsePhonons(atoms, EMT(), supercell=(5, 5, 5), delta=0.01, name=str(tmp_path / "ph"))
    theirs.run()
    theirs.read(acoustic=True)
    points = np.array([[0.5, 0.5, 0.0], [0.25, 0.1, 0.4], [0.5, 0.5, 0.5]])
    # ASE gives energies in eV.
    expected = np.sort(theirs.band_structure(points, verbose=False), axis=1) * 241.7989
    assert np.abs(found.frequencies(points).frequencies - expected).max() < 0.02
    assert found.warnings == () and found.members == ()
    summary = found.summary()
    assert summary.stable and summary.maximum.half_width is None


@pytest.mark.slow
def test_sound_of_a_chain_of_spheres() -> None:
    """Along [100] of an fcc crystal of nearest neighbours: ω = 4 √(k/m) sin for L at X, by 1/√2."""
    sigma = 3.4
    # Only nearest neighbours within the cutoff, which are at rest at the minimum of the pair.
    edge = 2.0 ** (1.0 / 6.0) * sigma * np.sqrt(2.0)
    atoms = ase.build.bulk("Ar", a=edge)
    calculator = LennardJones(sigma=sigma, epsilon=0.0104, rc=4.6, smooth=False)
    found = phonons_of_force_field(atoms, calculator, (4, 4, 4))
    spring = 72.0 * 0.0104 / (2.0 ** (1.0 / 3.0) * sigma**2)
    mass = found.harmonic.masses[0]
    # At X: two transverse modes with 4k/m, a longitudinal one with 8k/m.
    expected = TERAHERTZ * np.sqrt(spring / mass * np.array([4.0, 4.0, 8.0]))
    at_x = found.frequencies([[0.5, 0.5, 0.0]]).frequencies[0]
    assert at_x == pytest.approx(expected, rel=2e-3)


@pytest.mark.slow
def test_a_force_field_of_madelung_and_longitudinal_modes() -> None:
    field = CompletePairs(SALT, charges={"Na": 1.0, "Cl": -1.0})
    crystal = _rock_salt(field)
    born = np.array([np.eye(3), -np.eye(3)])
    found = phonons_of_force_field(crystal, field, (3, 3, 3), born=born, dielectric=np.eye(3))
    polar = PolarCrystal(found.harmonic, np.diag([3, 3, 3]))
    across = polar.frequencies([[0, 0, 0]])[0]
    along = polar.frequencies([[0, 0, 0]], [0, 0, 1.0])[0]
    masses = found.harmonic.masses
    volume = abs(np.linalg.det(found.crystal.cell))
    squared = 4.0 * np.pi * COULOMB_CONSTANT / (volume * masses[0] * masses[1] / masses.sum())
    assert along[5] ** 2 - across[5] ** 2 == pytest.approx(TERAHERTZ**2 * squared, rel=1e-3)


def _rock_salt(field: Any) -> Crystal:
    fcc = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=float)
    sizes = np.linspace(2.6, 3.0, 41)
    energies = []
    for size in sizes:
        cell = size * fcc
        crystal = Crystal(cell, np.array([[0, 0, 0], [0.5] * 3]) @ cell, np.array([11, 17]))
        energies.append(field.evaluate(crystal).energy)
    best = sizes[int(np.argmin(energies))]
    cell = best * fcc
    return Crystal(cell, np.array([[0, 0, 0], [0.5] * 3]) @ cell, np.array([11, 17]))


def test_what_is_not_at_rest_is_said_with_numbers() -> None:
    strained = ase.build.bulk("Cu", a=3.4)
    with pytest.warns(CrystalWarning, match="largest stress is .* GPa"):
        found = phonons_of_force_field(strained, EMT(), (3, 3, 3))
    assert any("GPa" in note for note in found.warnings)
    moved = ase.build.bulk("Cu", cubic=True, a=3.5898)
    moved.positions[0] += 0.1
    with pytest.warns(CrystalWarning) as said:
        phonons_of_force_field(moved, EMT(), (2, 2, 2))
    assert any("largest force is" in str(note.message) for note in said)


@pytest.mark.slow
def test_a_harmonic_calculator_has_the_forces_of_its_energy() -> None:
    found = phonons_of_force_field(copper(), EMT(), (3, 3, 3))
    calculator = found.calculator((2, 2, 2))
    atoms = calculator.reference.copy()
    atoms.rattle(0.05, seed=1)
    atoms.calc = calculator
    expected = calculate_numerical_forces(atoms, eps=1e-4)
    assert np.abs(atoms.get_forces() - expected).max() < 1e-6
    assert atoms.get_potential_energy() > 0.0
    # Atoms may have gone into other cells.
    atoms.positions[3] += atoms.cell[0]
    assert np.abs(atoms.get_forces() - expected).max() < 1e-6
    for wrong in (atoms.copy() * (2, 1, 1), atoms.copy()[::-1], ase.build.bulk("Cu")):
        wrong.calc = calculator
        with pytest.raises(PhononError):
            wrong.get_forces()


@pytest.mark.slow
def test_phonopy_takes_what_we_give_it() -> None:
    found = phonons_of_force_field(copper(), EMT(), (4, 4, 4))
    phonon = found.to_phonopy((4, 4, 4))
    points = [[0.5, 0.5, 0.0], [0.25, 0.25, 0.0]]
    phonon.run_qpoints(points)
    theirs = np.sort(phonon.qpoints.frequencies, axis=1)
    assert np.abs(theirs - found.frequencies(points).frequencies).max() < 1e-5
    assert len(found.bands().frequencies) == len(found.bands().path.distances)
    assert found.density_of_states(12.0).total.max() > 0.0


def test_supercells() -> None:
    crystal = Crystal.from_ase(copper())
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    assert (supercell_of_length(crystal, 15.0) * heights >= 15.0 - 1e-6).all()
    for wrong in ((0, 1, 1), (1, 2), (100, 100, 100)):
        with pytest.raises(PhononError, match="supercell of"):
            phonons_of_force_field(crystal, EMT(), wrong)
    with pytest.raises(PhononError, match="no force field"):
        phonons_of_force_field(crystal, object(), (2, 2, 2))
