"""Pair force fields against LAMMPS, Madelung's constant, brute force and finite differences."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.lj import LennardJones as AseLennardJones
from ase.data import atomic_numbers
from hypothesis import given
from hypothesis import strategies as st
from judging import EXECUTORS
from lammps_machine import LIVE
from lammps_pair_results import CASES as COMMANDS
from lammps_pair_results import run as run_lammps
from places import SUPPORT

import madelung as md
from madelung.common.errors import ForceFieldError
from madelung.common.units import COULOMB_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.crystals.examples import example_path
from madelung.forcefields.calculator import ForceFieldCalculator
from madelung.forcefields.files import load_force_field
from madelung.forcefields.pairs.complete_pairs import CertifiedEvaluation, CompletePairs
from madelung.forcefields.pairs.pair_terms import parse_potential, potential_text
from madelung.forcefields.soundness.validation import validate_force_field

RESULTS = SUPPORT / "lammps_pair_results.json"
CASES = json.loads(RESULTS.read_text(encoding="utf-8"))

# OEIS A085469.
ROCK_SALT = 1.747564594633182

SALT = {
    "Na-Na": "buckingham:424.1:0.32:1.0",
    "Na-Cl": "buckingham:1256.3:0.32:7.0",
    "Cl-Cl": "buckingham:3485.5:0.32:70.0",
}
CHARGES = {"Na": 1.0, "Cl": -1.0}


def salt(**options: Any) -> CompletePairs:
    return CompletePairs(SALT, charges=CHARGES, **options)


@cache
def said_by_lammps(name: str) -> dict[str, Any]:
    """What LAMMPS says now of a case."""
    return run_lammps(next(case for case in COMMANDS if case["name"] == name))


@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_lammps_says_the_same(case: dict[str, Any], executor: str, live: bool) -> None:
    """LAMMPS cuts off at 14 to 80 Å and adds the tail of a uniform fluid."""
    case = said_by_lammps(case["name"]) if live else case
    force_field = CompletePairs(case["pairs"], charges=case["charges"], executor=executor)
    numbers = [atomic_numbers[case["symbols"][kind - 1]] for kind in case["types"]]
    crystal = Crystal(np.diag(case["edges"]), case["positions"], numbers)
    found = force_field.evaluate(crystal)
    assert found.energy == pytest.approx(case["energy"], abs=2e-6)
    np.testing.assert_allclose(found.forces, case["forces"], atol=2e-6)
    voigt = found.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    np.testing.assert_allclose(voigt, case["stress"], atol=1e-7)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_rock_salt_has_madelungs_constant(executor: str) -> None:
    crystal = md.read(example_path("NaCl"))
    force_field = CompletePairs({}, charges=CHARGES, tolerance=1e-12, executor=executor)
    found = force_field.evaluate(crystal)
    assert isinstance(found, CertifiedEvaluation)
    nearest = 0.5 * crystal.volume ** (1.0 / 3.0) * (8 / len(crystal)) ** (1.0 / 3.0)
    constant = -found.energy / (len(crystal) / 2) * nearest / COULOMB_CONSTANT
    assert constant == pytest.approx(ROCK_SALT, abs=1e-10)
    exact = -ROCK_SALT * COULOMB_CONSTANT / nearest * len(crystal) / 2
    assert abs(found.energy - exact) <= found.certificate < 1e-10
    # All of a homogeneous function of degree -1 is in its virial (Clausius).
    assert np.trace(found.virial) == pytest.approx(-found.energy, abs=1e-9)
    np.testing.assert_allclose(found.forces, 0.0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "force_field",
    [
        salt(),
        CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4", "Ar-Kr": "morse:0.35:1.4:2.8"}),
        CompletePairs({"Cu-Cu": "morse:0.34:1.36:2.87"}),
        CompletePairs({"C-C": "50*gaussian:0.8, yukawa:0.3", "C-H": "r9, -3*r4"}),
        CompletePairs({}, charges={"Mg": 2.0, "F": -1.0}),
    ],
    ids=["Buckingham-Coulomb", "argon-krypton", "Morse", "mixture", "charges"],
)
def test_force_fields_are_sound(force_field: CompletePairs) -> None:
    report = validate_force_field(force_field)
    assert len(report.refused) == 1 and report.refused[0].startswith("slab")


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_a_molecule_is_what_it_is_in_a_vast_cell(seed: int) -> None:
    """Images at L add of the order of n² C6/L^6, 1e-12 eV here."""
    generator = np.random.default_rng(seed)
    positions = np.array([[0, 0, 0], [3.9, 0, 0], [0, 4.1, 0], [1.2, 1.1, 3.6]])
    positions = positions + generator.normal(size=(4, 3)) * 0.2
    force_field = CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"}, tolerance=1e-11)
    molecule = force_field.evaluate(Crystal(np.zeros((3, 3)), positions, [18] * 4, False))
    boxed = force_field.evaluate(Crystal(np.eye(3) * 300.0, positions, [18] * 4))
    np.testing.assert_allclose(molecule.energies, boxed.energies, atol=1e-10)
    np.testing.assert_allclose(molecule.forces, boxed.forces, atol=1e-10)
    np.testing.assert_allclose(molecule.virial, boxed.virial, atol=1e-9)


def test_molecules_are_those_of_ase() -> None:
    atoms = Crystal(
        np.zeros((3, 3)), [[0, 0, 0], [3.9, 0, 0], [0, 4.1, 0], [1, 1, 3.6]], [18] * 4, False
    ).to_ase()
    reference = atoms.copy()
    reference.calc = AseLennardJones(sigma=3.4, epsilon=0.0104, rc=1e6)
    atoms.calc = ForceFieldCalculator(CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"}))
    assert atoms.get_potential_energy() == pytest.approx(
        reference.get_potential_energy(), abs=1e-12
    )
    np.testing.assert_allclose(atoms.get_forces(), reference.get_forces(), atol=1e-12)


def test_charges_of_the_structure_are_used() -> None:
    crystal = md.read(example_path("NaCl"))
    own = CompletePairs(SALT, charges="crystal")
    states = np.where(crystal.numbers == 11, 0.9, -0.9)
    charged = Crystal(crystal.cell, crystal.positions, crystal.numbers, charges=states)
    same = CompletePairs(SALT, charges={"Na": 0.9, "Cl": -0.9})
    assert own.evaluate(charged).energy == pytest.approx(same.evaluate(crystal).energy, abs=1e-9)
    bare = Crystal(crystal.cell, crystal.positions, crystal.numbers)
    with pytest.raises(ForceFieldError, match="carries no charges"):
        own.evaluate(bare)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
def test_the_error_is_below_the_certificate_and_that_below_the_tolerance(tolerance: float) -> None:
    crystal = md.read(example_path("NaCl")).repeat((2, 1, 1))
    positions = crystal.positions + np.random.default_rng(0).normal(size=(len(crystal), 3)) * 0.1
    moved = Crystal(crystal.cell, positions, crystal.numbers)
    exact = salt(tolerance=1e-12).evaluate(moved).energy
    found = salt(tolerance=tolerance).evaluate(moved)
    assert isinstance(found, CertifiedEvaluation)
    assert abs(found.energy - exact) <= found.certificate + 1e-11
    assert found.certificate <= tolerance * len(moved)


def test_files_bring_the_same_back(tmp_path: Path) -> None:
    objects = CompletePairs(
        {
            "Na-Cl": 3.0 * md.Pauli(2.9) - md.London() + 0.1 * md.Yukawa(0.3),
            "Cl-Cl": md.Gaussian(0.7),
        },
        charges=CHARGES,
        tolerance=1e-9,
    )
    crystal = md.read(example_path("NaCl"))
    for force_field in (salt(), objects, CompletePairs(SALT, charges="crystal")):
        loaded = load_force_field(force_field.save(tmp_path / "pairs.json"))
        assert isinstance(loaded, CompletePairs)
        assert loaded.as_object() == force_field.as_object()
        if force_field.charges != "crystal":
            assert loaded.evaluate(crystal).energy == force_field.evaluate(crystal).energy
        assert load_force_field(force_field.as_object()).species == force_field.species


@pytest.mark.parametrize("text", ["lennard-jones:0.0104:3.4", "2*r12, -3.5*london, 1e-3*pauli:2"])
def test_text_of_potentials(text: str) -> None:
    potential = parse_potential(text)
    again = parse_potential(potential_text(potential))
    assert again(3.1) == pytest.approx(potential(3.1), rel=1e-14)
    assert math.isfinite(potential(3.1))


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        ({"Na": "london"}, {}, "no pair of elements"),
        ({"Na-Xx": "london"}, {}, "no pair of elements"),
        ({"Na-Cl": "london", "Cl-Na": "london"}, {}, "given twice"),
        ({"Na-Cl": "sorcery"}, {}, "unknown potential"),
        ({"Na-Cl": "x*london"}, {}, "could not convert"),
        ({"Na-Cl": "london"}, {"charges": "oxidation"}, "charges must be"),
        ({"Na-Cl": "london"}, {"charges": {"Na": math.nan}}, "finite charges"),
        ({"Na-Cl": "london"}, {"tolerance": 0.0}, "must be positive"),
        ({}, {}, "at least one"),
    ],
)
def test_what_is_wrong_is_said(
    pairs: dict[str, str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ForceFieldError, match=message):
        CompletePairs(pairs, **options)


def test_structures_that_are_refused() -> None:
    crystal = md.read(example_path("NaCl"))
    slab = Crystal(crystal.cell, crystal.positions, crystal.numbers, (True, True, False))
    with pytest.raises(ForceFieldError, match="with vacuum and pbc=True"):
        salt().evaluate(slab)
    positions = crystal.positions.copy()
    positions[1] = positions[0]
    with pytest.raises(ForceFieldError, match="coincide"):
        salt().evaluate(Crystal(crystal.cell, positions, crystal.numbers))
    with pytest.raises(ForceFieldError, match="coincide"):
        salt().evaluate(Crystal(crystal.cell, positions, crystal.numbers, False))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged JSON"),
        ('{"format": "else"}', "'else'"),
        ('{"format": "madelung-complete-pairs"}', "no complete pair potentials"),
        ('{"format": "madelung-complete-pairs", "pairs": {"Na-Q": "london"}}', "no pair of"),
        ('{"format": "madelung-complete-pairs", "pairs": {}, "version": 99}', "newer"),
        ('{"format": "madelung-complete-pairs", "pairs": {}, "cutoff": 3}', "unknown keys: cutoff"),
        ("nothing", "the format is not known"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "field.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ForceFieldError, match=message) as caught:
        load_force_field(path)
    assert "field.json" in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ForceFieldError, match=r"none\.json"):
        load_force_field(tmp_path / "none.json")
