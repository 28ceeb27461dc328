"""Files against references from outside: ASE, spglib's table of space groups, and pymatgen."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import ase
import ase.build
import ase.io
import ase.spacegroup
import numpy as np
import pytest
import spglib
from judging import assert_same_crystal
from numpy.typing import NDArray
from odd_cif_files import cif

from madelung.common.errors import CrystalError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.files import read
from madelung.crystals.reading.space_group_names import groups_of_name

# spglib announces with each call that its way to report errors will change.
pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")

BULKS: dict[str, dict[str, Any]] = {
    "Cu": {"crystalstructure": "fcc", "a": 3.6},
    "Fe": {"crystalstructure": "bcc", "a": 2.87, "cubic": True},
    "Mg": {"crystalstructure": "hcp", "a": 3.21, "c": 5.21},
    "Si": {"crystalstructure": "diamond", "a": 5.43},
    "NaCl": {"crystalstructure": "rocksalt", "a": 5.64, "cubic": True},
    "CsCl": {"crystalstructure": "cesiumchloride", "a": 4.12},
    "ZnS": {"crystalstructure": "zincblende", "a": 5.41},
    "CaF2": {"crystalstructure": "fluorite", "a": 5.46},
    "ZnO": {"crystalstructure": "wurtzite", "a": 3.25, "c": 5.2},
}
# Digits after the point, and what else ASE needs to be told to write the format.
FORMATS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "cif": ("a.cif", 1e-5, {}),
    "vasp": ("POSCAR", 1e-9, {}),
    "vasp-cartesian": ("CONTCAR", 1e-9, {"format": "vasp", "direct": False}),
    "vasp-xdatcar": ("XDATCAR", 1e-6, {}),
    "extxyz": ("a.extxyz", 1e-7, {}),
    "json": ("a.json", 1e-12, {}),
    "traj": ("a.traj", 1e-12, {}),
    "gen": ("a.gen", 1e-9, {}),
    "aims": ("geometry.in", 1e-9, {}),
    "abinit-in": ("a.abi", 1e-9, {}),
    "castep-cell": ("a.cell", 1e-5, {}),
    "cfg": ("a.cfg", 1e-5, {}),
    "crystal": ("a.f34", 1e-9, {}),
    "cube": ("a.cube", 1e-4, {}),
    "dmol-car": ("a.car", 1e-5, {}),
    "espresso-in": ("a.pwi", 1e-9, {}),
    "magres": ("a.magres", 1e-9, {}),
    "nwchem-in": ("a.nwi", 1e-9, {}),
    "onetep-in": ("a.dat", 1e-5, {}),
    "proteindatabank": ("a.pdb", 2e-2, {}),
    "res": ("a.res", 1e-4, {}),
    "rmc6f": ("a.rmc6f", 1e-4, {}),
    "v-sim": ("a.ascii", 1e-9, {}),
    "xsf": ("a.xsf", 1e-9, {}),
}
HALL_NUMBERS = range(1, 531)
# Pairs of settings that share the names 'A e m m', 'B m e m', 'A e a a' and 'B b e b'; the glide
# plane e is a in the one and b in the other.
SHARED_NAMES = {318: 319, 319: 318, 320: 321, 321: 320, 327: 329, 329: 327, 331: 333, 333: 331}
# 'C m m e' and 'C c c e' mean the standard settings, unless more is said.
NAMED_AS_STANDARD = {316: 317, 317: 316, 323: 325, 325: 323}


def rattled_triclinic() -> ase.Atoms:
    """Return a crystal without any symmetry, outside whose cell some atoms lie."""
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.set_cell(atoms.cell @ [[1, 0, 0], [0.1, 1, 0], [0.05, 0.2, 1.1]], scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize("name", BULKS)
@pytest.mark.parametrize("file", ["a.cif", "POSCAR", "a.extxyz", "a.json"])
def test_bulk_crystals(tmp_path: Path, name: str, file: str) -> None:
    atoms = ase.build.bulk(name, **BULKS[name])
    atoms.write(tmp_path / file)
    assert_same_crystal(read(tmp_path / file), atoms, 1e-5)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_formats_that_ase_writes(tmp_path: Path, kind: str) -> None:
    atoms = rattled_triclinic()
    name, tolerance, options = FORMATS[kind]
    path = tmp_path / name
    options = {"format": kind, **options}
    if kind == "espresso-in":
        options["pseudopotentials"] = {"Na": "Na.upf", "Cl": "Cl.upf"}
    ase.io.write(path, atoms, **options)
    crystal = read(path, format=options["format"] if kind == "onetep-in" else None)
    assert crystal.pbc.all()
    assert_same_crystal(crystal, atoms, tolerance)


def test_left_handed_and_scrambled_cells(tmp_path: Path) -> None:
    atoms = rattled_triclinic()
    for change in ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], [[1, 7, 0], [0, 1, -5], [3, 0, 1]]):
        cell = np.array(change) @ atoms.cell
        moved = ase.Atoms(atoms.numbers, atoms.positions, cell=cell, pbc=True)
        for name in ("POSCAR", "a.extxyz", "a.json"):
            moved.write(tmp_path / name)
            crystal = read(tmp_path / name)
            assert np.allclose(crystal.cell, cell, atol=1e-7)
            assert_same_crystal(crystal, moved, 1e-6)


@pytest.mark.parametrize(
    ("symbols", "basis", "group", "parameters"),
    [
        (["Na", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], 225, [5.64, 5.64, 5.64, 90, 90, 90]),
        (["Si"], [(0, 0, 0)], 227, [5.43, 5.43, 5.43, 90, 90, 90]),
        (["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], 136, [4.6, 4.6, 2.95, 90, 90, 90]),
        (["Mg"], [(1 / 3, 2 / 3, 0.25)], 194, [3.21, 3.21, 5.21, 90, 90, 120]),
        (["Si", "O"], [(0.4697, 0, 0), (0.4135, 0.2669, 0.1191)], 152,
         [4.916, 4.916, 5.4054, 90, 90, 120]),
        (["Fe", "S"], [(0, 0, 0), (0.385, 0.385, 0.385)], 205, [5.42, 5.42, 5.42, 90, 90, 90]),
        (["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], 167, [4.76, 4.76, 12.99, 90, 90, 120]),
        (["Zr", "O", "O"], [(0.2754, 0.0395, 0.2083), (0.07, 0.3317, 0.3447),
         (0.4496, 0.7569, 0.4792)], 14, [5.15, 5.21, 5.32, 90, 99.2, 90]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("statement", ["operations", "name"])
def test_crystals_that_ase_expands(
    tmp_path: Path, symbols: list[str], basis: list[Any], group: int, parameters: list[float],
    statement: str,
) -> None:  # fmt: skip
    expected = ase.spacegroup.crystal(symbols, basis, spacegroup=group, cellpar=parameters)
    stated = ase.spacegroup.Spacegroup(group)
    if statement == "name":
        name = stated.symbol + (":1" if group == 227 else "")
        symmetry = f"_space_group_name_H-M_alt '{name}'"
    else:
        symmetry = "loop_\n_space_group_symop_operation_xyz\n" + "\n".join(
            ",".join(triplet(rotation, translation)) for rotation, translation in stated.get_symop()
        )
    sites = [
        f"{symbol}{index} {symbol} " + " ".join(f"{float(part):.5f}" for part in place)
        for index, (symbol, place) in enumerate(zip(symbols, basis, strict=True))
    ]
    path = tmp_path / "a.cif"
    path.write_text(cif(sites, [str(part) for part in parameters], symmetry))
    assert_same_crystal(read(path), expected, 1e-4)


def triplet(rotation: NDArray[np.int64], translation: NDArray[np.float64]) -> list[str]:
    """Return a symmetry operation in words."""
    words = []
    for row, shift in zip(rotation, translation, strict=True):
        terms = "".join(
            f"{'+' if part > 0 else '-'}{axis}"
            for part, axis in zip(row, "xyz", strict=True)
            if part
        )
        words.append(terms + (f"+{round(shift * 12)}/12" if round(shift * 12) else ""))
    return words


def fitting_cell(rotations: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[str]]:
    """Return a cell that has the symmetry of some rotations, and its parameters as text."""
    start = 4.0 * np.array([[121, 9, 7], [9, 169, -8], [7, -8, 225]])
    metric = np.mean([rotation.T @ start @ rotation for rotation in rotations], axis=0)
    cell = np.linalg.cholesky(metric)
    return cell, [f"{part:.12f}" for part in ase.geometry.cell_to_cellpar(cell)]


def setting(hall_number: int) -> tuple[Any, NDArray[np.int64], NDArray[np.float64]]:
    """Return what spglib knows of one of the 530 settings of the space groups."""
    operations: Any = spglib.get_symmetry_from_database(hall_number)
    kind = spglib.get_spacegroup_type(hall_number)
    return kind, operations["rotations"], operations["translations"]


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["operations", "hall", "name"])
def test_all_settings_of_all_space_groups(tmp_path: Path, statement: str) -> None:
    site = np.array([0.0840, 0.8326, 0.7871])
    path = tmp_path / "a.cif"
    for number in HALL_NUMBERS:
        if statement == "name" and number in {**SHARED_NAMES, 317: 316, 325: 323}:
            continue
        kind, rotations, translations = setting(number)
        cell, parameters = fitting_cell(rotations)
        statements = {
            "operations": "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(
                ",".join(triplet(*pair)) for pair in zip(rotations, translations, strict=True)
            ),
            "hall": f"_space_group_name_Hall '{kind.hall_symbol}'",
            "name": f"_space_group_name_H-M_alt '{full_name(kind)}'",
        }  # fmt: skip
        text = cif((f"Ar1 Ar {site[0]} {site[1]} {site[2]}",), parameters, statements[statement])
        path.write_text(text)
        crystal = read(path)
        places = (rotations @ site + translations) @ cell
        general = ase.Atoms(f"Ar{len(places)}", places, cell=cell, pbc=True)
        assert len(crystal) == len(rotations), (number, kind.international_full)
        assert_same_crystal(crystal, general, 1e-6)


def full_name(kind: Any) -> str:
    """Return a Hermann-Mauguin name that fixes the setting, as CIF files write it."""
    names = [name.strip() for name in kind.international.replace("_", "").split("=")]
    name = names[min(1, len(names) - 1)]
    if kind.choice[:1] in {"1", "2"} or kind.choice in {"H", "R"}:
        return f"{name}:{kind.choice[:1]}"
    return name


@pytest.mark.slow
def test_all_spellings_of_all_names() -> None:
    for number in HALL_NUMBERS:
        kind, rotations, translations = setting(number)
        cell, _ = fitting_cell(rotations)
        wanted = places(rotations, translations)
        mark = kind.choice[:1]
        marks = {"1": (":1", " S", " (origin choice 1)"), "2": (":2", " Z", " (origin choice 2)")}
        for name in (kind.international_full, full_name(kind).partition(":")[0]):
            plain = name.replace("_", "")
            spelled = {name, plain, plain.replace(" ", ""), plain.replace(" ", "_"), plain.upper()}
            spelled.add(re.sub(r"_(\d)", r"(\1)", name).replace(" ", ""))
            for end in marks.get(mark, (f":{mark}", f" {mark}") if mark in {"H", "R"} else ("",)):
                for spelling in spelled:
                    groups = groups_of_name(spelling + end, cell)
                    found = [places(*gemmi_parts(group)) for group in groups]
                    assert wanted in found, (number, spelling + end)
                    shared = number in SHARED_NAMES or number in NAMED_AS_STANDARD
                    assert len(found) == 1 or shared, (number, spelling + end)


def gemmi_parts(group: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations and translations of gemmi's group."""
    operations = list(group.operations())
    rotations = np.array([operation.rot for operation in operations]) / 24.0
    return rotations, np.array([operation.tran for operation in operations]) / 24.0


