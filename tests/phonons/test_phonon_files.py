"""Files of phonopy that we write and read; shards that are not as they should be."""

from __future__ import annotations

import io
import lzma
import re
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import phonopy
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from phonon_cases import alloy, harmonic_metal, metal, write_shard
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from phonopy.interface.calculator import get_calculator_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from madelung.common.errors import PhononError
from madelung.phonons.files import WRITABLE, read_phonopy, write_phonopy
from madelung.phonons.force_constants import (
    force_constants_of,
    forces_of_displacements,
    harmonic_of_phonopy,
    phonopy_of,
)
from madelung.phonons.force_sets import ForceSets
from madelung.phonons.harmonic_crystal import HarmonicCrystal
from madelung.phonons.shards import read_shard

POINTS = np.random.default_rng(2).uniform(-1.0, 1.0, (6, 3))


@pytest.fixture(scope="module")
def harmonic() -> HarmonicCrystal:
    found = harmonic_metal("Cu")
    return replace(found, born=np.zeros((1, 3, 3)), dielectric=np.eye(3) * 2.0)


@pytest.fixture(scope="module")
def written(harmonic: HarmonicCrystal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phonopy")
    assert len(write_phonopy(harmonic, folder, (4, 4, 4), WRITABLE)) == 5
    (folder / "POSCAR-unitcell").rename(folder / "POSCAR")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_phonopy_finds_the_same_bands_in_what_we_write(
    harmonic: HarmonicCrystal, written: Path
) -> None:
    phonon = phonopy.load(written / "phonopy_params.yaml", is_nac=False, log_level=0)
    phonon.run_qpoints(POINTS)
    theirs = np.sort(phonon.qpoints.frequencies, axis=1)
    assert np.abs(theirs - harmonic.frequencies(POINTS)).max() < 5e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phonopy_params.yaml", "FORCE_CONSTANTS", "FORCE_SETS"])
def test_what_we_write_is_read_again(harmonic: HarmonicCrystal, written: Path, name: str) -> None:
    found = read_phonopy(
        written / name, unit_cell=written / "POSCAR", supercell=(4, 4, 4), born=written / "BORN"
    )
    # Files hold so many digits.
    assert np.abs(found.frequencies(POINTS) - harmonic.frequencies(POINTS)).max() < 1e-5
    assert found.born is not None and found.dielectric == pytest.approx(np.eye(3) * 2.0)


@pytest.mark.slow
def test_files_that_say_nothing_of_their_crystal_need_it(written: Path) -> None:
    with pytest.raises(PhononError, match="name the unit cell's file"):
        read_phonopy(written / "FORCE_SETS")
    with pytest.raises(PhononError, match="no such file"):
        read_phonopy(written / "nothing.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["phonopy_params.yaml", "FORCE_SETS", "FORCE_CONSTANTS"])
def test_files_that_are_cut_off_are_refused(
    written: Path, tmp_path: Path, name: str, cut: float
) -> None:
    text = (written / name).read_text()
    (tmp_path / name).write_text(text[: int(cut * len(text))])
    with pytest.raises(PhononError, match=name):
        read_phonopy(tmp_path / name, unit_cell=written / "POSCAR", supercell=(4, 4, 4))


@pytest.mark.slow
def test_another_crystal_than_that_of_the_forces_is_refused(written: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "POSCAR", alloy("Cu", "Au").crystal.to_ase(), format="vasp")
    with pytest.raises(PhononError, match="FORCE_SETS"):
        read_phonopy(written / "FORCE_SETS", unit_cell=tmp_path / "POSCAR", supercell=(4, 4, 4))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("calculator", ["qe", "siesta", "vasp"])
def test_units_of_other_programs_are_converted(tmp_path: Path, calculator: str) -> None:
    """The same crystal in the units of the program that calculated it."""
    sets = metal("Cu")
    expected = force_constants_of(sets)
    units = get_calculator_physical_units(calculator)
    phonon = Phonopy(
        PhonopyAtoms(
            numbers=sets.crystal.numbers,
            cell=sets.crystal.cell / units.distance_to_A,
            scaled_positions=sets.crystal.scaled_positions,
        ),
        sets.supercell_matrix, primitive_matrix="F", calculator=calculator, log_level=0,
    )  # fmt: skip
    phonon.dataset = {
        "natom": sets.forces.shape[1],
        "first_atoms": [
            {
                "number": int(atom), "displacement": shift / units.distance_to_A,
                "forces": forces / units.force_to_eVperA,
            }
            for atom, shift, forces in zip(
                sets.atoms, sets.displacements, sets.forces, strict=True
            )
        ],
    }  # fmt: skip
    phonon.save(tmp_path / "phonopy_params.yaml", settings={"force_sets": True})
    found = read_phonopy(tmp_path / "phonopy_params.yaml")
    assert found.crystal.cell == pytest.approx(expected.crystal.cell, abs=1e-5)
    assert np.abs(found.frequencies(POINTS) - expected.frequencies(POINTS)).max() < 1e-4


@pytest.mark.slow
def test_nothing_is_taken_from_where_the_program_runs(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stray files of phonopy in the working folder, and one without forces elsewhere."""
    strays, own = tmp_path / "strays", tmp_path / "own"
    write_phonopy(harmonic_metal("Ag"), strays, (4, 4, 4), ["force-sets"])
    (strays / "BORN").write_text("14.4\n9 0 0 0 9 0 0 0 9\n5 0 0 0 5 0 0 0 5\n")
    monkeypatch.chdir(strays)
    plain = harmonic_metal("Cu")
    write_phonopy(plain, own, (4, 4, 4), ["phonopy"])
    assert read_phonopy(own / "phonopy_params.yaml").born is None
    phonon = phonopy_of(plain, (4, 4, 4))
    phonon.save(own / "bare.yaml", settings={"force_constants": False, "force_sets": False})
    with pytest.raises(PhononError, match="lies beside it"):
        read_phonopy(own / "bare.yaml")
    write_phonopy(plain, own, (4, 4, 4), ["force-sets"])
    found = read_phonopy(own / "bare.yaml")
    assert np.abs(found.frequencies(POINTS) - plain.frequencies(POINTS)).max() < 1e-5


@pytest.mark.parametrize("multiple", ["40000", "-40000", "0"])
def test_a_yaml_file_cannot_ask_for_a_supercell_of_any_size(
    written: Path, tmp_path: Path, multiple: str
) -> None:
    text = (written / "phonopy_params.yaml").read_text()
    changed, count = re.subn(
        r"(supercell_matrix:\n- \[ *)(-?\d+)", rf"\g<1>{multiple}", text, count=1
    )
    assert count == 1
    (tmp_path / "phonopy_params.yaml").write_text(changed)
    with pytest.raises(PhononError, match="is not read"):
        read_phonopy(tmp_path / "phonopy_params.yaml")


@pytest.mark.slow
def test_a_supercell_may_have_any_shape(tmp_path: Path) -> None:
    matrix = np.array([[3, 1, 0], [0, 3, 0], [0, 0, 3]])
    plain = harmonic_metal("Cu")
    write_phonopy(plain, tmp_path, matrix, ["force-sets"])
    ase.io.write(tmp_path / "POSCAR", plain.crystal.to_ase(), format="vasp")
    expected = harmonic_of_phonopy(phonopy_of(plain, matrix)).frequencies(POINTS)
    found = read_phonopy(tmp_path / "FORCE_SETS", unit_cell=tmp_path / "POSCAR", supercell=matrix)
    assert np.abs(found.frequencies(POINTS) - expected).max() < 1e-4
    for wrong in ((0, 1, 1), (1, 2), (1000, 1000, 1000)):
        with pytest.raises(PhononError, match="supercell of"):
            read_phonopy(tmp_path / "FORCE_SETS", unit_cell=tmp_path / "POSCAR", supercell=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["60000 60000", "60000", "0", "-1 5", "many"])
def test_files_that_say_to_be_larger_than_they_are(
    written: Path, tmp_path: Path, first: str
) -> None:
    lines = (written / "FORCE_CONSTANTS").read_text().splitlines()
    (tmp_path / "FORCE_CONSTANTS").write_text("\n".join([first, *lines[1:]]) + "\n")
    with pytest.raises(PhononError, match="FORCE_CONSTANTS"):
        read_phonopy(
            tmp_path / "FORCE_CONSTANTS", unit_cell=written / "POSCAR", supercell=(4, 4, 4)
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_force_sets_of_random_displacements_have_no_head(tmp_path: Path) -> None:
    """All atoms displaced at once, as phonopy writes them; solved by symfc."""
    plain = harmonic_metal("Al")
    full = compact_fc_to_full_fc(
        (phonon := phonopy_of(plain, (4, 4, 4))).primitive, phonon.force_constants
    )
    moved = 0.02 * np.random.default_rng(0).normal(size=(2, len(full), 3))
    forces = -np.einsum("imxy,dix->dmy", full, moved)
    rows = np.concatenate([np.hstack(pair) for pair in zip(moved, forces, strict=True)])
    np.savetxt(tmp_path / "FORCE_SETS", rows, fmt="%.12f")
    ase.io.write(tmp_path / "POSCAR", plain.crystal.to_ase(), format="vasp")
    found = read_phonopy(
        tmp_path / "FORCE_SETS", unit_cell=tmp_path / "POSCAR", supercell=(4, 4, 4)
    )
    assert np.abs(found.frequencies(POINTS) - plain.frequencies(POINTS)).max() < 1e-3


@pytest.mark.slow
def test_forces_that_are_no_numbers_are_refused_with_the_file(
    written: Path, tmp_path: Path
) -> None:
    text = (written / "FORCE_SETS").read_text().splitlines()
    text[6] = "nan 0.0 0.0"
    (tmp_path / "FORCE_SETS").write_text("\n".join(text) + "\n")
    with pytest.raises(PhononError, match="FORCE_SETS"):
        read_phonopy(tmp_path / "FORCE_SETS", unit_cell=written / "POSCAR", supercell=(4, 4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("length", [0.0, -0.01, 5.0, float("nan")])
def test_displacements_that_say_nothing_are_refused(length: float) -> None:
    sets = metal("Cu")
    with pytest.raises(PhononError, match=r"make no force constants|finite"):
        replace(sets, displacements=sets.displacements * (length / 0.01 if length > 0 else 0.0))
    with pytest.raises(PhononError, match="make no force constants"):
        forces_of_displacements(force_constants_of(sets), (2, 2, 2), distance=length)


def test_charges_stay_with_the_force_constants() -> None:
    charged = replace(metal("Cu"), born=np.zeros((1, 3, 3)), dielectric=np.eye(3) * 2.0)
    found = force_constants_of(charged)
    assert found.born is not None and found.dielectric is not None


def test_what_cannot_be_written_is_refused(harmonic: HarmonicCrystal, tmp_path: Path) -> None:
    with pytest.raises(PhononError, match="cannot be written"):
        write_phonopy(harmonic, tmp_path, (2, 2, 2), ["phonopy", "poem"])
    plain = replace(harmonic, born=None, dielectric=None)
    with pytest.raises(PhononError, match="no Born charges"):
        write_phonopy(plain, tmp_path, (2, 2, 2), ["born"])
    assert list(tmp_path.iterdir()) == []


# Shards.


def arrays_of(path: Path) -> dict[str, Any]:
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as archive:
        return dict(archive)


def pack(path: Path, arrays: dict[str, Any]) -> Path:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path.write_bytes(lzma.compress(stream.getvalue()))
    return path


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "two.npz.xz"
    write_shard(path, [metal("Cu"), alloy("Cu", "Au")])
    return path


def test_a_shard_holds_what_was_written(shard: Path) -> None:
    for found, given_ in zip(read_shard(shard), (metal("Cu"), alloy("Cu", "Au")), strict=True):
        assert isinstance(found, ForceSets)
        assert found.forces == pytest.approx(given_.forces, abs=1e-5)
        assert found.displacements == pytest.approx(given_.displacements)
        assert found.crystal.cell == pytest.approx(given_.crystal.cell)
        assert (found.crystal.numbers == given_.crystal.numbers).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unit_atoms", lambda values: values + 1),
        ("unit_atoms", lambda values: -values),
        ("supercell_atoms", lambda values: values * 2),
        ("runs", lambda values: values + 5),
        ("lattice", lambda values: values * np.nan),
        ("number", lambda values: values + 200),
        ("atom", lambda values: values + 10**6),
        ("born_atoms", lambda values: values + 3),
        ("odd_low", lambda values: values[:-7]),
        ("odd_middle", lambda values: values[:1]),
        ("odd_high", lambda values: np.append(values, values)),
        ("even_low", lambda values: np.ones(1, dtype=np.uint8)),
        ("paired", lambda values: values + 1),
        ("paired", lambda values: values[:1]),
        ("displacement", lambda values: values * 0.0),
    ],
)
def test_shards_whose_numbers_do_not_fit_are_refused(
    shard: Path, tmp_path: Path, name: str, change: Any
) -> None:
    arrays = arrays_of(shard)
    arrays[name] = change(np.asarray(arrays[name]))
    path = pack(tmp_path / "wrong.npz.xz", arrays)
    try:
        found = list(read_shard(path))
    except PhononError:
        return
    assert any(isinstance(one, PhononError) for one in found)


def test_shards_without_an_array_are_refused(shard: Path, tmp_path: Path) -> None:
    for name in arrays_of(shard):
        arrays = arrays_of(shard)
        del arrays[name]
        with pytest.raises(PhononError, match="wrong"):
            list(read_shard(pack(tmp_path / "wrong.npz.xz", arrays)))


@given(st.integers(0, 2**31))
@examples(25)
def test_shards_with_changed_bytes_raise_no_other_error(seed: int) -> None:
    generator = np.random.default_rng(seed)
    stream = io.BytesIO()
    np.savez(stream, identifier=np.arange(3), unit_atoms=generator.integers(-5, 5, 3))
    content = bytearray(lzma.compress(stream.getvalue()))
    for place in generator.integers(0, len(content), 4):
        content[place] = generator.integers(0, 256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.npz.xz"
        path.write_bytes(bytes(content))
        with pytest.raises(PhononError, match="changed"):
            list(read_shard(path))


def test_arrays_that_say_to_be_larger_than_stored_take_no_memory(
    shard: Path, tmp_path: Path
) -> None:
    content = bytearray(lzma.decompress(shard.read_bytes()))
    stored = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as old, zipfile.ZipFile(stored, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "number.npy":
                data = (
                    data.replace(b"(5,)", b"(10000000000000,)")[:-13]
                    if b"(5,)" in data
                    else (
                        b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, "
                        b"'shape': (10000000000000,), }".ljust(128)
                        + b"\n"
                    )
                )
            new.writestr(name, data)
    (tmp_path / "vast.npz.xz").write_bytes(lzma.compress(stored.getvalue()))
    with pytest.raises(PhononError, match="vast"):
        list(read_shard(tmp_path / "vast.npz.xz"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.npz.xz"
    for content in (b"", b"text", lzma.compress(b"text"), lzma.compress(b"")):
        path.write_bytes(content)
        with pytest.raises(PhononError, match=r"text\.npz\.xz"):
            list(read_shard(path))
    with pytest.raises(PhononError, match="cannot be read"):
        list(read_shard(tmp_path / "none.npz.xz"))
