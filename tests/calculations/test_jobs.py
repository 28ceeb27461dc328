"""Jobs against lattice sums, exact equations of state, and ASE."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.eos import birchmurnaghan
from force_fields import SmoothPairs

import madelung as md
from madelung.calculations.elastic import elastic_constants
from madelung.calculations.equation_of_state import equation_of_state, fit_birch_murnaghan
from madelung.calculations.relax import relax
from madelung.calculations.vacancy import vacancy_energy
from madelung.common.errors import ForceFieldError
from madelung.common.units import GIGAPASCAL
from madelung.forcefields.pairs.complete_pairs import CompletePairs

EPSILON, SIGMA = 0.0104, 3.4
ARGON = CompletePairs({"Ar-Ar": f"lennard-jones:{EPSILON}:{SIGMA}"})
# Sums of the face-centred cubic lattice over (nearest distance/r)^n: J. E. Jones and A. E. Ingham,
# Proc. R. Soc. A 107, 636 (1925).
SUM_12, SUM_6 = 12.13188, 14.45392
NEAREST = SIGMA * (2.0 * SUM_12 / SUM_6) ** (1.0 / 6.0)
EDGE = math.sqrt(2.0) * NEAREST
COHESION = -0.5 * EPSILON * SUM_6**2 / SUM_12


def lattice_elasticity(edge: float) -> tuple[float, float]:
    """C11 and C12 in GPa: M. Born's sums of a pair potential at rest, with the tail integrated."""
    reach = 24
    steps = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    steps = steps[(steps.sum(axis=1) % 2 == 0) & steps.any(axis=1)]
    vectors = 0.5 * edge * steps
    r = np.linalg.norm(vectors, axis=1)
    inside = r < 0.5 * edge * reach
    vectors, r = vectors[inside], r[inside]
    six = (SIGMA / r) ** 6
    stiffness = 4.0 * EPSILON * (168.0 * six**2 - 48.0 * six) / r**4
    volume = edge**3 / 4.0
    x, y, _ = vectors.T
    # Beyond the radius R: integral of -48 * 4 eps sigma^6 r^-6 (x^4 or x²y²)/r^4 * 4 pi r² dr.
    tail = -192.0 * EPSILON * SIGMA**6 * 4.0 * math.pi / (3.0 * (0.5 * edge * reach) ** 3) / volume
    c11 = 0.5 * ((stiffness * x**4).sum() + tail / 5.0) / volume
    c12 = 0.5 * ((stiffness * x**2 * y**2).sum() + tail / 15.0) / volume
    return c11 / GIGAPASCAL, c12 / GIGAPASCAL


def argon(edge: float = 5.0) -> Atoms:
    return bulk("Ar", "fcc", a=edge)


@pytest.mark.pictures
def test_relaxed_argon_has_the_lattice_constant_of_its_sums(tmp_path: Path) -> None:
    result = relax(argon(), ARGON, cell=True, force_tolerance=1e-6)
    assert result.converged
    assert (4.0 * result.crystal.volume) ** (1.0 / 3.0) == pytest.approx(EDGE, rel=1e-6)
    assert result.energy == pytest.approx(COHESION, rel=1e-6)
    result.save(tmp_path)
    written = json.loads((tmp_path / "relax.json").read_text())
    assert written["energy_eV"] == pytest.approx(COHESION, rel=1e-6)
    assert md.read(tmp_path / "relaxed.extxyz").formula == "Ar"
    assert len((tmp_path / "steps.csv").read_text().splitlines()) == len(result.steps) + 1
    assert (tmp_path / "relax.png").stat().st_size > 1000


def test_pressure_is_reached() -> None:
    result = relax(argon(), ARGON, cell=True, pressure=0.5, force_tolerance=1e-6)
    assert result.stress is not None
    np.testing.assert_allclose(result.stress / GIGAPASCAL, -0.5 * np.eye(3), atol=1e-4)


@pytest.mark.parametrize("optimiser", ["bfgs", "fire"])
def test_a_molecule_relaxes(optimiser: str) -> None:
    dimer = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.4]])
    result = relax(dimer, ARGON, force_tolerance=1e-6, optimiser=optimiser)
    assert result.converged and result.stress is None
    distance = np.linalg.norm(result.crystal.positions[1] - result.crystal.positions[0])
    assert distance == pytest.approx(2.0 ** (1.0 / 6.0) * SIGMA, abs=1e-4)
    np.testing.assert_array_equal(dimer.positions[1], [0, 0, 4.4])


