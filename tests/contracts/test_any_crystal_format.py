"""What every format of crystal files must do: give the crystal back, and refuse what is damaged."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from judging import assert_same_crystal

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES
from madelung.crystals.reading.formats import CRYSTAL_FORMATS

# Those that ASE reads for us and also writes.
ASE_FORMATS = ("vasp", "extxyz", "xsf", "gen", "espresso-in", "res")
FORMATS = [*CRYSTAL_FORMATS, *ASE_FORMATS]
formats = pytest.mark.parametrize("name", FORMATS)


def written(name: str, crystal: md.Crystal, path: Path) -> Path:
    """A crystal as a file that ASE has written."""
    options = {"espresso-in": {"pseudopotentials": {s: s for s in set(crystal.symbols)}}}
    atoms = crystal.to_ase()
    for array in [key for key in atoms.arrays if key not in ("numbers", "positions")]:
        del atoms.arrays[array]
    ase.io.write(path, atoms, format=name, **options.get(name, {}))
    return path


@formats
@pytest.mark.parametrize("example", EXAMPLE_NAMES)
def test_a_crystal_comes_back(name: str, example: str, tmp_path: Path) -> None:
    crystal = md.example(example)
    path = written(name, crystal, tmp_path / "structure")
    found = md.read(path, format=name)
    assert str(path) in found.source
    assert_same_crystal(found, crystal.to_ase(), 1e-4)


@pytest.mark.parametrize("name", CRYSTAL_FORMATS)
def test_its_suffix_tells_it(name: str, tmp_path: Path) -> None:
    crystal = md.example("TiO2")
    for suffix in CRYSTAL_FORMATS.find(name).suffixes:
        path = written(name, crystal, tmp_path / f"structure{suffix}")
        assert_same_crystal(md.read(path), crystal.to_ase(), 1e-4)


@formats
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "binary"])
def test_a_damaged_file_is_one_clear_error(name: str, damage: str, tmp_path: Path) -> None:
    path = written(name, md.example("SiO2"), tmp_path / "structure")
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": data[: len(data) // 4],
            "noise": bytes(np.random.default_rng(0).integers(33, 126, 300, dtype=np.uint8)),
            "binary": bytes(range(256)),
        }[damage]
    )
    with pytest.raises(md.CrystalError) as caught:
        md.read(path, format=name)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_format_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written("vasp", md.example("SiO2"), tmp_path / "structure")
    with pytest.raises(md.CrystalError, match="'extxyzz' is not read; is it extxyz"):
        md.read(path, format="extxyzz")