def places(rotations: NDArray[Any], translations: NDArray[Any]) -> set[tuple[int, ...]]:
    """Return where a group brings a point, in parts of the cell that tell its images apart."""
    images = rotations @ np.array([0.0840, 0.8326, 0.7871]) + translations
    return {tuple(row) for row in np.mod(np.round(images * 10000), 10000).astype(int).tolist()}


@pytest.mark.parametrize("number", SHARED_NAMES)
def test_a_glide_plane_of_two_kinds(tmp_path: Path, number: int) -> None:
    """A e m m is the name of two settings: what else the file says decides, or it is refused."""
    _, rotations, translations = setting(number)
    _, parameters = fitting_cell(rotations)
    # This site has four images in one setting of each pair and eight in the other.
    images = np.mod(rotations @ [0.25, 0.25, 0.0] + translations, 1.0)
    count = len(np.unique(np.round(images, 6), axis=0))
    # (spglib calls the first of the last pair B b c b.)
    shared = full_name(setting(max(number, SHARED_NAMES[number]))[0])
    symmetry = f"_space_group_name_H-M_alt '{shared}'"
    path = tmp_path / "a.cif"
    path.write_text(cif(["Ar1 Ar .25 .25 0"], parameters, symmetry))
    with pytest.raises(CrystalError, match="nothing in the file decides"):
        read(path)
    formula = f"_chemical_formula_sum Ar\n_cell_formula_units_Z {count}"
    path.write_text(cif(["Ar1 Ar .25 .25 0"], parameters, symmetry, extra=formula))
    assert len(read(path)) == count