def test_constraints_are_kept_and_a_short_run_has_not_converged() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.set_constraint(FixAtoms([0]))
    result = relax(atoms, EMT(), max_steps=2, force_tolerance=1e-6)
    assert not result.converged and len(result.steps) == 3
    np.testing.assert_array_equal(result.crystal.positions[0], atoms.positions[0])


def test_elastic_constants_of_argon(tmp_path: Path) -> None:
    result = elastic_constants(argon(), ARGON, force_tolerance=1e-6)
    c11, c12 = lattice_elasticity(EDGE)
    assert result.cubic is not None and result.converged and result.stable
    # Pair potentials at rest obey Cauchy's relation.
    assert result.cubic == pytest.approx((c11, c12, c12), rel=2e-4)
    assert result.errors.max() < 2e-4 * c11
    assert result.bulk_modulus == pytest.approx((c11 + 2.0 * c12) / 3.0, rel=2e-4)
    result.save(tmp_path)
    written = json.loads((tmp_path / "elastic.json").read_text())
    np.testing.assert_allclose(written["C_GPa"], result.constants)
    assert (tmp_path / "elastic.csv").read_text().splitlines()[0] == ",xx,yy,zz,yz,xz,xy"


@pytest.mark.slow
def test_ions_relax_in_strained_crystals() -> None:
    """A diamond of Lennard-Jones would fall apart; hexagonal packing has free ions too."""
    crystal = bulk("Ar", "hcp", a=NEAREST, c=NEAREST * math.sqrt(8.0 / 3.0))
    relaxed = elastic_constants(crystal, ARGON, force_tolerance=1e-6)
    clamped = elastic_constants(relaxed.crystal, ARGON, relax_first=False, relax_atoms=False)
    assert relaxed.cubic is None
    c, hard = relaxed.constants, clamped.constants
    # The hexagonal crystal's own relation; relaxation softens and never hardens.
    assert c[5, 5] == pytest.approx(0.5 * (c[0, 0] - c[0, 1]), rel=1e-3)
    assert np.linalg.eigvalsh(hard - c).min() > -1e-3
    assert hard[0, 0] - c[0, 0] > 0.01


def test_an_unstable_crystal_is_told() -> None:
    simple = bulk("Ar", "sc", a=3.6)
    assert not elastic_constants(simple, ARGON).stable


@pytest.mark.slow
@pytest.mark.pictures
def test_the_fit_is_exact_for_birch_and_murnaghan(tmp_path: Path) -> None:
    volumes = np.linspace(36.0, 44.0, 7)
    energies = birchmurnaghan(volumes, -3.5, 0.6, 4.7, 40.3)
    fit = fit_birch_murnaghan(volumes, energies, atoms=4)
    assert fit.volume == pytest.approx(40.3, rel=1e-9)
    assert fit.energy == pytest.approx(-3.5, rel=1e-12)
    assert fit.bulk_modulus * GIGAPASCAL == pytest.approx(0.6, rel=1e-7)
    assert fit.derivative == pytest.approx(4.7, rel=1e-5)
    assert fit.residual < 1e-12
    fit.save(tmp_path)
    assert (tmp_path / "eos.png").exists() and (tmp_path / "eos.csv").exists()


def test_equation_of_state_of_argon() -> None:
    result = equation_of_state(argon(5.25), ARGON, span=0.03)
    c11, c12 = lattice_elasticity(EDGE)
    assert result.volume == pytest.approx(EDGE**3 / 4.0, rel=1e-5)
    assert result.bulk_modulus == pytest.approx((c11 + 2.0 * c12) / 3.0, rel=1e-3)
    # Mie's potentials have (m + n)/3 + 2.
    assert result.derivative == pytest.approx(8.0, rel=1e-2)


