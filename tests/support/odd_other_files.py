"""Files in other formats that are broken, or odd but right; outcomes were worked out by hand."""

from __future__ import annotations

import bz2
import json
import lzma
import pickle
from collections.abc import Sequence

from odd_files import OddFile, bad, good

_CELL = ("3 0 0", "0 3 0", "0 0 3")
_PLACES = ("0 0 0", "0.5 0.5 0.5")


def poscar(
    species: str = "Cs Cl\n",
    counts: str = "1 1",
    mode: str = "Direct",
    places: Sequence[str] = _PLACES,
    cell: Sequence[str] = _CELL,
    scale: str = "1.0",
    comment: str = "a comment",
) -> str:
    """Return the text of a POSCAR."""
    head = [comment, scale, *cell]
    return "\n".join(head) + f"\n{species}{counts}\n" + "\n".join([mode, *places]) + "\n"


def extxyz(
    sites: Sequence[str] = ("Cs 0 0 0", "Cl 1.5 1.5 1.5"),
    lattice: str = 'Lattice="3 0 0 0 3 0 0 0 3"',
    count: int | None = None,
    more: str = "",
) -> str:
    """Return the text of an extended XYZ file."""
    number = len(sites) if count is None else count
    return f"{number}\n{lattice} Properties=species:S:1:pos:R:3{more}\n" + "\n".join(sites) + "\n"


def _poscars() -> list[OddFile]:
    text = poscar()
    return [
        good("POSCAR", text, "CsCl"),
        good("POSCAR_windows", text.replace("\n", "\r\n"), "CsCl"),
        good("POSCAR_latin1", text.replace("a comment", "gemäß").encode("latin-1"), "CsCl"),
        good("CONTCAR_tabs", text.replace(" ", "\t").replace("a\tcomment", "c"), "CsCl"),
        good("POSCAR_scientific", poscar(cell=("3.0E+00 0 0", "0 3e0 0", "0 0 .3E1")), "CsCl"),
        good("POSCAR_left_handed", poscar(cell=("0 3 0", "3 0 0", "0 0 3")), "CsCl"),
        good("POSCAR_volume", poscar(scale="-27.0", cell=("1 0 0", "0 1 0", "0 0 1")), "CsCl"),
        good("POSCAR_selective", poscar(mode="Selective dynamics\nDirect",
             places=[f"{place} T T F" for place in _PLACES]), "CsCl"),
        good("POSCAR_old_with_elements", poscar(species="", comment="Cs Cl"), "CsCl"),
        good("structure.vasp", text, "CsCl"),
        bad("POSCAR_twice_the_same_place", poscar(places=("0 0 0", "0 0 0")), "two elements"),
        good("POSCAR_copies", poscar("Cs\n", "2", places=("0 0 0", "0 1 1.001")), "Cs"),
        good("poscar_small_letters", text, "CsCl"),
        good("relaxed.poscar", text, "CsCl"),
        good("POSCAR_wrapped", poscar("Cs\nCl\n", "1\n1"), "CsCl"),
        good("POSCAR_deuterium", poscar("Cs D\n"), "CsH"),
        good("POSCAR_pseudo_hydrogen", poscar("Si H1.25\n"), "SiH"),
        bad("POSCAR_number", poscar(counts="1 99999999999"), "100000000000 atoms are"),
        bad("POSCAR_old", poscar(species="", comment="salt"), "no line names their elements"),
        bad("POSCAR_species", poscar(species="Cs\n"), "1 elements (Cs) for ['1', '1']"),
        bad("POSCAR_unknown_species", poscar(species="Cs Qq\n"), "line 6 (KeyError: 'Qq')"),
        bad("POSCAR_no_mode", poscar().replace("Direct\n", ""), "line 8 must say Direct"),
        bad("POSCAR_cut_off", text[: text.rindex("0.5 0.5 0.5")], "2 atoms are announced and 1"),
        bad("POSCAR_head_only", "\n".join(text.split("\n")[:5]), "cut off"),
        bad("POSCAR_not_a_number", poscar(places=("0 0 0", "nan 0.5 0.5")), "site 1"),
        bad("POSCAR_no_numbers", poscar(places=("0 0 0", "a b c")), "cannot be read as vasp"),
        bad("POSCAR_no_atoms", poscar(counts="0 0"), "there are no atoms"),
    ]  # fmt: skip


