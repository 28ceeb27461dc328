"""Fits of spline EAMs: what ASE's own EAM says, the published angular ones, files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.eam import EAM
from ase.calculators.emt import EMT
from places import SHARED
from spline_potentials import random_meam

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.files import load_force_field
from madelung.forcefields.reference.comparison import compare
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.splines.eam import tabulated
from madelung.forcefields.splines.fit import fit_spline_meam
from madelung.forcefields.splines.lammps_files import write_meam_spline
from madelung.forcefields.splines.settings import SplineMEAMSettings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._splines") is None, reason="the core is not built"
)
DATA = SHARED / "data/forcefields"


def alloys(count: int) -> list[Configuration]:
    """Copper and gold by ASE's effective medium theory, itself an EAM of two elements."""
    generator, found = np.random.default_rng(7), []
    for number in range(count):
        atoms = ase.build.bulk("Cu", cubic=True, a=generator.uniform(3.6, 4.1)) * (2, 1, 1)
        atoms.symbols[generator.permutation(8)[: generator.integers(0, 9)]] = "Au"
        atoms.positions += generator.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        crystal = Crystal.from_ase(atoms)
        found.append(
            Configuration(f"{number}", crystal, atoms.get_potential_energy(), atoms.get_forces())
        )
    return found


@pytest.mark.slow
def test_an_alloy_is_fitted_and_its_file_says_the_same_in_ase(tmp_path: Path) -> None:
    data = alloys(60)
    settings = SplineMEAMSettings(
        elements=("Cu", "Au"), angular=False, cutoff=5.5, starts=2, search_iterations=20
    )
    fit = fit_spline_meam(data, settings, tmp_path)
    assert fit.validation is not None
    forces = np.concatenate([np.ravel(one.forces) for one in data])
    assert fit.validation.force < 0.1 * forces.std()
    # Three pair terms, two densities, and two embeddings that have slopes at both ends.
    assert fit.parameters == 5 * 12 + 2 * 10
    read = load_force_field(tmp_path / "potential.eam.alloy")
    exact = load_force_field(tmp_path / "potential.json")
    atoms = data[0].crystal.to_ase()
    wanted = exact.evaluate(atoms)
    np.testing.assert_allclose(read.evaluate(atoms).forces, wanted.forces, atol=1e-5)
    assert read.evaluate(atoms).energy == pytest.approx(wanted.energy, abs=1e-6)
    # Another reader, with splines of its own through the tables.
    atoms.calc = EAM(potential=str(tmp_path / "potential.eam.alloy"), form="alloy")
    np.testing.assert_allclose(atoms.get_forces(), wanted.forces, atol=1e-3)
    assert atoms.get_potential_energy() == pytest.approx(wanted.energy, abs=1e-4)


@pytest.mark.slow
def test_a_stopped_fit_goes_on_to_the_same_end(tmp_path: Path) -> None:
    data = [one for one in alloys(40) if one.crystal.formula == "Cu8"] + alloys(12)
    settings = SplineMEAMSettings(
        elements=("Cu", "Au"), angular=False, cutoff=4.5, pair_knots=6, density_knots=6,
        starts=3, polished=2, search_iterations=6, iterations=6,
    )  # fmt: skip
    fit_spline_meam(data, settings, tmp_path)
    before = (tmp_path / "potential.eam.alloy").read_text()
    for path in (tmp_path / "polished").iterdir():
        path.unlink()
    next((tmp_path / "starts").iterdir()).unlink()
    fit = fit_spline_meam(data, settings, tmp_path, resume=True)
    assert (tmp_path / "potential.eam.alloy").read_text() == before
    assert len(json.loads((tmp_path / "report.json").read_text())["starts"]) == 3
    with pytest.raises(ForceFieldError, match="written as an EAM"):
        write_meam_spline(fit.potential, tmp_path / "wrong")
    with pytest.raises(ForceFieldError, match="no EAM"):
        tabulated(random_meam(0))
    with pytest.raises(ForceFieldError, match="other kind"):
        fit_spline_meam(data, settings, tmp_path / "b", initial=random_meam(0, (29, 79)))


@pytest.mark.slow
def test_copper_is_nearer_to_dft_than_the_published_angular_potential(tmp_path: Path) -> None:
    """Of mlearn; the published s-MEAM has .158 eV/Å and 2.46 meV/atom on the test set."""
    if not (DATA / "mlearn_Cu_train.extxyz.gz").exists():
        pytest.skip("the mlearn data are not at hand")
    training = read_configurations(DATA / "mlearn_Cu_train.extxyz.gz")
    settings = SplineMEAMSettings(
        elements=("Cu",), angular=False, cutoff=5.0, starts=1, searched=30, iterations=20
    )
    fit = fit_spline_meam(training, settings, tmp_path)
    test = read_configurations(DATA / "mlearn_Cu_test.extxyz.gz")
    found = compare(fit.potential, (("test", one) for one in test)).with_mean_shift()
    assert found.force_rmse < 0.158 and found.energy_rmse < 2.46
