"""Complete sums of dipoles against brute force, point charges, and invariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dipole_oracle import exact_tensors
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from madelung.common.errors import PotentialError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.examples import example
from madelung.crystals.primitive import primitive_crystal
from madelung.sums.dipole_plan import cheapest_plan, plan_with_splitting
from madelung.sums.dipoles import dipole_tensors, planned_tensors
from madelung.sums.electrostatics import electrostatics

NACL = primitive_crystal(example("NaCl"))
METRIC = np.array([[2.3, 0.3, 0.1], [0.3, 3.1, -0.2], [0.1, -0.2, 1.7]])


def test_rigid_ions_feel_the_second_derivative_of_the_coulomb_energy() -> None:
    """Moved sublattices of point charges: the interaction at Γ, by differences of forces."""
    crystal = primitive_crystal(example("ZnS"))
    charges = np.array([2.0, -2.0] if crystal.numbers[0] == 30 else [-2.0, 2.0])
    tensors = dipole_tensors(crystal, np.eye(3), [[0.0, 0.0, 0.0]]).values[0].real
    blocks = charges[:, None, None, None] * charges[None, :, None, None] * tensors
    # Neutrality: an atom feels the field of all the others.
    own = np.arange(len(crystal))
    blocks[own, own] -= blocks.sum(axis=1)
    step = 1e-3
    for axis in range(3):
        energies = []
        for sign in (1.0, 0.0, -1.0):
            moved = crystal.positions.copy()
            moved[1, axis] += sign * step
            found = electrostatics(replace(crystal, positions=moved), charges, tolerance=1e-12)
            energies.append(float(found.energy))
        second = (energies[0] - 2.0 * energies[1] + energies[2]) / step**2
        # The macroscopic field of the depolarised cell is left out of both.
        assert second == pytest.approx(blocks[1, 1, axis, axis], rel=2e-4, abs=1e-4)


def test_an_atom_is_summed_by_brute_force_away_from_gamma() -> None:
    """Phases make the sum over growing spheres converge, with a smooth end."""
    crystal = Crystal(np.eye(3) * 3.0, np.zeros((1, 3)), np.array([18]))
    point = np.array([0.5, 0.5, 0.5])
    found = dipole_tensors(crystal, np.eye(3), [point]).values[0, 0, 0]
    steps = np.indices((121, 121, 121)).reshape(3, -1).T - 60
    vectors = 3.0 * steps[(steps != 0).any(axis=1)]
    lengths = np.linalg.norm(vectors, axis=1)
    phases = np.cos(np.pi * (vectors / 3.0).sum(axis=1))
    fade = np.exp(-((lengths / 60.0) ** 4))
    weights = phases * fade / lengths**3
    units = vectors / lengths[:, None]
    brute = weights.sum() * np.eye(3) - 3.0 * np.einsum("v,va,vb->ab", weights, units, units)
    assert np.abs(found - COULOMB_CONSTANT * brute).max() < 1e-6


def test_a_dielectric_tensor_is_a_change_of_lengths() -> None:
    """With r = ε^½ s, the sum in a medium is that of a stretched crystal in a vacuum."""
    values, axes = np.linalg.eigh(METRIC)
    root = axes @ np.diag(values**0.5) @ axes.T
    inverse = np.linalg.inv(root)
    stretched = replace(NACL, cell=NACL.cell @ inverse.T, positions=NACL.positions @ inverse.T)
    points = [[0.1, 0.2, -0.3], [0.0, 0.0, 0.0], [0.5, 0.0, 0.5]]
    plain = dipole_tensors(stretched, np.eye(3), points).values
    expected = inverse @ plain @ inverse.T / np.sqrt(np.linalg.det(METRIC))
    assert np.abs(dipole_tensors(NACL, METRIC, points).values - expected).max() < 1e-8


@given(st.integers(0, 2**31))
@examples(15)
def test_symmetry_of_the_sums(seed: int) -> None:
    generator = np.random.default_rng(seed)
    cell = np.eye(3) * 5.0 + generator.uniform(-1.0, 1.0, (3, 3))
    places = np.array([[0.1, 0.1, 0.1], [0.6, 0.4, 0.5], [0.3, 0.8, 0.7]])
    crystal = Crystal(cell, places @ cell, np.array([3, 9, 17]))
    point = generator.uniform(-1.0, 1.0, 3)
    sums = dipole_tensors(
        crystal, METRIC, [point, -point, point + np.array([1, -2, 1])], tolerance=1e-9
    )
    there, back, outside = sums.values
    mirrored = there.conj().transpose(1, 0, 3, 2)
    assert np.abs(there - mirrored).max() < 2.0 * sums.certificate
    assert np.abs(there - back.conj()).max() < 2.0 * sums.certificate
    # Another cell of the reciprocal lattice turns the phases between the atoms.
    turned = np.exp(2j * np.pi * (places @ np.array([1, -2, 1])))
    phases = turned.conj()[:, None] * turned[None, :]
    assert np.abs(there * phases[:, :, None, None] - outside).max() < 2.0 * sums.certificate


@given(st.sampled_from([1e-4, 1e-6, 1e-9]), st.integers(0, 1000))
@examples(12)
def test_certificates_hold(tolerance: float, seed: int) -> None:
    point = np.random.default_rng(seed).uniform(-0.5, 0.5, (1, 3))
    best = dipole_tensors(NACL, METRIC, point, tolerance=1e-11)
    found = dipole_tensors(NACL, METRIC, point, tolerance=tolerance)
    error = np.abs(found.values - best.values).max()
    assert error <= found.certificate + best.certificate
    assert found.certificate <= 1.01 * tolerance + 1e-10


def random_crystal(seed: int) -> tuple[Crystal, NDArray[np.float64], np.random.Generator]:
    """Three atoms in a triclinic cell, some of them outside of it, and a wave vector."""
    generator = np.random.default_rng(seed)
    cell = np.eye(3) * 4.5 + generator.uniform(-1.0, 1.0, (3, 3))
    places = np.array([[0.1, 0.1, 0.1], [0.6, 0.4, 0.5], [0.3, 0.8, 0.7]])
    places = places + generator.uniform(-0.05, 0.05, (3, 3)) + generator.integers(-2, 3, (3, 3))
    point = generator.uniform(-1.0, 1.0, 3)
    return Crystal(cell, places @ cell, np.array([3, 9, 17])), point, generator


@pytest.mark.slow
@given(st.integers(0, 2**31), st.sampled_from([0.3, 0.6, 1.3, 2.5]))
@examples(12)
def test_how_a_sum_is_divided_does_not_matter(seed: int, multiple: float) -> None:
    crystal, point, _ = random_crystal(seed)
    points = np.array([point, np.zeros(3), [0.5, 0.0, 0.5], [1e-6, 0.0, 2.0]])
    usual = cheapest_plan(crystal, METRIC, 1e-10)
    other = plan_with_splitting(crystal, METRIC, 1e-10, multiple * usual.splitting)
    assert other is not None
    assert max(usual.bound, other.bound) <= 1e-10
    ahead = np.array([0.6, 0.0, 0.8])
    one = planned_tensors(crystal, METRIC, points, usual, ahead)
    two = planned_tensors(crystal, METRIC, points, other, ahead)
    assert np.abs(one.values - two.values).max() <= one.certificate + two.certificate
    assert max(one.certificate, two.certificate) < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "point"),
    [(0.0, [0.13, -0.41, 0.27]), (300.0, [0.5, 2.25, -1.0]), (0.0, [1.0, 1e-7, 0.0])],
)
def test_certificates_cover_rounding(origin: float, point: list[float]) -> None:
    """Against sums in 30 digits; at this tolerance rounding is all that there is."""
    cell = np.array([[3.1, 0.2, -0.3], [0.9, 4.2, 0.1], [-1.2, 0.4, 5.3]])
    positions = np.array([[0.1, 0.2, 0.3], [1.9, 2.0, 2.9]]) + origin
    crystal = Crystal(cell, positions, np.array([3, 9]))
    plan = cheapest_plan(crystal, METRIC, 1e-20)
    found = planned_tensors(crystal, METRIC, np.array([point]), plan)
    expected = exact_tensors(cell, positions, METRIC, np.array(point))
    error = np.abs(found.values[0] - COULOMB_CONSTANT * expected).max()
    assert 0.0 < error <= found.certificate
    assert found.certificate < (1e-6 if origin else 1e-8)


def test_sums_in_small_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    crystal, _, generator = random_crystal(1)
    points = np.vstack([np.zeros(3), generator.uniform(-2.0, 2.0, (7, 3)), [1.0, 0.0, -2.0]])
    ahead = np.array([0.1, 0.2, 0.3])
    whole = dipole_tensors(crystal, METRIC, points, direction=ahead)
    one = [dipole_tensors(crystal, METRIC, point, direction=ahead).values[0] for point in points]
    monkeypatch.setattr("madelung.sums.dipoles._CHUNK", 300)
    parts = dipole_tensors(crystal, METRIC, points, direction=ahead)
    assert np.abs(parts.values - whole.values).max() < 1e-12
    # Not even the truncation of a sum depends on what is summed with it.
    assert np.abs(np.array(one) - whole.values).max() < 1e-12


@given(st.integers(0, 2**31))
@examples(10)
def test_turned_crystals_have_turned_sums(seed: int) -> None:
    crystal, point, generator = random_crystal(seed)
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    turned = replace(crystal, cell=crystal.cell @ turn.T, positions=crystal.positions @ turn.T)
    ahead = generator.normal(size=3)
    points = [point, np.zeros(3)]
    one = dipole_tensors(crystal, METRIC, points, direction=ahead)
    two = dipole_tensors(turned, turn @ METRIC @ turn.T, points, direction=turn @ ahead)
    error = np.abs(turn @ one.values @ turn.T - two.values).max()
    assert error <= 3.0 * one.certificate + two.certificate


@given(st.integers(0, 2**31))
@examples(10)
def test_any_cell_and_any_images_of_the_atoms_have_the_same_sums(seed: int) -> None:
    crystal, point, generator = random_crystal(seed)
    lower, upper = np.eye(3, dtype=int), np.eye(3, dtype=int)
    lower[np.tril_indices(3, -1)] = generator.integers(-1, 2, 3)
    upper[np.triu_indices(3, 1)] = generator.integers(-1, 2, 3)
    other = lower @ upper
    moved = crystal.positions + generator.integers(-2, 3, (3, 3)) @ crystal.cell
    same = replace(crystal, cell=other @ crystal.cell, positions=moved)
    one = dipole_tensors(crystal, METRIC, [point, np.zeros(3)])
    two = dipole_tensors(same, METRIC, [other @ point, np.zeros(3)])
    assert np.abs(one.values - two.values).max() <= one.certificate + two.certificate
    # Twice the cell: waves of the small one are there as sums over the copies of an atom.
    double = np.diag([2, 1, 1])
    both = np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]])
    large = Crystal(double @ crystal.cell, both, np.tile(crystal.numbers, 2))
    three = dipole_tensors(large, METRIC, [double @ point])
    folded = three.values[0, :3, :3] + three.values[0, :3, 3:]
    assert np.abs(one.values[0] - folded).max() <= one.certificate + 2.0 * three.certificate


def limit(direction: NDArray[np.float64], size: float) -> NDArray[np.complex128]:
    scaled = size * direction @ NACL.cell.T
    return dipole_tensors(NACL, METRIC, [scaled]).values[0]


def test_gamma_is_reached_from_a_direction() -> None:
    direction = np.array([0.3, -0.5, 0.8])
    at_gamma = dipole_tensors(NACL, METRIC, [[0, 0, 0]], direction=direction).values[0]
    near = limit(direction, 1e-5)
    assert np.abs(near - at_gamma).max() < 1e-3
    without = dipole_tensors(NACL, METRIC, [[0, 0, 0]]).values[0]
    assert np.abs(near - without).max() > 0.1


def test_what_cannot_be_summed_is_refused() -> None:
    with pytest.raises(PotentialError, match="positive"):
        dipole_tensors(NACL, -np.eye(3), [[0, 0, 0]])
    with pytest.raises(PotentialError, match="symmetric"):
        dipole_tensors(NACL, [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0]])
    with pytest.raises(PotentialError, match="3 by 3"):
        dipole_tensors(NACL, np.eye(2), [[0, 0, 0]])
    with pytest.raises(PotentialError, match="tolerance"):
        dipole_tensors(NACL, np.eye(3), [[0, 0, 0]], tolerance=0.0)
    for direction in ([0, 0, 0], [0, 0, np.nan], [1, 0], [[1, 0, 0]], "z"):
        with pytest.raises(PotentialError, match="direction must be three finite numbers"):
            dipole_tensors(NACL, np.eye(3), [[0, 0, 0]], direction=direction)
    for points in ([0.5, 0.5], [[[0, 0, 0]]], [[0, 0, np.inf]], 0.0, [[0, 0, 0], [0, 0]]):
        with pytest.raises(PotentialError, match="rows of three finite numbers"):
            dipole_tensors(NACL, np.eye(3), points)
    with pytest.raises(PotentialError, match="larger error"):
        dipole_tensors(NACL, np.eye(3), [[0, 0, 0]], tolerance=1e-320)
    twice = Crystal(np.eye(3) * 4.0, np.zeros((2, 3)), np.array([11, 17]))
    with pytest.raises(PotentialError, match="one place"):
        dipole_tensors(twice, np.eye(3), [[0, 0, 0]])


def test_the_symmetric_part_of_a_dielectric_tensor_counts() -> None:
    """Calculated ones are not quite symmetric: of the database, one in ten by more than 1e-6."""
    skew = 1e-3 * np.array([[0.0, 1.0, -2.0], [-1.0, 0.0, 0.5], [2.0, -0.5, 0.0]])
    one, two = (dipole_tensors(NACL, metric, [[0.1, 0.2, 0]]) for metric in (METRIC, METRIC + skew))
    assert np.abs(one.values - two.values).max() < 1e-12


def test_no_wave_vectors_have_no_sums() -> None:
    assert dipole_tensors(NACL, METRIC, np.zeros((0, 3))).values.shape == (0, 2, 2, 3, 3)