def _extended_xyz() -> list[OddFile]:
    one, text = extxyz(("Cs 0 0 0",)), extxyz()
    occupancy = 'Lattice="3 0 0 0 3 0 0 0 3" occupancy="_JSON {\\"0\\": {\\"Cs\\": 0.5}}"'
    return [
        good("crystal.extxyz", text, "CsCl"),
        good("crystal.xyz", text, "CsCl"),
        good("mysql.xyz", text, "CsCl"),
        good("windows.xyz", text.replace("\n", "\r\n"), "CsCl"),
        good("byte_order_mark.xyz", b"\xef\xbb\xbf" + text.encode(), "CsCl"),
        good("latin1.xyz", extxyz(lattice='Lattice="3 0 0 0 3 0 0 0 3" by="Jürgen"').encode(
             "latin-1"), "CsCl"),
        good("compressed.xyz.bz2", bz2.compress(text.encode()), "CsCl"),
        good("compressed.extxyz.xz", lzma.compress(text.encode()), "CsCl"),
        good("last_of_several.xyz", one + text, "CsCl"),
        good("twice_the_same_place.xyz", extxyz(("Cs 0 0 0", "Cs 0 0 0")), "Cs"),
        good("copies_at_the_border.xyz", extxyz(("Cs 0 0 0", "Cs 3 0 2.99", "Cl 1 1 1")), "CsCl"),
        bad("mixed_site.xyz", extxyz(("Cs 0 0 0", "Cl 3 0 2.99")), "two elements"),
        bad("metres.xyz", extxyz(lattice='Lattice="3e-10 0 0 0 3e-10 0 0 0 3e-10"'), "metres"),
        bad("far_away.xyz", extxyz(("Cs 0 0 0", "Cl 0 0 1e20")), "is beyond"),
        good("left_handed.xyz", extxyz(lattice='Lattice="0 3 0 3 0 0 0 0 3"'), "CsCl"),
        good("molecule.xyz", "2\nno cell here\nO 0 0 0\nH 0 0 1\n", "HO"),
        bad("cut_off.xyz", extxyz(count=3), "3 atoms are announced and 2 are listed"),
        good("deuterium.xyz", extxyz(("D 0 0 0", "T 1.5 1.5 1.5")), "H2"),
        bad("no_positions.xyz", extxyz().replace("pos:", "frac:"), "no column 'pos'"),
        bad("many_atoms.xyz", extxyz(count=99999999999), "99999999999 atoms are announced"),
        bad("no_atoms.xyz", extxyz((), count=0), "there are no atoms"),
        bad("species.xyz", extxyz(("Cs 0 0 0", "Qq 1 1 1")), "line 4 (KeyError: 'Qq')"),
        bad("placeholder.xyz", extxyz(("Cs 0 0 0", "X 1 1 1")), "site 1"),
        bad("not_a_number.xyz", extxyz(("Cs 0 0 0", "Cl nan 0 0")), "site 1"),
        bad("lattice_of_eight.xyz", extxyz(lattice='Lattice="3 0 0 0 3 0 0 0"'), "extxyz"),
        bad("lattice_infinite.xyz", extxyz(lattice='Lattice="inf 0 0 0 3 0 0 0 3"'), "not finite"),
        bad("occupancy_recorded.xyz", extxyz(("Cs 0 0 0",), lattice=occupancy), "partial occ"),
        bad("occupancy_column.xyz", extxyz(("Cs 0 0 0 1", "Cl 1 1 1 .7"),
            more=":occupancy:R:1"), "site 1 (counted from 0): partial occupancy"),
        bad("occupancy_words.xyz", extxyz(("Cs 0 0 0 full", "Cl 1 1 1 full"),
            more=":occupancy:S:1"), "is not understood"),
        bad("empty.xyz", b"", "empty"),
        bad("binary.xyz", b"\x00\x01\x02" * 50, "binary data"),
    ]  # fmt: skip


def _pymatgen_site(occupancies: dict[str, float], place: Sequence[float]) -> dict[str, object]:
    species = [{"element": element, "occu": part} for element, part in occupancies.items()]
    return {"species": species, "abc": list(place)}


