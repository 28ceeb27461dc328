"""Spline MEAM and EAM against LAMMPS, ASE, finite differences and invariances."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from lammps_machine import LIVE, needs_lammps, shipped_potentials
from lammps_oracle import FROZEN, lammps_results, result_of
from numpy.typing import NDArray
from places import SHARED
from scipy.interpolate import CubicSpline as ScipySpline
from spline_potentials import random_meam, random_structure, smooth_eam

from madelung.common.errors import ForceFieldError
from madelung.common.native import spline_core
from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import Evaluation, ForceField
from madelung.forcefields.splines import lammps_files
from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.eam import SplineEAM
from madelung.forcefields.splines.meam import SplineMEAM

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._splines") is None, reason="the core is not built"
)
PUBLISHED = SHARED / "data/forcefields/smeam"


def potential_of(kind: str, seed: int) -> SplineMEAM | SplineEAM:
    return random_meam(seed) if kind == "meam" else smooth_eam(seed, kind == "fs")


def symbols_of(kind: str) -> tuple[str, ...]:
    return ("Ti", "O") if kind == "meam" else ("Cu", "Ni")


def require_same(found: Evaluation, expected: dict[str, Any], tolerance: float) -> None:
    for name in ("energies", "forces", "virial"):
        if expected[name] is None:
            continue
        values = np.array(expected[name])
        scale = max(np.abs(values).max(), 1e-3)
        np.testing.assert_allclose(getattr(found, name), values, rtol=0, atol=tolerance * scale)


@pytest.mark.slow
@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("case", json.loads(FROZEN.read_text()), ids=lambda c: c["kind"])
def test_lammps_says_the_same(case: dict[str, Any], live: bool) -> None:
    found = potential_of(case["kind"], case["seed"]).evaluate(Atoms(**case["structure"]))
    require_same(found, result_of(case) if live else case["result"], 1e-10)


def distorted(atoms: Atoms, seed: int) -> Atoms:
    generator = np.random.default_rng(seed)
    strain = np.eye(3) + 0.03 * generator.normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.positions += 0.1 * generator.normal(size=atoms.positions.shape)
    return atoms


@pytest.mark.parametrize(
    ("symbol", "structure", "constant"),
    [
        ("Cu", "fcc", 3.6),
        ("Ni", "fcc", 3.5),
        ("Si", "diamond", 5.43),
        ("Ge", "diamond", 5.66),
        ("Li", "bcc", 3.44),
        ("Mo", "bcc", 3.16),
    ],
)
@needs_lammps
@pytest.mark.parametrize("copies", [1, 3])
def test_published_meam_by_lammps(
    symbol: str, structure: str, constant: float, copies: int
) -> None:
    path = PUBLISHED / f"{symbol}.meam.spline"
    if not path.exists():
        pytest.skip("the published potentials are not at hand")
    atoms = bulk(symbol, structure, a=constant, cubic=True) * (copies, copies, copies)
    atoms = distorted(atoms, copies)
    expected = lammps_results(atoms, "meam/spline", f"{path} {symbol}", (symbol,))
    require_same(lammps_files.read_meam_spline(path).evaluate(atoms), expected, 1e-10)


SHIPPED = [
    ("Si_1.meam.spline", ("Si",)),
    ("Si_2.meam.spline", ("Si",)),
    ("Ti.meam.spline", ("Ti",)),
    ("TiO.meam.spline", ("Ti", "O")),
    ("Cu_mishin1.eam.alloy", ("Cu",)),
    ("NiAlH_jea.eam.alloy", ("Ni", "Al", "H")),
    ("CuTa.eam.alloy", ("Cu", "Ta")),
    ("FeP_mm.eam.fs", ("Fe", "P")),
    ("NiAlH_jea.eam.fs", ("Ni", "Al", "H")),
]


@needs_lammps
@pytest.mark.parametrize(("name", "elements"), SHIPPED, ids=[name for name, _ in SHIPPED])
def test_shipped_potentials_by_lammps(name: str, elements: tuple[str, ...], tmp_path: Path) -> None:
    path, style = shipped_potentials() / name, name.split(".", 1)[1].replace(".", "/")
    atoms = distorted(bulk(elements[0]) * (3, 3, 3), 1)
    for number, symbol in enumerate(elements[1:]):
        atoms.symbols[number :: 4 + number] = symbol
    if style == "meam/spline":
        potential: ForceField = lammps_files.read_meam_spline(path, elements)
    else:
        potential = getattr(lammps_files, f"read_{style.replace('/', '_')}")(path)
    names = f"{path} {' '.join(elements)}"
    require_same(potential.evaluate(atoms), lammps_results(atoms, style, names, elements), 1e-10)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_setfl_by_ase(seed: int, tmp_path: Path) -> None:
    from ase.calculators.eam import EAM

    potential, atoms = smooth_eam(seed, False), random_structure(seed, ("Cu", "Ni"))
    lammps_files.write_eam_alloy(potential, tmp_path / "CuNi.eam.alloy")
    atoms.calc = EAM(potential=str(tmp_path / "CuNi.eam.alloy"), form="alloy")
    found = potential.evaluate(atoms)
    assert found.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-6)
    forces = atoms.get_forces()
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-5 * np.abs(forces).max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["meam", "alloy", "fs"])
@examples(25)
@given(seed=st.integers(0, 2**32 - 1))
def test_forces_and_virial_are_derivatives(kind: str, seed: int) -> None:
    potential, atoms = potential_of(kind, seed), random_structure(seed, symbols_of(kind))
    generator = np.random.default_rng(seed)
    direction, strain = generator.normal(size=(len(atoms), 3)), generator.normal(size=(3, 3))
    found, step = potential.evaluate(atoms), 1e-6

    def energy(along: float, strained: float) -> float:
        moved = atoms.copy()
        moved.positions += along * direction
        moved.set_cell(moved.cell.array @ (np.eye(3) + strained * strain), scale_atoms=True)
        return potential.evaluate(moved).energy

    by_positions = (energy(step, 0) - energy(-step, 0)) / (2 * step)
    by_strain = (energy(0, step) - energy(0, -step)) / (2 * step)
    scale = np.abs(found.forces).sum() + np.abs(found.energies).sum() + 1
    assert -(found.forces * direction).sum() == pytest.approx(by_positions, abs=1e-6 * scale)
    assert (found.virial * strain).sum() == pytest.approx(by_strain, abs=1e-5 * scale)


def rotation(generator: np.random.Generator) -> NDArray[np.float64]:
    matrix, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return matrix


@pytest.mark.parametrize("kind", ["meam", "fs"])
@examples(25)
@given(seed=st.integers(0, 2**32 - 1))
def test_invariances(kind: str, seed: int) -> None:
    """Turning, mirroring, shifting, reordering, other images and supercells change nothing."""
    potential, atoms = potential_of(kind, seed), random_structure(seed, symbols_of(kind))
    generator = np.random.default_rng(seed)
    found, turn = potential.evaluate(atoms), rotation(generator)
    order = generator.permutation(len(atoms))
    moved = atoms.copy()
    moved.set_cell(moved.cell.array @ turn)
    moved.positions = moved.positions @ turn + generator.normal(size=3)
    moved.positions += generator.integers(-2, 3, (len(atoms), 3)) @ moved.cell.array
    other = potential.evaluate(moved[order])
    scale = np.abs(found.forces).max() + np.abs(found.energies).max() + 1
    np.testing.assert_allclose(other.energies, found.energies[order], rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(other.forces, (found.forces @ turn)[order], atol=1e-10 * scale)
    np.testing.assert_allclose(other.virial, turn.T @ found.virial @ turn, atol=1e-9 * scale)
    double = potential.evaluate(atoms * (2, 1, 1))
    assert double.energy == pytest.approx(2 * found.energy, abs=1e-9 * scale)


@pytest.mark.parametrize("kind", ["meam", "alloy"])
def test_instruction_sets_and_threads_agree(kind: str) -> None:
    core, potential = spline_core(), potential_of(kind, 3)
    atoms = random_structure(3, symbols_of(kind)) * (3, 3, 3)
    chosen = core.instruction_set()
    try:
        found = [replace(potential, threads=3).evaluate(atoms)]
        for name in core.instruction_sets():
            core.set_instruction_set(name)
            found.append(potential.evaluate(atoms))
    finally:
        core.set_instruction_set(chosen)
    for other in found[1:]:
        np.testing.assert_allclose(other.forces, found[0].forces, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(other.energies, found[0].energies, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(other.virial, found[0].virial, rtol=1e-10, atol=1e-10)


def test_a_lone_atom_has_no_energy() -> None:
    atoms = Atoms("Ti", cell=np.eye(3) * 20, pbc=True)
    assert random_meam(1).evaluate(atoms).energy == 0.0
    assert random_meam(1).evaluate(Atoms("O")).energy == 0.0


@examples(25)
@given(seed=st.integers(0, 2**32 - 1))
def test_splines_are_scipys(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, length = generator.normal(), generator.uniform(0.5, 3)
    knots = np.linspace(first, first + length, int(generator.integers(2, 12)))
    values, slopes = generator.normal(size=len(knots)), tuple(generator.normal(size=2))
    x = generator.uniform(knots[0], knots[-1], 50)
    clamped = ScipySpline(knots, values, bc_type=((1, slopes[0]), (1, slopes[1])))
    spline = CubicSpline(knots, values, slopes)
    natural = CubicSpline.natural(knots, values)
    for derivative in (0, 1):
        scale = np.abs(clamped(knots, derivative)).max() + 1
        found, expected = spline(x, derivative), clamped(x, derivative)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * scale)
        expected = ScipySpline(knots, values, bc_type="natural")(x, derivative)
        np.testing.assert_allclose(natural(x, derivative), expected, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(
        spline(knots[-1] + 2.0), values[-1] + 2.0 * slopes[1], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(spline(knots[0] - 2.0), values[0] - 2.0 * slopes[0], atol=1e-10)


def same_functions(one: SplineMEAM, two: SplineMEAM) -> bool:
    pairs = [
        (a, b)
        for name in ("pair", "density", "embedding", "bond", "angle")
        for a, b in zip(getattr(one, name), getattr(two, name), strict=True)
    ]
    return one.numbers == two.numbers and all(
        np.array_equal(a.knots, b.knots)
        and np.array_equal(a.values, b.values)
        and a.slopes == b.slopes
        for a, b in pairs
    )


@pytest.mark.parametrize("seed", range(3))
def test_meam_files_round_trip(seed: int, tmp_path: Path) -> None:
    potential = random_meam(seed, (22, 8, 1)[: seed + 1])
    lammps_files.write_meam_spline(potential, tmp_path / "a.meam.spline", "a comment")
    assert same_functions(lammps_files.read_meam_spline(tmp_path / "a.meam.spline"), potential)
    potential.save(tmp_path / "a.json")
    assert same_functions(SplineMEAM.load(tmp_path / "a.json"), potential)


@pytest.mark.parametrize("finnis_sinclair", [False, True])
def test_eam_files_round_trip(finnis_sinclair: bool, tmp_path: Path) -> None:
    potential = smooth_eam(5, finnis_sinclair, points=203)
    kind = "fs" if finnis_sinclair else "alloy"
    getattr(lammps_files, f"write_eam_{kind}")(potential, tmp_path / "a")
    potential.save(tmp_path / "a.json")
    for other in (
        getattr(lammps_files, f"read_eam_{kind}")(tmp_path / "a"),
        SplineEAM.load(tmp_path / "a.json"),
    ):
        for name in ("embedding", "density", "scaled_pair"):
            assert np.array_equal(getattr(other, name), getattr(potential, name))
        for name in ("numbers", "headers", "comments", "step", "density_step", "reach"):
            assert getattr(other, name) == getattr(potential, name)


def test_damaged_files_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.meam.spline"
    lammps_files.write_meam_spline(random_meam(1), path)
    lines = path.read_text().splitlines()
    for change, message in (
        (lines[:20], "ends too early"),
        ([*lines[:1], "meam/spline 2 Ti Xx", *lines[2:]], "line 2: 'Xx' is no element"),
        ([*lines[:5], "1.6 a 3", *lines[6:]], "line 6: 3 finite numbers"),
        ([*lines[:2], "spline", *lines[3:]], "line 3: 'spline3eq'"),
        ([*lines[:6], "1.7 0 0", *lines[7:]], "equal steps"),
    ):
        path.write_text("\n".join(change))
        with pytest.raises(ForceFieldError, match=message):
            lammps_files.read_meam_spline(path)
    path.write_text("a comment\n3\n0 0\n")
    with pytest.raises(ForceFieldError, match="elements="):
        lammps_files.read_meam_spline(path)
    lammps_files.write_eam_alloy(smooth_eam(1, False, 50), path)
    with pytest.raises(ForceFieldError, match="line"):
        lammps_files.read_eam_fs(path)


def test_unknown_elements_are_refused() -> None:
    with pytest.raises(ForceFieldError, match="does not know Cu"):
        random_meam(1).evaluate(Crystal(np.eye(3) * 4, np.zeros((1, 3)), [29]))
