"""In which order LAMMPS takes the elements of files written here: what the documentation says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from lammps_machine import needs_lammps
from lammps_oracle import lammps_results
from spline_potentials import random_meam, random_structure, smooth_eam

from madelung.forcefields.files import load_force_field
from madelung.forcefields.reference.configurations import read_configurations
from madelung.forcefields.splines import lammps_files
from madelung.forcefields.uf3.basis import PairFunction
from madelung.forcefields.uf3.lammps import write_lammps
from madelung.forcefields.uf3.potential import UF3Potential

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("madelung.common._splines") is None, reason="no native core"
    ),
    needs_lammps,
]
CASES = Path(__file__).parent / "cases"


def test_types_are_in_the_order_of_a_meam_file(tmp_path: Path) -> None:
    """Whatever names ``pair_coeff`` has; the file's first line says so."""
    potential, path = random_meam(1), tmp_path / "TiO.meam.spline"
    lammps_files.write_meam_spline(potential, path)
    first = path.read_text("utf-8").split("\n")[0]
    assert first.endswith("atom types must be Ti, O: pair_coeff * * FILE Ti O")
    atoms = random_structure(0, ("Ti", "O"))
    own = potential.evaluate(atoms).energy
    for named in ("Ti O", "O Ti"):
        right = lammps_results(atoms, "meam/spline", f"{path} {named}", ("Ti", "O"))
        wrong = lammps_results(atoms, "meam/spline", f"{path} {named}", ("O", "Ti"))
        assert sum(right["energies"]) == pytest.approx(own, abs=1e-9)
        assert abs(sum(wrong["energies"]) - own) > 0.1


@pytest.mark.parametrize("style", ["alloy", "fs"])
def test_files_of_eam_go_by_names(style: str, tmp_path: Path) -> None:
    potential, path = smooth_eam(1, style == "fs"), tmp_path / f"CuNi.eam.{style}"
    getattr(lammps_files, f"write_eam_{style}")(potential, path)
    atoms = random_structure(0, ("Cu", "Ni"))
    own = potential.evaluate(atoms).energy
    for types in (("Cu", "Ni"), ("Ni", "Cu")):
        told = lammps_results(atoms, f"eam/{style}", f"{path} {' '.join(types)}", types)
        assert sum(told["energies"]) == pytest.approx(own, abs=1e-9)


def test_files_of_uf3_go_by_names(tmp_path: Path) -> None:
    read = load_force_field(CASES / "uf3_0.4.0_binary.json")
    assert isinstance(read, UF3Potential)
    pairs = [
        PairFunction(one.species, one.knots, np.append(one.coefficients[:-3], np.zeros(3)))
        for one in read.pairs
    ]
    potential = UF3Potential(dict.fromkeys(read.one_body, 0.0), pairs)
    write_lammps(potential, tmp_path / "CuNi.uf3")
    atoms = next(read_configurations(CASES / "alloy_two_frames.extxyz")).crystal.to_ase()
    own = potential.evaluate(atoms).energy
    for types in (("Cu", "Ni"), ("Ni", "Cu")):
        named = f"{tmp_path / 'CuNi.uf3'} {' '.join(types)}"
        told = lammps_results(atoms, "uf3 2", named, types)
        assert sum(told["energies"]) == pytest.approx(own, abs=1e-8)