@pytest.mark.filterwarnings("ignore::madelung.common.errors.CrystalWarning")
@pytest.mark.parametrize("number", NAMED_AS_STANDARD)
def test_a_name_of_the_standard_setting_and_another(tmp_path: Path, number: int) -> None:
    """C m m e is read as C m m a, with a warning, unless the formula is that of C m m b."""
    kind, rotations, translations = setting(number)
    _, parameters = fitting_cell(rotations)
    images = np.mod(rotations @ [0.0, 0.25, 0.25] + translations, 1.0)
    count = len(np.unique(np.round(images, 6), axis=0))
    symmetry = f"_space_group_name_H-M_alt '{full_name(kind)}'"
    path = tmp_path / "a.cif"
    path.write_text(cif(["Ar1 Ar 0 .25 .25"], parameters, symmetry))
    crystal = read(path)
    assert "the standard, was taken" in crystal.warnings[0]
    assert (len(crystal) == count) == (number in {316, 323})
    formula = f"_chemical_formula_sum Ar\n_cell_formula_units_Z {count}"
    path.write_text(cif(["Ar1 Ar 0 .25 .25"], parameters, symmetry, extra=formula))
    decided = read(path)
    assert len(decided) == count and not decided.warnings


@pytest.mark.parametrize("number", [194, 225, 227, 166, 62, 14])
def test_special_positions_against_spglib(tmp_path: Path, number: int) -> None:
    """Places printed with few digits must give the multiplicities of their Wyckoff positions."""
    settings = (setting(hall) for hall in HALL_NUMBERS)
    _, rotations, translations = next(entry for entry in settings if entry[0].number == number)
    cell, parameters = fitting_cell(rotations)
    operations = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(
        ",".join(triplet(*pair)) for pair in zip(rotations, translations, strict=True)
    )
    places = [(0, 0, 0), (0.25, 0.25, 0.25), (1 / 3, 2 / 3, 0.25), (0.5, 0, 0), (0.2, 0.2, 0.2)]
    for place in places:
        images = rotations @ np.array(place, dtype=float) + translations
        steps = images[:, None] - images[None]
        same = np.linalg.norm((steps - np.round(steps)) @ cell, axis=-1) < 1e-6
        site = "Ar1 Ar " + " ".join(f"{float(part):.4f}" for part in place)
        path = tmp_path / "a.cif"
        path.write_text(cif((site,), parameters, operations))
        assert len(read(path)) == len(rotations) // same[0].sum()


