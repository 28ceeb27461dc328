"""Reading of reference data: names, units and signs, bad frames, real files."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from places import SHARED

from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference.configurations import SkippedConfigurations, read_configurations

DATA = SHARED / "data" / "forcefields"

FRAME = """2
Lattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3:{forces}:R:3 {facts} pbc="{pbc}"
Si 0 0 0 0.1 0.2 0.3
Si {x} 0 0 -0.1 -0.2 -0.3
"""


def frame(
    facts: str = "energy=-3.5", forces: str = "forces", x: str = "2.0", pbc: str = "T T T"
) -> str:
    return FRAME.format(facts=facts, forces=forces, x=x, pbc=pbc)


def write(path: Path, *frames: str) -> Path:
    path.write_text("".join(frames), encoding="utf-8")
    return path


def test_what_ase_wrote_is_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = []
    for count in (1, 3, 2):
        positions = 3.0 * np.arange(count)[:, None] + generator.uniform(0.0, 0.5, (count, 3))
        atoms = Atoms("Cu" * count, positions, cell=np.diag([9.0, 10.0, 11.0]), pbc=True)
        atoms.info["config_type"] = f"kind {count}"
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=generator.normal(),
            forces=generator.normal(size=(count, 3)),
            stress=generator.normal(size=6),
        )
        images.append(atoms)
    ase.io.write(tmp_path / "set.extxyz", images)
    found = list(read_configurations(tmp_path / "set.extxyz"))
    for number, (item, atoms) in enumerate(zip(found, images, strict=True)):
        assert item.id == f"set-{number:06d}"
        assert item.group == f"kind {len(atoms)}"
        assert item.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
        np.testing.assert_allclose(item.forces, atoms.get_forces(), atol=1e-7)
        np.testing.assert_allclose(item.stress, atoms.get_stress(voigt=False), atol=1e-7)
        np.testing.assert_allclose(item.crystal.positions, atoms.positions, atol=1e-7)


@pytest.mark.parametrize("energy", ["energy", "Energy", "dft_energy", "REF_energy", "free_energy"])
@pytest.mark.parametrize("forces", ["forces", "force", "dft_force", "REF_forces"])
def test_usual_names_are_found(tmp_path: Path, energy: str, forces: str) -> None:
    path = write(tmp_path / "a.xyz", frame(f"{energy}=-3.5 tag=bulk", forces))
    (item,) = read_configurations(path)
    assert item.energy == -3.5
    assert item.group == "bulk"
    np.testing.assert_array_equal(item.forces, [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])


def test_reference_values_come_before_plain_ones(tmp_path: Path) -> None:
    (item,) = read_configurations(write(tmp_path / "a.xyz", frame("energy=1 REF_energy=2")))
    assert item.energy == 2.0
    path = write(tmp_path / "a.xyz", frame("energy=1 REF_energy=2"))
    assert next(read_configurations(path, energy_key="energy")).energy == 1.0


def test_a_virial_is_minus_volume_times_stress(tmp_path: Path) -> None:
    virial = 'energy=1 virial="120 12 0 12 240 0 0 0 -120"'
    (item,) = read_configurations(write(tmp_path / "a.xyz", frame(virial)))
    np.testing.assert_allclose(item.stress, [[-1, -0.1, 0], [-0.1, -2, 0], [0, 0, 1]])


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    nan = 'energy=1 stress="nan nan nan nan nan nan nan nan nan"'
    slab = 'energy=1 stress="1 0 0 0 1 0 0 0 1"'
    path = write(
        tmp_path / "a.xyz", frame("energy=1", "momenta"), frame(nan), frame(slab, pbc="T T F")
    )
    items = list(read_configurations(path))
    assert items[0].forces is None
    assert [item.stress for item in items] == [None, None, None]


def test_compressed_files_are_the_same(tmp_path: Path) -> None:
    text = frame("energy=1") + frame("energy=2")
    (tmp_path / "a.extxyz.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b.extxyz.xz").write_bytes(lzma.compress(text.encode()))
    items = list(read_configurations([tmp_path / "a.extxyz.gz", tmp_path / "b.extxyz.xz"]))
    assert [item.energy for item in items] == [1.0, 2.0, 1.0, 2.0]
    assert [item.id for item in items] == ["a-000000", "a-000001", "b-000000", "b-000001"]


BAD = {
    "energy=nan": "not finite",
    "energy=inf": "not finite",
    "energy=abc": "no number",
}


@pytest.mark.parametrize("facts", BAD)
def test_bad_energies_are_left_out(tmp_path: Path, facts: str) -> None:
    skipped = SkippedConfigurations()
    path = write(tmp_path / "a.xyz", frame(), frame(facts), frame())
    assert len(list(read_configurations(path, on_problem=skipped))) == 2
    assert skipped.count == 1
    assert "frame 1" in skipped.problems[0] and BAD[facts] in skipped.problems[0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (frame(x="0.1"), "0.1 Å apart"),
        (frame(x="3.95"), "0.05 Å apart"),
        (frame().replace("0.1 0.2 0.3", "0.1 nan 0.3"), "not finite"),
        (frame().replace("Si 0 0 0", "Qq 0 0 0"), "Qq"),
        (frame().replace("Si 0 0 0", "Si 0 0"), "cannot be read"),
        (frame("colour=red", "momenta"), "no energy"),
    ],
)
def test_bad_frames_are_left_out(tmp_path: Path, bad: str, why: str) -> None:
    skipped = SkippedConfigurations()
    path = write(tmp_path / "a.xyz", frame(), bad, frame())
    assert len(list(read_configurations(path, on_problem=skipped))) == 2
    assert skipped.count == 1
    assert why in skipped.problems[0]
    assert skipped.summary().startswith("configurations left out: 1.")


def test_a_wrong_count_ends_the_file(tmp_path: Path) -> None:
    skipped = SkippedConfigurations()
    path = write(tmp_path / "a.xyz", frame(), frame().replace("2\n", "3\n", 1), frame())
    assert len(list(read_configurations(path, on_problem=skipped))) == 1
    assert "the rest of the file is left out" in skipped.problems[-1]
    assert "frame 1" in skipped.problems[0]


def test_by_default_a_warning_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xyz", frame("energy=nan"), frame(), frame("energy=nan"))
    with pytest.warns(UserWarning, match="left out: 2"):
        assert len(list(read_configurations(path))) == 1


def test_a_named_key_must_be_there(tmp_path: Path) -> None:
    skipped = SkippedConfigurations()
    path = write(tmp_path / "a.xyz", frame())
    assert not list(read_configurations(path, energy_key="e", on_problem=skipped))
    assert "there is no 'e'; the frame has energy" in skipped.problems[0]


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ForceFieldError, match=r"nothing\.xyz"):
        list(read_configurations(tmp_path / "nothing.xyz"))
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(frame().encode() * 50)[:-30])
    with pytest.raises(ForceFieldError, match="damaged or cut off"):
        list(read_configurations(tmp_path / "a.xyz.gz"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the force-field data are not beside the repository")
def test_published_sets_are_read_whole() -> None:
    skipped = SkippedConfigurations()
    items = list(read_configurations(DATA / "mlearn_Cu_test.extxyz.gz", on_problem=skipped))
    assert len(items) == 31 and skipped.count == 0
    assert sum(len(item.crystal) for item in items) == 3178
    assert {item.group for item in items} == {"AIMD-NVT", "Elastic", "Surface", "Vacancy"}
    for item in items:
        assert item.forces is not None and item.stress is not None
        np.testing.assert_allclose(item.forces.sum(axis=0), 0.0, atol=0.02)
