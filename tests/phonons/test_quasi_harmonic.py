"""Thermal expansion and Grüneisen parameters: phonopy, analytic crystals, and what goes wrong."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from phonopy import PhonopyQHA
from phonopy.api_gruneisen import PhonopyGruneisen

from madelung.common.errors import CrystalWarning, PhononError
from madelung.common.units import BOLTZMANN_CONSTANT, GAS_CONSTANT, GIGAPASCAL
from madelung.crystals.crystal import Crystal
from madelung.phonons.displacements import phonons_of_force_field
from madelung.phonons.grueneisen import mode_grueneisen
from madelung.phonons.mesh import mesh_points
from madelung.phonons.prediction import Phonons
from madelung.phonons.quasi_harmonic import QuasiHarmonic, expansion_of_volumes, quasi_harmonic
from madelung.phonons.thermodynamics import Thermodynamics, thermodynamics

COPPER = 3.5898


@pytest.fixture(scope="module")
def copper() -> QuasiHarmonic:
    return quasi_harmonic(
        ase.build.bulk("Cu", a=COPPER), EMT(), supercell=(3, 3, 3),
        temperatures=np.arange(0.0, 611.0, 10.0),
    )  # fmt: skip


def _thermal(found: QuasiHarmonic, temperatures: Any) -> list[Thermodynamics]:
    points, weights = mesh_points(Crystal.from_ase(ase.build.bulk("Cu", a=COPPER)))
    return [
        thermodynamics(one.harmonic.frequencies(points), weights, temperatures)
        for one in found.phonons
    ]


def _phonopy(found: QuasiHarmonic, thermal: list[Thermodynamics], eos: str) -> PhonopyQHA:
    to_kilojoules = GAS_CONSTANT / BOLTZMANN_CONSTANT / 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PhonopyQHA(
            volumes=found.sampled_volumes,
            electronic_energies=found.static_energies,
            temperatures=thermal[0].temperatures,
            free_energy=np.array([one.free_energy for one in thermal]).T * to_kilojoules,
            cv=np.array([one.heat_capacity for one in thermal]).T,
            entropy=np.array([one.entropy for one in thermal]).T,
            eos=eos,
            t_max=thermal[0].temperatures[-2],
        )


@pytest.mark.slow
def test_expansion_is_that_of_phonopy(copper: QuasiHarmonic) -> None:
    temperatures = np.arange(0.0, 603.0, 1.0)
    thermal = _thermal(copper, temperatures)
    ours = expansion_of_volumes(copper.sampled_volumes, copper.static_energies, thermal)
    theirs = _phonopy(copper, thermal, "birch_murnaghan")
    # phonopy takes differences of temperatures, which are coarse where it is coldest.
    warm = np.arange(40, len(theirs.thermal_expansion) - 1)
    for mine, other, relative in (
        (ours.volumes, theirs.volume_temperature, 1e-6),
        (ours.bulk_modulus, theirs.bulk_modulus_temperature, 1e-4),
        (ours.expansion, theirs.thermal_expansion, 2e-3),
        (ours.heat_capacity, theirs.heat_capacity_P_numerical, 2e-3),
    ):
        assert mine[warm] == pytest.approx(np.asarray(other)[warm], rel=relative)
    assert ours.gibbs_energy[warm] == pytest.approx(theirs.gibbs_temperature[warm], abs=1e-7)
    # Another equation of state says how much hangs on its form.
    vinet = _phonopy(copper, thermal, "vinet")
    assert ours.expansion[300] == pytest.approx(vinet.thermal_expansion[300], rel=0.03)
    assert ours.grueneisen[300] == pytest.approx(theirs.gruneisen_temperature[300], rel=0.01)


@pytest.mark.slow
def test_the_whole_way_is_that_of_its_parts(copper: QuasiHarmonic) -> None:
    again = expansion_of_volumes(
        copper.sampled_volumes, copper.static_energies, _thermal(copper, copper.temperatures)
    )
    assert again.volumes == pytest.approx(copper.volumes, rel=1e-12)
    # One atom a cell, whose volume is a quarter of the cube's.
    lengths = (4.0 * copper.sampled_volumes) ** (1.0 / 3.0) / COPPER
    assert lengths == pytest.approx(np.arange(0.97, 1.0401, 0.01), rel=1e-12)
    assert copper.warnings == () and copper.formula == "Cu"


@pytest.mark.slow
def test_copper_expands_about_as_measured(copper: QuasiHarmonic) -> None:
    """Measured at 300 K: 16.5e-6 1/K of length, 24.4 J/(K mol), γ = 2.0; EMT is approximate."""
    at = int(np.flatnonzero(copper.temperatures == 300.0)[0])
    assert 12e-6 < copper.expansion[at] / 3.0 < 24e-6
    assert copper.heat_capacity[at] == pytest.approx(24.4, rel=0.03)
    assert 1.7 < copper.grueneisen[at] < 2.5
    assert copper.expansion[0] == 0.0 and np.isnan(copper.grueneisen[0])
    assert (np.diff(copper.volumes) >= 0.0).all() and (np.diff(copper.bulk_modulus) < 0.0).all()
    assert copper.residuals.max() < 0.1


@pytest.mark.slow
def test_differences_of_the_result_are_its_derivatives(copper: QuasiHarmonic) -> None:
    temperatures = np.arange(100.0, 600.0, 2.0)
    found = expansion_of_volumes(
        copper.sampled_volumes, copper.static_energies, _thermal(copper, temperatures)
    )
    expansion = np.gradient(np.log(found.volumes), temperatures)
    assert found.expansion[1:-1] == pytest.approx(expansion[1:-1], rel=1e-3)
    second = np.diff(found.gibbs_energy, 2) / 4.0
    capacity = -temperatures[1:-1] * second * GAS_CONSTANT / BOLTZMANN_CONSTANT
    assert found.heat_capacity[1:-1] == pytest.approx(capacity, rel=1e-3)


def _einstein(volumes: np.ndarray, gamma: float, temperatures: Any) -> list[Thermodynamics]:
    """Crystals whose modes all are 5 THz at 10 Å³, and follow the volume with one parameter."""
    frequencies = 5.0 * (volumes / 10.0) ** -gamma
    return [thermodynamics(np.full((1, 3), one), np.ones(1), temperatures) for one in frequencies]


@pytest.mark.parametrize("gamma", [2.0, 0.5, -1.0])
def test_a_crystal_of_one_frequency_has_its_own_parameter(gamma: float) -> None:
    """γ comes back, and α = γ C_V/(B V) (E. Grüneisen, 1912), also where a crystal shrinks."""
    volumes = 10.0 * np.linspace(0.9, 1.12, 9)
    static = 2.0 * (volumes / 10.0 - 1.0) ** 2
    temperatures = [50.0, 300.0, 700.0]
    found = expansion_of_volumes(volumes, static, _einstein(volumes, gamma, temperatures))
    assert found.grueneisen == pytest.approx([gamma] * 3, rel=2e-3)
    own = _einstein(found.volumes, gamma, temperatures)
    capacity = np.array([one.heat_capacity[at] for at, one in enumerate(own)])
    expected = gamma * capacity * BOLTZMANN_CONSTANT / GAS_CONSTANT
    expected = expected / (found.bulk_modulus * GIGAPASCAL * found.volumes)
    assert found.expansion == pytest.approx(expected, rel=2e-3)


def test_a_result_ends_where_the_minimum_leaves_the_volumes() -> None:
    volumes = 10.0 * np.linspace(0.96, 1.04, 7)
    static = 2.0 * (volumes / 10.0 - 1.0) ** 2
    thermal = _einstein(volumes, 2.0, np.arange(0.0, 3001.0, 100.0))
    with pytest.warns(CrystalWarning, match=r"9\.6 and 10\.4 Å³/atom; add larger strains"):
        found = expansion_of_volumes(volumes, static, thermal, formula="X")
    last = found.temperatures[-1]
    assert 0.0 < last < 3000.0 and f"at {last + 100.0:g} K" in found.warnings[0]
    assert len(found.volumes) == len(found.free_energies) == len(found.temperatures)
    assert (found.volumes < 10.4).all()
    with pytest.raises(PhononError, match=r"X: at 0 K .* add smaller strains"):
        expansion_of_volumes(volumes + 1.0, static + volumes, thermal, formula="X")


@pytest.mark.slow
def test_unstable_volumes_are_warned_of() -> None:
    """Stretched by a seventh, the bonds of argon have passed the bend of their potential."""
    calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=9.0, smooth=True)
    with pytest.warns(CrystalWarning, match=r"is unstable|are left out"):
        found = quasi_harmonic(
            ase.build.bulk("Ar", a=5.25), calculator,
            strains=(-0.03, -0.01, 0.0, 0.02, 0.04, 0.15),
            supercell=(2, 2, 2), temperatures=[0.0, 10.0],
        )  # fmt: skip
    largest = f"{found.sampled_volumes[-1]:.4g} Å³/atom"
    assert any(largest in note for note in found.warnings)
    assert not any(f"{found.sampled_volumes[1]:.4g} Å³/atom" in note for note in found.warnings)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strains": (0.0, 0.01, 0.02)}, "at least 5 strains"),
        ({"strains": (0.0, 0.0, 0.01, 0.02, 0.03)}, "each once"),
        ({"strains": (-0.6, 0.0, 0.01, 0.02, 0.03)}, "between -0.5 and 0.5"),
        ({"strains": (float("nan"), 0.0, 0.01, 0.02, 0.03)}, "between -0.5 and 0.5"),
        ({"temperatures": []}, "one or more"),
        ({"temperatures": [300.0, 100.0]}, "ascending"),
        ({"temperatures": [-5.0, 100.0]}, "below 0 K"),
        ({"temperatures": [0.0, float("inf")]}, "finite"),
        ({"supercell": (0, 1, 1)}, "supercell of"),
    ],
)
def test_arguments_that_make_no_sense(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(PhononError, match=said):
        quasi_harmonic(ase.build.bulk("Cu", a=COPPER), EMT(), **wrong)


@pytest.mark.slow
def test_a_crystal_that_is_too_small_is_refused_with_its_volumes() -> None:
    with pytest.raises(PhononError, match=r"Cu: at 0 K .* larger strains, or relax"):
        quasi_harmonic(
            ase.build.bulk("Cu", a=3.2), EMT(), supercell=(2, 2, 2), temperatures=[0.0, 300.0]
        )


@pytest.mark.slow
def test_cells_of_a_crystal_expand_alike() -> None:
    """The cube of four atoms, shifted, is its primitive cell."""
    wanted: dict[str, Any] = {
        "strains": (-0.02, 0.0, 0.01, 0.02, 0.03), "temperatures": [0.0, 300.0],
    }  # fmt: skip
    primitive = ase.build.bulk("Cu", a=COPPER)
    cube = ase.build.bulk("Cu", a=COPPER, cubic=True)
    cube.positions += 0.1
    one = quasi_harmonic(primitive, EMT(), supercell=(3, 3, 3), **wanted)
    other = quasi_harmonic(cube, EMT(), supercell=(3, 3, 3), **wanted)
    assert other.volumes == pytest.approx(one.volumes, rel=2e-4)
    assert other.expansion[1] == pytest.approx(one.expansion[1], rel=0.02)


# Grüneisen parameters of modes.


def _three(build: Any, supercell: tuple[int, int, int]) -> list[Phonons]:
    found = []
    for factor in (0.995, 1.0, 1.005):
        atoms = build()
        atoms.set_cell(atoms.cell * factor, scale_atoms=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CrystalWarning)
            found.append(phonons_of_force_field(atoms, EMT(), supercell))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["copper", "layers", "alloy"])
def test_parameters_of_modes_are_those_of_phonopy(kind: str) -> None:
    builds = {
        "copper": lambda: ase.build.bulk("Cu", a=COPPER),
        # Two atoms a cell, hexagonal.
        "layers": lambda: ase.build.bulk("Cu", "hcp", a=2.54, c=4.17),
        "alloy": lambda: ase.build.bulk("CuAu", "cesiumchloride", a=3.1),
    }
    supercell = (3, 3, 3)
    three = _three(builds[kind], supercell)
    small, middle, large = (one.to_phonopy(supercell) for one in three)
    theirs = PhonopyGruneisen(middle, large, small)
    theirs.set_mesh([4, 4, 4], is_gamma_center=False, is_mesh_symmetry=False)
    points, _, frequencies, _, expected = theirs.get_mesh()  # type: ignore[misc]
    found = mode_grueneisen(three[0], three[1], three[2], points)
    # phonopy does not sort degenerate modes by their parameters.
    order = np.lexsort((expected, np.round(frequencies, 3)), axis=1)
    expected = np.take_along_axis(expected, order, axis=1)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_parameters_sum_up_to_the_thermodynamic_one(copper: QuasiHarmonic) -> None:
    """γ of a crystal is the mean of its modes' with their heat capacities as weights."""
    middle = copper.phonons[3]
    points, weights = mesh_points(middle.crystal)
    modes = mode_grueneisen(copper.phonons[2], middle, copper.phonons[4], points)
    frequencies = middle.harmonic.frequencies(points)
    x = frequencies / 300.0 * 47.99243  # h/k in K/THz
    known = np.isfinite(modes)
    capacities = np.where(known, x**2 * np.exp(x) / np.expm1(np.where(known, x, 1.0)) ** 2, 0.0)
    capacities *= weights[:, None]
    mean = (capacities * np.where(known, modes, 0.0)).sum() / capacities.sum()
    entropies = np.array([one.entropy[0] for one in _thermal(copper, [300.0])])
    slope = np.gradient(entropies, copper.sampled_volumes)[3]
    heat = _thermal(copper, [300.0])[3].heat_capacity[0]
    assert mean == pytest.approx(slope * copper.sampled_volumes[3] / heat, rel=0.02)


