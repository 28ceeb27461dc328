"""The interface of force fields: validation finds what is wrong, ASE gets what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones
from ase.calculators.test import gradient_test
from force_fields import Broken, CutOff, SmoothPairs

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.calculator import ForceFieldCalculator
from madelung.forcefields.interface import Evaluation
from madelung.forcefields.soundness.validation import ValidationReport, validate_force_field


@pytest.mark.slow
def test_a_sound_force_field_passes() -> None:
    report = validate_force_field(SmoothPairs())
    assert not report.failed and not report.refused
    structures = {check.structure for check in report.checks}
    assert {"crystal", "skewed cell", "slab", "molecule", "Ar leaves Cu"} <= structures
    assert len(report.rows()) == len(str(report).splitlines()) - 1
    assert validate_force_field(SmoothPairs()).rows() == report.rows()


def scaled_forces(crystal: Crystal, said: Evaluation) -> Evaluation:
    return replace(said, forces=1.001 * said.forces)


def scaled_virial(crystal: Crystal, said: Evaluation) -> Evaluation:
    return replace(said, virial=1.001 * said.virial)


def first_atom_owns_all(crystal: Crystal, said: Evaluation) -> Evaluation:
    energies = np.zeros(len(crystal))
    energies[0] = said.energy
    return replace(said, energies=energies)


def field_along_x(crystal: Crystal, said: Evaluation) -> Evaluation:
    pull = np.zeros((len(crystal), 3))
    pull[:, 0] = 0.01
    return replace(
        said, energies=said.energies - 0.01 * crystal.positions[:, 0], forces=said.forces + pull
    )


def handed(crystal: Crystal, said: Evaluation) -> Evaluation:
    """An energy that changes its sign in a mirror."""
    cell = crystal.cell if crystal.pbc.all() else crystal.positions[:3] - crystal.positions[3:4]
    shift = 0.01 * np.sign(np.linalg.det(cell)) if len(crystal) > 3 else 0.0
    return replace(said, energies=said.energies + shift)


def wrong_volume(crystal: Crystal, said: Evaluation) -> Evaluation:
    return replace(said, volume=1.0 + said.volume)


@cache
def report_of(change: Callable[[Crystal, Evaluation], Evaluation]) -> ValidationReport:
    """What validation says of a force field with a mistake."""
    return validate_force_field(Broken(change=change), strict=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (scaled_forces, "forces are derivatives"),
        (scaled_virial, "virial is a derivative"),
        (first_atom_owns_all, "order of atoms: energies"),
        (first_atom_owns_all, "supercell [2, 1, 1]: energies"),
        (field_along_x, "translation: energies"),
        (field_along_x, "lattice vectors added: energies"),
        (field_along_x, "forces add up to zero"),
        (handed, "improper rotation: energies"),
        (wrong_volume, "shapes and volume"),
    ],
)
def test_what_is_wrong_is_found(
    change: Callable[[Crystal, Evaluation], Evaluation], found: str
) -> None:
    assert found in {check.name for check in report_of(change).failed}


@pytest.mark.slow
def test_a_force_field_with_a_mistake_is_refused() -> None:
    failed = len(report_of(wrong_volume).failed)
    with pytest.raises(ForceFieldError, match=f"^{failed} of .* checks of the force field fail"):
        validate_force_field(Broken(change=wrong_volume))


@pytest.mark.slow
def test_a_mirror_is_not_a_rotation() -> None:
    assert "rotation: energies" not in {check.name for check in report_of(handed).failed}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("force_field", "names"),
    [
        (CutOff(shifted=False), {"energy does not jump", "forces do not jump"}),
        (CutOff(shifted=True), {"forces do not jump"}),
        (SmoothPairs(onset=4.9999), set()),
    ],
)
def test_jumps_at_the_cutoff_are_found(force_field: SmoothPairs, names: set[str]) -> None:
    report = validate_force_field(force_field, strict=False)
    failed = {check.name for check in report.failed}
    assert names <= failed
    if not names:
        assert "energy does not jump" not in failed


@pytest.mark.slow
def test_a_cutoff_that_is_not_kept_is_found() -> None:
    class Longer(SmoothPairs):
        @property
        def cutoff(self) -> float:
            return 4.0

    report = validate_force_field(Longer(), strict=False)
    assert "nothing beyond the cutoff" in {check.name for check in report.failed}


@pytest.mark.slow
def test_given_structures_are_used() -> None:
    rattled = bulk("Cu", "hcp", a=2.6, c=4.2)
    rattled.rattle(0.1, seed=1)
    report = validate_force_field(SmoothPairs(), [rattled])
    assert "0: Cu2" in {check.structure for check in report.checks}
    with pytest.raises(ForceFieldError, match="does not know Fe"):
        validate_force_field(SmoothPairs(), bulk("Fe"))


def ase_structures() -> list[Atoms]:
    crystal = bulk("Cu", "fcc", a=3.7, cubic=True) * (2, 1, 1)
    slab = fcc111("Cu", (2, 2, 3), a=3.7, vacuum=None)
    slab.pbc = (True, True, False)
    cluster = Atoms("Cu5", molecule("CH4").positions * 2.2)
    for atoms in (crystal, slab, cluster):
        atoms.rattle(0.1, seed=2)
    return [crystal, slab, cluster]


@pytest.mark.parametrize("atoms", ase_structures(), ids=["crystal", "slab", "cluster"])
def test_ase_gets_the_same_as_from_its_own_lennard_jones(atoms: Atoms) -> None:
    """ASE's "smooth" potential ends otherwise; one that is shifted at the cutoff is the same."""
    reference = atoms.copy()
    reference.calc = LennardJones(sigma=2.3, epsilon=0.4 * 0.7**2, rc=5.0)
    atoms = atoms.copy()
    atoms.calc = ForceFieldCalculator(CutOff())
    assert atoms.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-9)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), reference.get_forces(), atol=1e-9)
    np.testing.assert_allclose(
        atoms.get_potential_energies(), reference.get_potential_energies(), atol=1e-9
    )
    if atoms.pbc.all():
        np.testing.assert_allclose(atoms.get_stress(), reference.get_stress(), atol=1e-9)
    else:
        with pytest.raises(PropertyNotImplementedError):
            atoms.get_stress()


def test_ase_finds_the_gradient() -> None:
    atoms = ase_structures()[2]
    atoms.calc = ForceFieldCalculator(SmoothPairs())
    analytic, numeric = gradient_test(atoms)
    np.testing.assert_allclose(analytic, numeric, atol=1e-5)


def test_unknown_elements_are_named() -> None:
    atoms = bulk("Fe")
    atoms.calc = ForceFieldCalculator(SmoothPairs())
    with pytest.raises(ForceFieldError, match="does not know Fe; it was made for Ar, Cu"):
        atoms.get_potential_energy()


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(ForceFieldError, match="one structure is evaluated at a time"):
        SmoothPairs().evaluate([bulk("Cu"), bulk("Cu")])
    with pytest.raises(ForceFieldError, match="has no stress"):
        _ = SmoothPairs().evaluate(Atoms("Cu")).stress
    with (
        np.errstate(all="ignore"),
        pytest.raises(ForceFieldError, match="not finite; do atoms coincide"),
    ):
        SmoothPairs().evaluate(Atoms("Cu2", np.zeros((2, 3))))
    assert len(list(SmoothPairs().evaluate_all([bulk("Cu"), Atoms("Cu")]))) == 2