def test_errors_of_an_equation_of_state_are_those_of_noise() -> None:
    """Fits to noisy energies scatter about the right values as far as their errors say."""
    volumes = np.linspace(36.0, 44.0, 9)
    right = {"volume": 40.3, "energy": -3.5, "bulk_modulus": 0.6 / GIGAPASCAL, "derivative": 4.7}
    exact = birchmurnaghan(volumes, -3.5, 0.6, 4.7, 40.3)
    assert all(error < 1e-5 for error in fit_birch_murnaghan(volumes, exact).errors.values())
    generator = np.random.default_rng(0)
    fits = [
        fit_birch_murnaghan(volumes, exact + 1e-3 * generator.normal(size=9)) for _ in range(60)
    ]
    for name, value in right.items():
        misses = [abs(getattr(fit, name) - value) / fit.errors[name] for fit in fits]
        assert 0.2 < np.median(misses) < 1.2
        assert np.mean(np.array(misses) < 2.0) > 0.8


def test_the_shape_relaxes_at_each_volume() -> None:
    """Cubic argon in a tetragonal cell comes to the cubic volume, energy and modulus."""
    stretched = argon(5.25)
    cell = stretched.cell.array * 1.0
    cell[:, 2] *= 1.02
    stretched.set_cell(cell, scale_atoms=True)
    kept = equation_of_state(stretched, ARGON, span=0.03)
    result = equation_of_state(stretched, ARGON, span=0.03, relax_shape=True)
    c11, c12 = lattice_elasticity(EDGE)
    assert result.converged
    assert result.volume == pytest.approx(EDGE**3 / 4.0, rel=1e-4)
    assert result.bulk_modulus == pytest.approx((c11 + 2.0 * c12) / 3.0, rel=2e-3)
    assert result.energy < kept.energy - 1e-5
    assert set(result.as_object()) >= {"bulk_modulus_error_GPa", "volume_error_A3"}
    with pytest.raises(ForceFieldError, match="relax both"):
        equation_of_state(stretched, ARGON, relax_atoms=False, relax_shape=True)


def test_a_fit_without_a_minimum_is_refused() -> None:
    with pytest.raises(ForceFieldError, match="no minimum between"):
        equation_of_state(argon(5.6), ARGON, span=0.02)


def test_the_vacancy_of_a_pair_potential(tmp_path: Path) -> None:
    """Unrelaxed it costs the cohesion of an atom, and half the sum over its own images."""
    result = vacancy_energy(argon(EDGE), ARGON, smallest=8.0, force_tolerance=1e-4)
    own = md.complete_sums(result.perfect, md.LennardJones(EPSILON, SIGMA)).values[0, 0, 0]
    assert result.unrelaxed_energy == pytest.approx(-COHESION + 0.5 * own, abs=1e-6)
    assert 0.0 < result.unrelaxed_energy - result.energy < 0.01
    assert result.converged and result.atoms == len(result.perfect) == 27
    result.save(tmp_path)
    assert json.loads((tmp_path / "vacancy.json").read_text())["element"] == "Ar"


def test_compounds_need_a_reference() -> None:
    with pytest.raises(ForceFieldError, match="in its reservoir"):
        vacancy_energy(bulk("NaCl", "rocksalt", a=5.6), EMT())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relax(argon(), 3.0), "neither a force field nor an ASE calculator"),
        (lambda: relax([argon(), argon()], ARGON), "one structure"),
        (lambda: relax(argon(), ARGON, optimiser="x"), "unknown optimiser"),
        (lambda: relax(Atoms("Ar"), ARGON, cell=True), "periodic in three directions"),
        (lambda: elastic_constants(Atoms("Ar"), ARGON), "periodic in three directions"),
        (lambda: elastic_constants(argon(), ARGON, strain=1.0), "strain must be between"),
        (lambda: equation_of_state(Atoms("Ar"), ARGON), "periodic in three directions"),
        (lambda: equation_of_state(argon(), ARGON, points=3), "at least 5 points"),
        (lambda: vacancy_energy(Atoms("Ar"), ARGON), "periodic in three directions"),
        (lambda: vacancy_energy(argon(), ARGON, site=3), "no site 3"),
        (lambda: relax(bulk("Fe"), SmoothPairs()), "does not know Fe"),
    ],
)
def test_what_is_wrong_is_said(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ForceFieldError, match=message):
        call()
