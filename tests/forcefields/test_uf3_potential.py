"""UF3 potentials against LAMMPS, brute force, finite differences and their own features."""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lammps_machine import LIVE, needs_lammps, shipped_potentials
from lammps_uf3_results import RESULTS, run_lammps
from places import SHARED
from uf3_cases import binary_settings, potential_of, random_potential, structures

from madelung.common.errors import ForceFieldError
from madelung.common.text import open_text
from madelung.crystals.crystal import Crystal
from madelung.data.formats.extxyz import iterate_frames
from madelung.forcefields.files import load_force_field
from madelung.forcefields.soundness.validation import validate_force_field
from madelung.forcefields.uf3.features import Featurizer
from madelung.forcefields.uf3.lammps import read_lammps, write_lammps
from madelung.forcefields.uf3.potential import UF3Potential

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
DATA = SHARED / "data" / "forcefields"
FROZEN = json.loads(RESULTS.read_text(encoding="utf-8"))
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def require_lammps_result(potential: UF3Potential, crystal: Crystal, result: Any) -> None:
    """Energy (without that of single atoms), forces and stress agree to 1e-8 of the largest."""
    found = potential.evaluate(crystal)
    own = sum(potential.one_body[number] for number in crystal.numbers)
    scale = max(1.0, abs(result["energy"]))
    assert abs(found.energy - own - result["energy"]) < 1e-8 * scale
    largest = np.abs(result["forces"]).max()
    np.testing.assert_allclose(found.forces, result["forces"], rtol=0, atol=1e-8 * largest + 1e-12)
    if crystal.pbc.all():
        stress = np.array([found.stress[place] for place in VOIGT])
        largest = np.abs(result["stress"]).max()
        np.testing.assert_allclose(stress, result["stress"], rtol=0, atol=1e-8 * largest)


@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize(
    "case", FROZEN["results"], ids=lambda case: f"{case['structure']}-{case['uneven']}"
)
def test_two_elements_as_in_lammps(case: Any, live: bool, tmp_path: Path) -> None:
    basis = binary_settings(uneven=case["uneven"]).basis()
    potential = potential_of(basis, np.array(FROZEN["coefficients"][str(case["uneven"])]))
    crystal = Crystal(case["cell"], case["positions"], case["numbers"], case["pbc"])
    result = case
    if live:
        write_lammps(potential, tmp_path / "potential.uf3")
        result = run_lammps(
            str(tmp_path / "potential.uf3"),
            ["Na", "Cl"],
            crystal.cell,
            crystal.positions,
            crystal.symbols,
            crystal.pbc,
        )
    require_lammps_result(potential, crystal, result)


@needs_lammps
@pytest.mark.parametrize("name", ["bulk", "primitive", "small", "slab", "molecule"])
def test_shipped_niobium_potential(name: str) -> None:
    from ase.build import bcc100, bulk

    path = shipped_potentials() / "Nb.uf3"
    atoms: Any = {
        "bulk": lambda: bulk("Nb", "bcc", a=3.3, cubic=True).repeat(3),
        "primitive": lambda: bulk("Nb", "bcc", a=3.3),
        "small": lambda: bulk("Nb", "bcc", a=3.2, cubic=True),
        "slab": lambda: bcc100("Nb", (3, 3, 4), a=3.3, vacuum=10, orthogonal=True),
        "molecule": lambda: bulk("Nb", "bcc", a=3.3, cubic=True).repeat(2),
    }[name]()
    generator = np.random.default_rng(3)
    strain = np.eye(3) + np.tril(0.08 * generator.normal(size=(3, 3)))
    strain = np.eye(3) if name == "slab" else strain
    _, lower = np.linalg.qr(np.asarray(atoms.cell).T)
    cell = (lower.T * np.sign(np.diag(lower))) @ strain
    atoms.set_cell(cell, scale_atoms=True)
    atoms.set_pbc({"slab": (True, True, False), "molecule": False}.get(name, True))
    atoms.rattle(0.15, seed=2)
    if name == "molecule":
        atoms.positions += 10.0
        atoms.set_cell(30.0 * np.eye(3))
    cell = np.tril(np.asarray(atoms.cell))
    potential = load_force_field(path)
    assert isinstance(potential, UF3Potential)
    symbols = list(atoms.symbols)
    result = run_lammps(str(path), ["Nb"], cell, atoms.positions, symbols, atoms.pbc)
    crystal = Crystal(cell, atoms.positions, atoms.numbers, atoms.pbc)
    require_lammps_result(potential, crystal, result)


