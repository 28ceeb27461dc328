"""Reading of files: odd and broken ones, several structures, and what reading must never do."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from judging import assert_same_crystal
from odd_cif_files import cif
from odd_files import OddFile, odd_files, write_odd_files
from odd_other_files import extxyz

from madelung.common.errors import CrystalError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.files import iterate, read, read_all

FILES = odd_files()
# What readers warn of is tested beside the warnings; here it is whether files are read.
pytestmark = pytest.mark.filterwarnings("ignore::madelung.common.errors.CrystalWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all the odd files."""
    path = tmp_path_factory.mktemp("odd")
    write_odd_files(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=repr)
def test_odd_file(folder: Path, file: OddFile) -> None:
    path = folder / file.name
    if file.error is None:
        crystal = read(path)
        assert crystal.formula == file.formula
        assert str(crystal.source).startswith(str(path))
        return
    with pytest.raises(CrystalError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert file.error in message
    # Every message says what to do, after a semicolon, and hides the reader's own error.
    assert ";" in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_folder_of_odd_files_loses_no_good_neighbour(folder: Path) -> None:
    paths = [folder / file.name for file in FILES]
    found = dict(iterate(paths))
    assert list(found) == paths
    assert sum(file.error is not None for file in FILES) >= 45
    for file, (path, result) in zip(FILES, found.items(), strict=True):
        assert isinstance(result, Crystal) == (file.error is None), path
        assert isinstance(result, Crystal | CrystalError)


def test_odd_files_lose_no_atom_or_lattice_vector(folder: Path) -> None:
    salt = ase.build.bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    for name in ("neighbour_NaCl.cif", "utf16.cif", "operations_listed.cif", "hall_name.cif",
                 "stale_name_whole_cell.cif", "outside_the_cell.cif"):  # fmt: skip
        assert_same_crystal(read(folder / name), salt)
    caesium = ase.Atoms("CsCl", cell=[3, 3, 3], pbc=True, positions=[[0] * 3, [1.5] * 3])
    for name in ("POSCAR", "POSCAR_volume", "POSCAR_scientific", "CONTCAR_tabs", "crystal.xyz",
                 "structure.json", "entry.json", "database.json"):  # fmt: skip
        assert_same_crystal(read(folder / name), caesium)


def test_special_positions_are_completed(folder: Path) -> None:
    crystal = read(folder / "special_position_few_digits.cif")
    scaled = np.sort(crystal.scaled_positions, axis=0)
    assert np.allclose(scaled, [[1 / 3, 1 / 3, 0.25], [2 / 3, 2 / 3, 0.75]], atol=1e-14)


def test_oxidation_numbers(folder: Path, tmp_path: Path) -> None:
    expected = [1.0] * 4 + [-1.0] * 4
    charged = read(folder / "charged_types.cif")
    assert charged.charges is not None
    assert charged.charges.tolist() == expected
    assert read(folder / "neighbour_NaCl.cif").charges is None
    path = tmp_path / "listed.cif"
    types = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nNa 1\nCl {}\n"
    path.write_text(cif(extra=types.format("-1")))
    listed = read(path)
    assert listed.charges is not None
    assert listed.charges.tolist() == expected
    path.write_text(cif(extra=types.format("?")))
    assert read(path).charges is None


@pytest.mark.parametrize(
    ("symbol", "charge"),
    [("Fe3+", 3.0), ("Fe+3", 3.0), ("Fe2.5+", 2.5), ("Fe+", 1.0), ("O2-", -2.0), ("O-2", -2.0),
     ("Na0+", 0.0)],
)  # fmt: skip
def test_spellings_of_charges(tmp_path: Path, symbol: str, charge: float) -> None:
    path = tmp_path / "one.cif"
    path.write_text(cif((f"A1 {symbol} 0 0 0",), symmetry=""))
    crystal = read(path)
    assert crystal.charges is not None
    assert crystal.charges.tolist() == [charge]
    path.write_text(cif((f"{symbol} 0 0 0",), symmetry="", items=["label", *"xyz"]).replace(
        "_atom_site_x", "_atom_site_fract_x").replace("_atom_site_y", "_atom_site_fract_y").replace(
        "_atom_site_z", "_atom_site_fract_z"))  # fmt: skip
    assert read(path).charges is not None


class TestSeveralStructures:
    """Files that hold more than one structure."""

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        """Return an extxyz, a CIF and a JSON file with Na, NaCl and CsCl."""
        images = [
            ase.Atoms("Na", cell=[3, 3, 3], pbc=True),
            ase.build.bulk("NaCl", "rocksalt", a=5.64),
            ase.build.bulk("CsCl", "cesiumchloride", a=4.1),
        ]
        paths = [tmp_path / name for name in ("many.extxyz", "many.cif", "many.json", "many.traj")]
        for path in paths:
            ase.io.write(path, images)
        return paths

    def test_read_takes_the_last(self, paths: list[Path]) -> None:
        for path in paths:
            assert read(path).formula == "CsCl"
            assert [read(path, index).formula for index in (0, 1, 2, -3)] == [
                "Na", "NaCl", "CsCl", "Na",
            ]  # fmt: skip

    def test_read_all_takes_all(self, paths: list[Path]) -> None:
        for path in paths:
            crystals = read_all(path)
            assert [crystal.formula for crystal in crystals] == ["Na", "NaCl", "CsCl"]
            sources = {crystal.source for crystal in crystals}
            assert len(sources) == 3
            assert all(str(source).startswith(str(path)) for source in sources)

    def test_index_out_of_range(self, paths: list[Path]) -> None:
        for path in paths:
            for index in (3, -4):
                with pytest.raises(CrystalError, match=f"there is no structure {index}"):
                    read(path, index)

    def test_index_must_be_an_integer(self, paths: list[Path]) -> None:
        for index in (":", None, 1.0, True):
            with pytest.raises(CrystalError, match="index must be an integer"):
                read(paths[0], index)  # type: ignore[arg-type]

    def test_iterate_gives_one_or_every(self, paths: list[Path]) -> None:
        assert len(list(iterate(paths))) == 4
        assert len(list(iterate(paths, every=True))) == 12

    def test_a_bad_block_leaves_the_others(self, tmp_path: Path) -> None:
        path = tmp_path / "blocks.cif"
        bad = cif(("Na1 Na ? 0 0",)).replace("data_crystal", "data_bad")
        path.write_text(bad + cif())
        results = [result for _, result in iterate([path], every=True)]
        assert isinstance(results[0], CrystalError)
        assert "(block bad): site Na1" in str(results[0])
        assert isinstance(results[1], Crystal)
        assert read(path).formula == "Na4Cl4"
        with pytest.raises(CrystalError, match="block bad"):
            read_all(path)


class TestPaths:
    """Paths that name no readable file, and names that mean something elsewhere."""

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(CrystalError, match="there is no such file"):
            read(tmp_path / "absent.cif")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CrystalError, match="a folder, not a file"):
            read(tmp_path)

    def test_impossible_name(self) -> None:
        with pytest.raises(CrystalError, match="no file can have this name"):
            read("a\x00b.cif")

    def test_name_too_long(self) -> None:
        with pytest.raises(CrystalError, match="cannot be read"):
            read("a" * 10_000 + ".cif")

    def test_name_that_is_no_text(self, tmp_path: Path) -> None:
        path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.cif")
        with open(path, "wb") as stream:
            stream.write(b"data_x\n")
        with pytest.raises(CrystalError, match="lists no atoms") as caught:
            read(os.fsdecode(path))
        assert str(caught.value).encode()

    def test_format_can_be_named(self, tmp_path: Path) -> None:
        path = tmp_path / "anything.dat"
        path.write_text(extxyz())
        assert read(path, format="extxyz").formula == "CsCl"
        assert read(path, format="xyz").volume == pytest.approx(27.0)
        path.write_text("  " + cif())
        assert read(path, format="cif").formula == "Na4Cl4"
        with pytest.raises(CrystalError, match="the format 'nonsense' is not read"):
            read(path, format="nonsense")


