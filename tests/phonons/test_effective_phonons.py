"""Phonons from configurations in motion, against crystals whose phonons are known."""

from __future__ import annotations

from typing import Any

import ase.build
import ase.data
import ase.units
import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.phonons.effective import EffectivePhonons, effective_phonons

# ASE's time is Å sqrt(amu/eV); femtoseconds in it give the factor without our constants.
TERAHERTZ = 1000.0 * ase.units.fs / (2 * np.pi)


def springs(atoms: Atoms, strengths: dict[tuple[str, str], float], reach: float) -> np.ndarray:
    """Force constants (n, n, 3, 3) of springs along the lines between near atoms."""
    matrix = np.zeros((len(atoms), len(atoms), 3, 3))
    for i, j, vector in zip(*neighbor_list("ijD", atoms, reach), strict=True):
        pair = tuple(sorted((atoms[i].symbol, atoms[j].symbol)))
        along = strengths[pair] * np.outer(vector, vector) / (vector @ vector)
        matrix[i, j] -= along
        matrix[i, i] += along
    return matrix


def in_motion(
    ideal: Atoms, constants: np.ndarray, count: int, seed: int
) -> tuple[list[Crystal], list[np.ndarray]]:
    """Random displacements, with exactly harmonic forces; atoms in any order, in other cells."""
    generator = np.random.default_rng(seed)
    snapshots, forces = [], []
    for _ in range(count):
        moved, order = ideal.copy(), generator.permutation(len(ideal))
        displacements = 0.1 * generator.normal(size=(len(ideal), 3))
        moved.positions += displacements
        moved.positions += generator.integers(-1, 2, size=(len(ideal), 3)) @ ideal.cell.array
        snapshots.append(Crystal.from_ase(moved[order]))
        forces.append(-np.einsum("ijxy,jy->ix", constants, displacements)[order])
    return snapshots, forces


def test_springs_in_bcc() -> None:
    """D(q) = Σ k e eᵀ (1 - cos q·R) over the eight neighbours and the six after them."""
    strengths, a = (2.0, 0.7), 3.18
    primitive = ase.build.bulk("W", "bcc", a=a)
    ideal = ase.build.bulk("W", "bcc", a=a, cubic=True) * 4
    near = springs(ideal, {("W", "W"): strengths[0]}, 0.9 * a)
    both = springs(ideal, {("W", "W"): strengths[1]}, 1.1 * a)
    first = springs(ideal, {("W", "W"): strengths[1]}, 0.9 * a)
    found = effective_phonons(primitive, *in_motion(ideal, near + both - first, 2, 0))
    assert found.frequencies.shape == (127, 3)
    cube = np.indices((2, 2, 2)).reshape(3, -1).T * a - a / 2
    axes = a * np.concatenate([np.eye(3), -np.eye(3)])
    mass = ase.data.atomic_masses[74]
    for q, frequencies in zip(found.wave_vectors, found.frequencies, strict=True):
        wave = 2 * np.pi * q @ np.linalg.inv(primitive.cell.array).T
        matrix = sum(
            k * np.outer(r, r) / (r @ r) * (1 - np.cos(wave @ r))
            for k, shell in zip(strengths, (cube, axes), strict=True)
            for r in shell
        )
        expected = TERAHERTZ * np.sqrt(np.linalg.eigvalsh(matrix / mass))
        np.testing.assert_allclose(frequencies, expected, atol=1e-8)


CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


@pytest.mark.parametrize(
    ("formula", "structure", "repeats"),
    [
        ("GaAs", "zincblende", np.diag([2, 2, 3])),
        ("GaAs", "zincblende", 3 * np.eye(3, dtype=int)),
        ("GaAs", "rocksalt", CONVENTIONAL),
        # Operations bring one atom of the cell to the other.
        ("Si", "diamond", 2 * CONVENTIONAL),
        ("Si", "diamond", 3 * np.eye(3, dtype=int)),
    ],
)
def test_two_atoms_as_the_whole_supercell_has_them(
    formula: str, structure: str, repeats: Any
) -> None:
    """All frequencies of the supercell's own force constants, those of Gamma aside."""
    primitive = ase.build.bulk(formula, structure, a=5.6)
    primitive.translate([0.3, 0.1, -0.2])
    ideal = ase.build.make_supercell(primitive, repeats)
    strengths = {("As", "Ga"): 3.0, ("As", "As"): 0.4, ("Ga", "Ga"): 0.9, ("Si", "Si"): 2.5}
    constants = springs(ideal, strengths, 4.1)
    found = effective_phonons(primitive, *in_motion(ideal, constants, 12, 1))
    mass = np.repeat(ideal.get_masses(), 3)
    size = 3 * len(ideal)
    matrix = constants.transpose(0, 2, 1, 3).reshape(size, size) / np.sqrt(np.outer(mass, mass))
    every = TERAHERTZ * np.sqrt(np.abs(np.linalg.eigvalsh(matrix)))
    small = ase.build.make_supercell(primitive, np.eye(3))
    at_gamma = springs(small, strengths, 4.1).transpose(0, 2, 1, 3).reshape(6, 6)
    mass = np.repeat(small.get_masses(), 3)
    gamma = np.linalg.eigvalsh(at_gamma / np.sqrt(np.outer(mass, mass)))
    together = np.concatenate([found.frequencies.ravel(), TERAHERTZ * np.sqrt(np.abs(gamma))])
    # Square roots of what is zero but for rounding.
    np.testing.assert_allclose(np.sort(together), every, atol=1e-6)