@needs_lammps
@pytest.mark.parametrize("uneven", [False, True])
def test_lammps_reads_what_is_written(uneven: bool, tmp_path: Path) -> None:
    potential = random_potential(binary_settings(uneven=uneven).basis(), seed=8)
    path = tmp_path / "potential.uf3"
    write_lammps(potential, path)
    crystal = structures()["crystal"]
    result = run_lammps(
        str(path), ["Na", "Cl"], crystal.cell, crystal.positions, crystal.symbols, crystal.pbc
    )
    require_lammps_result(potential, crystal, result)


def brute_force(potential: UF3Potential, crystal: Crystal) -> float:
    """The energy of a molecule by its definition, with SciPy's splines."""
    places, numbers = crystal.positions, crystal.numbers
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    pairs = {pair.species: pair for pair in potential.pairs}
    triplets = {triplet.species: triplet for triplet in potential.triplets}
    energy = sum(potential.one_body[number] for number in numbers)
    for i, j in itertools.permutations(range(len(numbers)), 2):
        key = tuple(sorted((numbers[i], numbers[j])))
        energy += float(pairs[key](distance[i, j]))
    for i in range(len(numbers)):
        for j, k in itertools.combinations([a for a in range(len(numbers)) if a != i], 2):
            first, second = (j, k) if numbers[j] <= numbers[k] else (k, j)
            term = triplets[numbers[i], numbers[first], numbers[second]]
            sides = distance[i, first], distance[i, second], distance[first, second]
            energy += float(term(*(np.array(side) for side in sides)))
    return energy


@pytest.mark.parametrize("uneven", [False, True])
def test_energy_is_its_definition(uneven: bool) -> None:
    potential = random_potential(binary_settings(uneven=uneven).basis())
    crystal = structures()["molecule"]
    assert potential.evaluate(crystal).energy == pytest.approx(
        brute_force(potential, crystal), rel=1e-12
    )


def test_pairs_below_the_first_knot() -> None:
    """They are on the tangent of V2: in energies, forces and features alike."""
    basis = binary_settings(leading=2).basis()
    vector = np.random.default_rng(0).normal(size=basis.size)
    potential = potential_of(basis, vector)
    close = Crystal(np.eye(3), [[0.0, 0.0, 0.0], [0.25, 0.1, 0.0]], [11, 17], False)
    assert potential.evaluate(close).energy == pytest.approx(brute_force(potential, close))
    validate_force_field(potential, [close])
    features = Featurizer(basis)(close)
    assert features.energy @ vector == pytest.approx(potential.evaluate(close).energy)


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [False, True])
def test_it_is_a_sound_force_field(uneven: bool) -> None:
    potential = random_potential(binary_settings(uneven=uneven, leading=2).basis())
    validate_force_field(potential, list(structures().values()))


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), uneven=st.booleans())
def test_features_times_coefficients(seed: int, uneven: bool) -> None:
    basis = binary_settings(uneven=uneven).basis()
    generator = np.random.default_rng(seed)
    vector = generator.normal(size=basis.size)
    count = int(generator.integers(1, 6))
    cell = np.diag(generator.uniform(2.0, 6.0, 3)) + generator.normal(size=(3, 3)) * 0.3
    pbc = generator.random(3) < 0.7
    crystal = Crystal(
        cell, generator.random((count, 3)) @ cell, generator.choice([11, 17], count), pbc
    )
    features = Featurizer(basis)(crystal, virial=True)
    found = potential_of(basis, vector).evaluate(crystal)
    scale = max(1.0, float(np.abs(found.forces).max()))
    assert features.energy @ vector == pytest.approx(found.energy, abs=1e-10 * scale)
    np.testing.assert_allclose(
        features.forces @ vector, found.forces.ravel(), rtol=0, atol=1e-11 * scale
    )
    virial = np.array([found.virial[place] for place in VOIGT])
    np.testing.assert_allclose(features.virial @ vector, virial, rtol=0, atol=1e-9 * scale)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_symmetries(seed: int) -> None:
    """Rotation, order of atoms, translation and supercells change nothing."""
    potential = random_potential(binary_settings().basis(), seed % 7)
    generator = np.random.default_rng(seed)
    crystal = structures()["crystal"]
    known = potential.evaluate(crystal)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(len(crystal))
    moved = (crystal.positions + generator.normal(size=3))[order] @ turn
    other = Crystal(crystal.cell @ turn, moved, crystal.numbers[order], True)
    for changed, copies in ((other, 1), (other.repeat((2, 1, 1)), 2)):
        found = potential.evaluate(changed)
        assert found.energy == pytest.approx(copies * known.energy, rel=1e-11)
        virial = copies * turn.T @ known.virial @ turn
        np.testing.assert_allclose(found.virial, virial, rtol=0, atol=1e-9)
    forces = potential.evaluate(other).forces
    np.testing.assert_allclose(forces, known.forces[order] @ turn, rtol=0, atol=1e-10)


