"""Meshes, thermodynamics, bands and densities of states, against phonopy and seekpath."""

from __future__ import annotations

import warnings

import ase.build
import numpy as np
import pytest
import seekpath
from numpy.typing import NDArray
from phonon_cases import alloy, phonopy_of
from phonon_cases import metal as metal_sets
from phonopy import Phonopy

from madelung.common.errors import PhononError
from madelung.phonons.bands import band_path, bands, density_of_states
from madelung.phonons.force_constants import harmonic_of_phonopy, symmetric_force_constants
from madelung.phonons.mesh import mesh_numbers, mesh_points
from madelung.phonons.prediction import Phonons
from madelung.phonons.thermodynamics import thermodynamics

# phonopy's constants are of an earlier CODATA.
CONSTANTS = 3e-6


@pytest.fixture(scope="module", params=["Cu", "slab"])
def solved(request: pytest.FixtureRequest) -> Phonopy:
    if request.param == "Cu":
        phonon = phonopy_of(ase.build.bulk("Cu", cubic=True), (2, 2, 2), "F")
    else:
        phonon = phonopy_of(ase.build.fcc111("Al", (1, 1, 3), vacuum=4.0), (3, 3, 1))
    symmetric_force_constants(phonon, request.param)
    return phonon


@pytest.fixture(scope="module")
def phonons(solved: Phonopy) -> Phonons:
    return Phonons(harmonic_of_phonopy(solved))


def test_meshes_are_those_of_phonopy(solved: Phonopy, phonons: Phonons) -> None:
    for length in (12.0, 40.0):
        solved.run_mesh(length)
        points, weights = mesh_points(phonons.crystal, length)
        assert mesh_numbers(phonons.crystal, length) == tuple(solved.mesh.mesh_numbers)
        assert len(points) == len(solved.mesh.qpoints)
        theirs = np.average(solved.mesh.frequencies**2, axis=0, weights=solved.mesh.weights)
        ours = np.average(phonons.harmonic.frequencies(points) ** 2, axis=0, weights=weights)
        assert ours == pytest.approx(theirs, rel=CONSTANTS, abs=1e-6)


def test_thermodynamics_is_that_of_phonopy(solved: Phonopy, phonons: Phonons) -> None:
    temperatures = [0.0, 5.0, 77.0, 300.0, 2000.0]
    found = phonons.thermodynamics(temperatures).values
    solved.run_mesh(40.0)
    solved.run_thermal_properties(temperatures=temperatures, cutoff_frequency=0.05)
    theirs = solved.thermal_properties
    atoms = len(phonons.crystal)
    joule = 0.01036426965  # kJ/mol in eV
    assert found.free_energy / 1000 == pytest.approx(
        theirs.free_energy / atoms * joule, rel=1e-5, abs=1e-7
    )
    assert found.entropy == pytest.approx(theirs.entropy / atoms, rel=1e-5, abs=1e-6)
    assert found.heat_capacity == pytest.approx(theirs.heat_capacity / atoms, rel=1e-5, abs=1e-6)
    assert found.free_energy[0] == pytest.approx(found.zero_point)
    # The slope of the free energy is the entropy.
    pair = phonons.thermodynamics([299.9, 300.1]).values
    slope = -(pair.free_energy[1] - pair.free_energy[0]) / 0.2 * 96.48533
    assert slope == pytest.approx(found.entropy[3], rel=1e-6)


def test_limits_of_the_temperature() -> None:
    frequencies, weights = np.array([[1.0, 2.0, 3.0]]), np.ones(1)
    found = thermodynamics(frequencies, weights, [0.0, 1e-3, 1e6])
    assert found.entropy[:2] == pytest.approx(0.0, abs=1e-12)
    assert found.heat_capacity[2] == pytest.approx(3 * 8.314462618, rel=1e-8)
    assert np.isfinite(found.free_energy).all()
    for wrong in ([-1.0], [np.nan], [np.inf]):
        with pytest.raises(PhononError, match="temperatures"):
            thermodynamics(frequencies, weights, wrong)


def test_modes_that_are_left_out_are_counted() -> None:
    frequencies = np.array([[-1.0, 0.01, 3.0], [2.0, 2.5, 3.0]])
    found = thermodynamics(frequencies, np.array([0.25, 0.75]), [300.0])
    assert found.left_out == pytest.approx(0.25 * 2 / 3)


def test_bands_are_those_of_phonopy_along_the_path_of_seekpath(
    solved: Phonopy, phonons: Phonons
) -> None:
    found = bands(phonons)
    crystal = phonons.crystal
    theirs = seekpath.get_path_orig_cell((crystal.cell, crystal.scaled_positions, crystal.numbers))
    assert len(found.path.lines) == len(theirs["path"])
    for (_, last, start, stop), (begin, end) in zip(found.path.lines, theirs["path"], strict=True):
        assert found.path.wave_vectors[start] == pytest.approx(theirs["point_coords"][begin])
        assert found.path.wave_vectors[stop - 1] == pytest.approx(theirs["point_coords"][end])
        assert last[0] in ("Γ", end[0])
    solved.run_qpoints(found.path.wave_vectors)
    squares = np.sort(solved.qpoints.frequencies, axis=1)
    assert np.abs(squares - found.frequencies).max() < 1e-4
    places, labels = found.path.ticks
    assert len(places) == len(labels) and places == sorted(places)


def test_every_mode_is_in_the_density_of_states(phonons: Phonons) -> None:
    found = density_of_states(phonons, 15.0)
    modes = 3 * len(phonons.crystal)
    assert np.trapezoid(found.total, found.frequencies) == pytest.approx(modes, rel=1e-3)
    parts = sum(found.by_element.values())
    assert np.abs(parts - found.total).max() < 1e-9


def moment(density: NDArray[np.float64], grid: NDArray[np.float64]) -> float:
    return float(np.trapezoid(density * grid, grid) / np.trapezoid(density, grid))


def test_heavy_atoms_move_slowly() -> None:
    from madelung.phonons.force_constants import force_constants_of

    found = density_of_states(Phonons(force_constants_of(alloy("Cu", "Au"))), 15.0)
    grid = found.frequencies
    assert moment(found.by_element["Au"], grid) < moment(found.by_element["Cu"], grid)


def test_a_path_needs_a_crystal_that_seekpath_knows() -> None:
    path = band_path(Phonons(harmonic_of_metal()).crystal)
    assert path.lines[0][0] == "Γ"
    assert (np.diff(path.distances) >= -1e-12).all()


def harmonic_of_metal():  # type: ignore[no-untyped-def]
    from madelung.phonons.force_constants import force_constants_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return force_constants_of(metal_sets("Ag"))
