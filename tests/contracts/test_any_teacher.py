"""What every kind of teacher must do: say what it lacks, and make an ASE calculator."""

from __future__ import annotations

from pathlib import Path

import ase.build
import numpy as np
import pytest

import madelung as md
from madelung.forcefields.pairs.complete_pairs import CompletePairs
from madelung.teaching.teachers import TEACHER_KINDS, Teacher, parse_teacher

# Sources that work wherever the tests run; LAMMPS and KIM need programs of their own.
SOURCES = {
    "file": "{folder}/copper.json",
    "ase": "ase:emt",
    "python": "python:ase.calculators.emt:EMT",
}
# Sources that cannot work.
WRONG = {
    "file": "{folder}/nowhere.json",
    "ase": "ase:no_such_calculator",
    "lammps": "lammps:Xx:units metal",
    "kim": "kim:NoSuchModel",
    "python": "python:ase",
}


def teacher(source: str, folder: Path) -> Teacher:
    return parse_teacher("mine=" + source.format(folder=folder))


@pytest.mark.parametrize("kind", SOURCES)
def test_it_makes_a_calculator(kind: str, tmp_path: Path) -> None:
    CompletePairs({"Cu-Cu": "lennard-jones:0.4:2.3"}).save(tmp_path / "copper.json")
    made = teacher(SOURCES[kind], tmp_path)
    assert made.kind == kind and made.reusable
    made.require_usable()
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.calc = made.calculator()
    assert np.isfinite(atoms.get_potential_energy()) and atoms.get_forces().shape == (4, 3)


@pytest.mark.parametrize("kind", TEACHER_KINDS)
def test_what_is_missing_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    made = teacher(WRONG[kind], tmp_path)
    assert made.kind == kind
    with pytest.raises(md.ForceFieldError, match="teacher mine: ") as caught:
        made.require_usable()
    assert "\n" not in str(caught.value)
    with pytest.raises(md.ForceFieldError):
        made.calculator()


@pytest.mark.parametrize("kind", [kind for kind in TEACHER_KINDS if kind != "file"])
def test_a_misspelt_prefix_is_answered_with_the_nearest(kind: str) -> None:
    with pytest.raises(md.ForceFieldError, match=rf"is it .*\b{kind}\b"):
        parse_teacher(f"{kind}x:emt").require_usable()