def test_open_structures_are_read_and_refused_by_sums(tmp_path: Path) -> None:
    path = tmp_path / "slab.xyz"
    path.write_text(extxyz(more=' pbc="T T F"'))
    slab = read(path)
    assert slab.pbc.tolist() == [True, True, False]
    with pytest.raises(CrystalError, match=r"slab\.xyz: .*periodic along 2"):
        slab.require_periodic()
    path.write_text("1\n\nHe 0 0 0\n")
    with pytest.raises(CrystalError, match=r"slab\.xyz: .*periodic along 0"):
        read(path).require_periodic()
    path.write_text(extxyz(lattice='Lattice="3 0 0 0 3 0 3 3 0"'))
    with pytest.raises(CrystalError, match=r"slab\.xyz: the cell has no volume"):
        read(path).require_periodic()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["large.extxyz", "POSCAR", "large.cif"])
def test_ten_thousand_atoms(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    cell = np.diag([60.0, 60.0, 60.0])
    atoms = ase.Atoms(
        numbers=np.repeat([11, 17], 5000), scaled_positions=rng.random((10_000, 3)), cell=cell,
        pbc=True,
    )  # fmt: skip
    # Atoms at random would come too close for a CIF to mean two of them.
    grid = np.stack(np.meshgrid(*[np.arange(22)] * 3, indexing="ij"), -1).reshape(-1, 3)[:10_000]
    atoms.set_scaled_positions((grid + 0.3 * rng.random(grid.shape)) / 22)
    path = tmp_path / name
    ase.io.write(path, atoms)
    assert_same_crystal(read(path), atoms, 1e-6 * 60, in_order=True)


class TestNoCodeRuns:
    """Files that would run code if they were unpickled or imported."""

    class Trap:
        """Make a file when unpickled."""

        def __init__(self, marker: Path) -> None:
            self.marker = marker

        def __reduce__(self) -> tuple[Any, ...]:
            """Return what unpickling calls."""
            return (os.mkdir, (str(self.marker),))

    @pytest.mark.parametrize(
        "name", ["a.traj", "a.pckl", "a.pkl", "a.py", "a.json", "a.db", "a.cif", "a.gpw", "POSCAR"]
    )
    @pytest.mark.parametrize("protocol", [0, 2, 5])
    def test_pickles_are_refused(self, tmp_path: Path, name: str, protocol: int) -> None:
        marker = tmp_path / "was_run"
        path = tmp_path / name
        trap = pickle.dumps(self.Trap(marker), protocol=protocol)
        for content in (trap, b"PickleTrajectory" + trap):
            path.write_bytes(content)
            for format in (None, "traj"):
                with pytest.raises(CrystalError):
                    read(path, format=format)
        assert not marker.exists()

    def test_python_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "crystal.py"
        path.write_text(f"import os\nos.mkdir({str(tmp_path / 'was_run')!r})\n")
        with pytest.raises(CrystalError):
            read(path)
        assert not (tmp_path / "was_run").exists()

    def test_potcar_of_the_working_folder_is_not_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "POTCAR").write_text(" TITEL  = PAW_PBE Fe 06Sep2000\n")
        path = tmp_path / "POSCAR"
        path.write_text("salt\n1\n3 0 0\n0 3 0\n0 0 3\n1\nDirect\n0 0 0\n")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CrystalError, match="no line names their elements"):
            read("POSCAR")


@pytest.mark.slow
@examples(300)
@given(
    st.sampled_from([file for file in FILES if file.error is None]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
    st.booleans(),
)
def test_damaged_files_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    file: OddFile,
    changes: list[tuple[float, int]],
    end: float,
    cut: bool,
) -> None:
    content = bytearray(file.content)
    for place, byte in changes:
        content[int(place * (len(content) - 1))] = byte
    if cut:
        content = content[: int(end * len(content))]
    path = tmp_path_factory.getbasetemp() / file.name
    path.write_bytes(content)
    ((_, result),) = iterate([path])
    assert isinstance(result, Crystal | CrystalError)