def _json() -> list[OddFile]:
    cell = [[3, 0, 0], [0, 3, 0], [0, 0, 3]]
    atoms = {"cell": cell, "numbers": [55, 17], "positions": [[0, 0, 0], [1.5, 1.5, 1.5]],
             "pbc": [True, True, True]}  # fmt: skip

    jarvis = {"lattice_mat": cell, "coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
              "elements": ["Cs", "Cl"], "cartesian": False, "props": ["", ""]}  # fmt: skip

    def structure(second: dict[str, float]) -> dict[str, object]:
        sites = [_pymatgen_site({"Cs": 1}, (0, 0, 0)), _pymatgen_site(second, (0.5, 0.5, 0.5))]
        return {"@class": "Structure", "lattice": {"matrix": cell}, "sites": sites}

    return [
        good("atoms.json", json.dumps(atoms), "CsCl"),
        good("database.json", json.dumps({"1": atoms, "ids": [1], "nextid": 2}), "CsCl"),
        good("structure.json", json.dumps(structure({"Cl": 1})), "CsCl"),
        good("entry.json", json.dumps([{"structure": structure({"Cl": 1}), "gap": 1.0}]), "CsCl"),
        good("jarvis.json", json.dumps(jarvis), "CsCl"),
        good("jarvis_entry.json", json.dumps([{"jid": "JVASP-1", "atoms": jarvis}]), "CsCl"),
        bad("jarvis_group.json", json.dumps({**jarvis, "elements": ["NH4", "Cl"]}), "'NH4' is no"),
        bad(
            "structure_mixed.json", json.dumps(structure({"Cl": 0.5, "Br": 0.5})), "0.5 Cl + 0.5 B"
        ),
        bad("structure_unknown.json", json.dumps(structure({"Xq": 1})), "site 1"),
        bad("structure_incomplete.json", json.dumps({"lattice": {}, "sites": []}), "incomplete"),
        bad(
            "atoms_short.json", json.dumps({**atoms, "numbers": [55]}), "positions must have shape"
        ),
        bad("cut_off.json", json.dumps(atoms)[:-5], "no readable JSON: line 1"),
        bad("something_else.json", '{"a": 1}', "the JSON is no crystal"),
        bad("number.json", "3", "the JSON is no crystal"),
        bad("nothing.json", "[]", "holds no crystal"),
        bad("odd_types.json", '{"lattice": {"matrix": 3}, "sites": [4]}', "incomplete structure"),
        bad("odd_arrays.json", '{"numbers": {"__ndarray__": 3}, "positions": []}', "incomplete"),
        bad(
            "odd_occupancy.json", json.dumps({**atoms, "info": {"occupancy": {"0": 7}}}), "not und"
        ),
        bad("nested.json", "[" * 100_000, "JSON"),
    ]


def _others() -> list[OddFile]:
    protein = "CRYST1    3.000    3.000    3.000  90.00  90.00  90.00 {}\n"
    atom = "HETATM    1 Cs   MOL     1       0.000   0.000   0.000{}  0.00          {}\n"
    res = "TITL a\nCELL 0.7 3 3 3 90 90 90\nLATT {}\nSFAC Cs\nCs 1 0 0 0 {}\nEND\n"
    return [
        good("plain.pdb", protein.format("P 1") + atom.format("  1.00", "Cs"), "Cs"),
        bad("symmetry.pdb", protein.format("P 21 21 21") + atom.format("  1.00", "Cs"), "P 21 21"),
        bad("occupancy.pdb", protein.format("P 1") + atom.format("  0.50", "Cs"), "partial"),
        bad("names_only.pdb", protein.format("P 1") + atom.format("  1.00", "  "), "no element"),
        good("plain.res", res.format(-1, "1.0"), "Cs"),
        bad("symmetry.res", res.format(1, "11.0"), "line 3: symmetry"),
        bad("occupancy.res", res.format(-1, "10.5"), "line 5: site Cs has partial occupancy"),
        bad("symmetry.pwi", "&system\n nat=1, space_group = 225\n/\n", "space_group"),
        bad("types.data", "LAMMPS\n\n1 atoms\n1 atom types\n", "is not read"),
        bad("script.py", "raise SystemExit\n", "is not read"),
        bad("weights.pckl", pickle.dumps({"a": 1}), "binary data"),
        bad("words.txt", "nothing that looks like a crystal\n", "is not read"),
        bad("no_suffix_words", "nothing that looks like a crystal\n", "not recognised"),
    ]


def odd_other_files() -> list[OddFile]:
    """Return the files in other formats."""
    return [*_poscars(), *_extended_xyz(), *_json(), *_others()]