def test_instruction_sets_and_threads_agree() -> None:
    from madelung.common.native import uf3_core

    core, crystal = uf3_core(), structures()["crystal"].repeat(2)
    potential = random_potential(binary_settings().basis())
    chosen = core.instruction_set()
    known = potential.evaluate(crystal)
    try:
        for name, threads in itertools.product(core.instruction_sets(), (1, 2, 5)):
            core.set_instruction_set(name)
            potential.threads = threads
            found = potential.evaluate(crystal)
            np.testing.assert_allclose(found.energies, known.energies, rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(found.forces, known.forces, rtol=0, atol=1e-10)
            np.testing.assert_allclose(found.virial, known.virial, rtol=0, atol=1e-9)
    finally:
        core.set_instruction_set(chosen)


@pytest.mark.parametrize("uneven", [False, True])
def test_files_give_the_same_numbers_back(uneven: bool, tmp_path: Path) -> None:
    potential = random_potential(binary_settings(uneven=uneven).basis())
    potential.metadata["made by"] = "a test"
    potential.save(tmp_path / "potential.json")
    write_lammps(potential, tmp_path / "potential.uf3")
    lines = (tmp_path / "potential.uf3").read_text().splitlines()
    spacing = next(line for line in lines if line.startswith("2B")).split()[-1]
    assert spacing == ("nk" if uneven else "uk")
    again = load_force_field(tmp_path / "potential.json")
    assert isinstance(again, UF3Potential) and again.metadata == {"made by": "a test"}
    for other in (again, read_lammps(tmp_path / "potential.uf3", potential.one_body)):
        assert other.one_body == potential.one_body
        for old, new in zip(
            (*potential.pairs, *potential.triplets), (*other.pairs, *other.triplets), strict=True
        ):
            assert old.species == new.species
            np.testing.assert_array_equal(np.hstack(old.knots), np.hstack(new.knots))
            np.testing.assert_array_equal(old.coefficients, new.coefficients)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "cut off|announced"),
        (lambda text: text.replace("2B Na", "2B Xx"), "element"),
        (lambda text: text.replace("metal", "real"), "metal"),
        (lambda text: text.replace("2B", "4B"), "2B or 3B"),
        (lambda text: "", "no '#UF3 POT'"),
    ],
)
def test_damaged_lammps_files(change: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "potential.uf3"
    write_lammps(random_potential(binary_settings().basis()), path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ForceFieldError, match=words):
        UF3Potential.load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:-100], "JSON"),
        (lambda text: text.replace('"version": 1', '"version": 7'), "version"),
        (lambda text: text.replace('"knots"', '"nots"'), "damaged"),
        (lambda text: "{}", "format"),
    ],
)
def test_damaged_json(change: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "potential.json"
    random_potential(binary_settings().basis()).save(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ForceFieldError, match=words):
        UF3Potential.load(path)


def test_lammps_cannot_hold_every_potential(tmp_path: Path) -> None:
    potential = random_potential(binary_settings().basis())
    incomplete = UF3Potential(potential.one_body, potential.pairs[:2])
    with pytest.raises(ForceFieldError, match="every pair"):
        write_lammps(incomplete, tmp_path / "potential.uf3")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_published_tungsten_potential() -> None:
    """Read as the authors wrote it, it has the errors that they state: 6.3 meV/atom, .174 eV/Å.

    Their energies differ from those of these data by a constant for each atom.
    """
    if not DATA.exists():
        pytest.skip("the tungsten data are not at hand")
    potential = load_force_field(DATA / "uf3_tungsten/manuscript_uf23.json")
    # Of these data, row n is the authors' n + 2.
    training = set(np.loadtxt(DATA / "uf3_tungsten/training_idx.txt", dtype=int) - 2)
    path = DATA / "W_szlachta_9691.extxyz.xz"
    energies, forces = [], []
    with open_text(path) as lines:
        for row, frame in enumerate(iterate_frames(lines, path)):
            if row % 12 or row in training:
                continue
            atoms: Any = ase.io.read(io.StringIO(str(frame)), format="extxyz")
            found = potential.evaluate(atoms)
            energies.append((found.energy - atoms.get_potential_energy()) / len(atoms))
            forces.append((found.forces - atoms.get_forces()).ravel())
    assert len(energies) > 600
    assert 1000 * np.std(energies) == pytest.approx(6.34, rel=0.08)
    assert np.sqrt(np.mean(np.concatenate(forces) ** 2)) == pytest.approx(0.175, rel=0.03)


def test_without_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    from madelung.common.native import uf3_core

    uf3_core.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    try:
        with pytest.raises(ForceFieldError, match="compiler"):
            uf3_core()
    finally:
        uf3_core.cache_clear()