def test_parameters_of_springs_that_follow_a_power() -> None:
    """Force constants that go with V^-2γ give every mode γ, but the acoustic ones at Γ."""
    middle = phonons_of_force_field(ase.build.bulk("Cu", a=COPPER), EMT(), (2, 2, 2))
    three = []
    for factor in (0.9999, 1.0, 1.0001):
        crystal = middle.crystal
        scaled = Crystal(
            factor ** (1 / 3) * crystal.cell, factor ** (1 / 3) * crystal.positions, crystal.numbers
        )
        matrices = middle.harmonic.matrices * factor ** (-2.0 * 1.7)
        three.append(Phonons(replace(middle.harmonic, crystal=scaled, matrices=matrices)))
    points = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.1, 0.2, 0.3]]
    found = mode_grueneisen(three[0], three[1], three[2], points)
    assert np.isnan(found[0]).all() and found[1:] == pytest.approx(np.full((2, 3), 1.7), rel=1e-5)
    with pytest.raises(PhononError, match="do not ascend"):
        mode_grueneisen(three[2], three[1], three[0], points)
    gold = Crystal(three[2].crystal.cell, three[2].crystal.positions, np.array([79]))
    other = Phonons(replace(three[2].harmonic, crystal=gold))
    with pytest.raises(PhononError, match="have not the same atoms"):
        mode_grueneisen(three[0], three[1], other, points)