class TestPymatgen:
    """CIF and JSON that pymatgen writes, an optional library."""

    @pytest.fixture
    def structure(self) -> Any:
        """Return rutile with oxidation states."""
        core = pytest.importorskip("pymatgen.core", reason="pymatgen is optional")
        lattice = core.Lattice.tetragonal(4.6, 2.95)
        return core.Structure.from_spacegroup(
            "P4_2/mnm", lattice, ["Ti4+", "O2-"], [[0, 0, 0], [0.305, 0.305, 0]]
        )

    @pytest.mark.parametrize("symprec", [None, 1e-3])
    def test_cif(self, structure: Any, tmp_path: Path, symprec: float | None) -> None:
        writer = pytest.importorskip("pymatgen.io.cif").CifWriter(structure, symprec=symprec)
        path = tmp_path / "a.cif"
        path.write_text(str(writer))
        crystal = read(path)
        assert_same_crystal(crystal, Crystal.from_pymatgen(structure).to_ase(), 1e-5)
        assert crystal.charges is not None
        assert sorted(crystal.charges) == [-2.0] * 4 + [4.0] * 2

    def test_json(self, structure: Any, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text(structure.to_json())
        crystal = read(path)
        expected = Crystal.from_pymatgen(structure)
        assert np.allclose(crystal.positions, expected.positions, atol=1e-12)
        assert np.array_equal(np.asarray(crystal.charges), np.asarray(expected.charges))
        structure.replace_species({"O2-": {"O2-": 0.5, "S2-": 0.5}})
        path.write_text(structure.to_json())
        with pytest.raises(CrystalError, match=r"site 2 .* partial occupancy"):
            read(path)


@pytest.mark.filterwarnings("ignore")
def test_occupancy_that_ase_read_from_a_cif_is_refused() -> None:
    text = cif(
        ("Na1 Na 0 0 0 0.7", "K1 K 0 0 0 0.3", "Cl1 Cl .5 .5 .5 1"),
        items=("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"),
    )
    atoms = ase.io.read(io.StringIO(text), format="cif")
    with pytest.raises(CrystalError, match=r"site 0 .* partial occupancy"):
        Crystal.from_ase(atoms)
