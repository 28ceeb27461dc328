"""Sites of occupancy 0 are left out, and partial ones refused, in every format that states them."""

import json
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

import madelung as md
from madelung.common.errors import CrystalError, CrystalWarning, ForceFieldError

CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cs1 Cs 0 0 0 1
Cl1 Cl 0.5 0.5 0.5 1
Na1 Na 0.5 0 0 OCC
"""
EXTXYZ = """3
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:NAME:R:1 energy=-1.0
Cs 0 0 0 1
Cl 2 2 2 1
Na 2 0 0 OCC
"""
RES = """TITL x
CELL 0.71 4 4 4 90 90 90
LATT -1
SFAC Cs Cl Na
Cs 1 0 0 0 1
Cl 2 0.5 0.5 0.5 11.0
Na 3 0.5 0 0 OCC
END
"""
PDB = """CRYST1    4.000    4.000    4.000  90.00  90.00  90.00 P 1
ATOM      1 CS   MOL     1       0.000   0.000   0.000  1.00  0.00          CS
ATOM      2 CL   MOL     1       2.000   2.000   2.000  1.00  0.00          CL
ATOM      3 NA   MOL     1       2.000   0.000   0.000  OCC  0.00          NA
END
"""


def dictionary(name: str, occupancy: float) -> str:
    atoms = ase.Atoms(
        "CsClNa", positions=[[0, 0, 0], [2, 2, 2], [2, 0, 0]], cell=4 * np.eye(3), pbc=True
    )
    content = {key: np.asarray(value).tolist() for key, value in atoms.todict().items()}
    return json.dumps({**content, name: [1.0, 1.0, occupancy]})


FILES = {
    "cif": ("x.cif", CIF, ("0", "0.0"), "0.4"),
    "extxyz": ("x.extxyz", EXTXYZ.replace("NAME", "occupancy"), ("0", "0.0"), "0.4"),
    "extxyz, plural": ("x.extxyz", EXTXYZ.replace("NAME", "occupancies"), ("0.0",), "0.4"),
    "res": ("x.res", RES, ("0", "0.0", "10.0"), "10.4"),
    "pdb": ("x.pdb", PDB, ("0.00",), "0.40"),
    "json": ("x.json", dictionary("occupancy", 7.5).replace("7.5", "OCC"), ("0.0",), "0.4"),
    "json, plural": ("x.json", dictionary("occupancies", 7.5).replace("7.5", "OCC"), ("0",), "0.4"),
}


@pytest.mark.parametrize("kind", FILES)
def test_empty_sites_are_left_out_and_partial_ones_refused(kind: str, tmp_path: Path) -> None:
    name, text, empty, partial = FILES[kind]
    path = tmp_path / name
    for occupancy in empty:
        path.write_text(text.replace("OCC", occupancy), encoding="utf-8")
        with pytest.warns(CrystalWarning, match="1 sites of occupancy 0 were left out: Na"):
            crystal = md.read(path)
        assert crystal.formula == "CsCl"
        assert np.allclose(crystal.positions, [[0, 0, 0], [2, 2, 2]])
    path.write_text(text.replace("OCC", "1.0" if kind != "pdb" else "1.00"), encoding="utf-8")
    assert len(md.read(path)) == 3
    path.write_text(text.replace("OCC", partial), encoding="utf-8")
    with pytest.raises(CrystalError, match="partial occupancy"):
        md.read(path)


def test_a_data_set_leaves_them_out_too(tmp_path: Path) -> None:
    path = tmp_path / "x.extxyz"
    path.write_text(FILES["extxyz"][1].replace("OCC", "0"), encoding="utf-8")
    (record,) = md.open_dataset(path)
    assert record.crystal.formula == "CsCl"


def test_forces_need_whole_atoms(tmp_path: Path) -> None:
    """What acts on the sites of ASE's atoms cannot leave any out."""
    atoms = ase.Atoms("Na2", positions=[[0, 0, 0], [0, 0, 3]], cell=9 * np.eye(3), pbc=True)
    atoms.set_array("occupancy", np.array([1.0, 0.0]))
    atoms.calc = md.ForceFieldCalculator(md.CompletePairs({"Na-Na": "100*pauli:3"}))
    with pytest.raises(ForceFieldError, match="sites of occupancy 0"):
        atoms.get_potential_energy()