def test_symmetry_makes_up_for_missing_configurations() -> None:
    primitive = ase.build.bulk("W", "bcc", a=3.18)
    ideal = ase.build.bulk("W", "bcc", a=3.18, cubic=True) * 2
    constants = springs(ideal, {("W", "W"): 2.0}, 3.3)
    whole, (one, force) = (in_motion(ideal, constants, count, 2) for count in (9, 1))
    many = effective_phonons(primitive, *whole)
    # A single configuration, turned by all operations, moves in every direction.
    assert effective_phonons(primitive, one, force).rms_difference(many) < 1e-8
    triclinic = Atoms("W", cell=primitive.cell.array, pbc=True)
    triclinic.set_cell([[2.7, 0.2, 0.1], [0.3, 2.9, 0.4], [0.1, 0.5, 3.1]], scale_atoms=True)
    skewed = triclinic * 2
    few = in_motion(skewed, springs(skewed, {("W", "W"): 2.0}, 3.0), 1, 3)
    with pytest.raises(ForceFieldError, match="more are needed"):
        effective_phonons(triclinic, *few)


def test_what_does_not_fit_is_refused() -> None:
    primitive = ase.build.bulk("W", "bcc", a=3.18)
    ideal = ase.build.bulk("W", "bcc", a=3.18, cubic=True) * 2
    good, forces = in_motion(ideal, np.zeros((16, 16, 3, 3)), 2, 4)
    with pytest.raises(ForceFieldError, match="forces of each"):
        effective_phonons(primitive, good, forces[:1])
    with pytest.raises(ForceFieldError, match="one supercell"):
        effective_phonons(ase.build.bulk("W", "bcc", a=3.2), good, forces)
    doubled = ideal.copy()
    doubled.positions[3] = doubled.positions[5] + 0.2
    with pytest.raises(ForceFieldError, match="one at each site"):
        effective_phonons(primitive, [Crystal.from_ase(doubled)], forces[:1])
    one = EffectivePhonons(np.zeros((1, 3)), np.zeros((1, 3)), 0.0)
    with pytest.raises(ForceFieldError, match="different wave vectors"):
        one.rms_difference(EffectivePhonons(np.ones((1, 3)), np.zeros((1, 3)), 0.0))


def test_temperature_of_a_crystal_in_equilibrium() -> None:
    """Displacements from Boltzmann's distribution of the harmonic crystal at 300 K."""
    primitive = ase.build.bulk("W", "bcc", a=3.18)
    ideal = ase.build.bulk("W", "bcc", a=3.18, cubic=True) * 3
    constants = springs(ideal, {("W", "W"): 2.0}, 3.3)
    values, modes = np.linalg.eigh(constants.transpose(0, 2, 1, 3).reshape(162, 162))
    kept, generator = values > 1e-6, np.random.default_rng(5)
    snapshots, forces = [], []
    for _ in range(40):
        width = np.sqrt(300.0 * ase.units.kB / values[kept])
        shifts = (modes[:, kept] @ (width * generator.normal(size=kept.sum()))).reshape(-1, 3)
        moved = ideal.copy()
        moved.positions += shifts
        snapshots.append(Crystal.from_ase(moved))
        forces.append(-np.einsum("ijxy,jy->ix", constants, shifts))
    found = effective_phonons(primitive, snapshots, forces)
    # A sum of 40 * 159 squares of Gaussian numbers: its relative deviation is 1.8 %.
    assert found.temperature == pytest.approx(300.0, rel=0.06)
