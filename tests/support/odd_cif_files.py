"""CIF files that are broken, or odd but right; expected outcomes were worked out by hand."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from odd_files import OddFile, bad, good

_CUBIC = ("5.64", "5.64", "5.64", "90", "90", "90")
_PARAMETERS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_NAMED = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
_NACL = ("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5")
_NACL_CELL = (
    "Na1 Na 0 0 0", "Na2 Na 0 .5 .5", "Na3 Na .5 0 .5", "Na4 Na .5 .5 0",
    "Cl1 Cl .5 .5 .5", "Cl2 Cl .5 0 0", "Cl3 Cl 0 .5 0", "Cl4 Cl 0 0 .5",
)  # fmt: skip
_SITE = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
_IDENTITY = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n"
_INVERSION = "loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n'-x, -y, -z'\n"


def face_centred_operations() -> list[str]:
    """Return the 192 operations of F m -3 m: signed permutations times face centring."""
    turned = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")
    centred = (("", "", ""), ("", "+1/2", "+1/2"), ("+1/2", "", "+1/2"), ("+1/2", "+1/2", ""))
    return [
        ",".join(
            f"{'-' if signs >> axis & 1 else ''}{order[axis]}{shift[axis]}" for axis in range(3)
        )
        for shift in centred
        for order in turned
        for signs in range(8)
    ]


def cif(
    sites: Sequence[str] = _NACL,
    cell: Sequence[str] = _CUBIC,
    symmetry: str = _NAMED,
    items: Sequence[str] = _SITE,
    extra: str = "",
) -> str:
    """Return the text of a CIF."""
    lines = ["data_crystal"]
    lines += [f"_cell_{item} {text}" for item, text in zip(_PARAMETERS, cell, strict=True)]
    lines += [symmetry.rstrip("\n"), extra.rstrip("\n"), "loop_"]
    lines += [f"_atom_site_{item}" for item in items]
    return "\n".join([*lines, *sites]) + "\n"


def _encodings() -> list[OddFile]:
    text = cif()
    return [
        good("neighbour_NaCl.cif", text, "Na4Cl4"),
        good("byte_order_mark.cif", b"\xef\xbb\xbf" + text.encode(), "Na4Cl4"),
        good("windows_line_ends.cif", text.replace("\n", "\r\n"), "Na4Cl4"),
        good("old_macintosh_line_ends.cif", text.replace("\n", "\r"), "Na4Cl4"),
        good("dos_end_of_file.cif", text + "\x1a", "Na4Cl4"),
        good("latin1_comment.cif", "# gemessen von Müller, 20 °C\n".encode("latin-1")
             + text.encode(), "Na4Cl4"),
        good("utf16.cif", text.encode("utf-16"), "Na4Cl4"),
        good("Größe_鹽.cif", text, "Na4Cl4"),
        good("a name with spaces@2.cif", text, "Na4Cl4"),
        good("compressed.cif.gz", gzip.compress(text.encode()), "Na4Cl4"),
        good("named_gz_but_plain.cif.gz", text, "Na4Cl4"),
        bad("archive_cut_off.cif.gz", gzip.compress(text.encode())[:-20], "archive is damaged"),
        good("no_suffix", "# a comment first\n" + text, "Na4Cl4"),
        good("capital_tags.CIF", text.replace("_cell_length_a", "_CELL_LENGTH_A"), "Na4Cl4"),
        good("dictionary_3.cif", text.replace("_cell_", "_cell.").replace("site_", "site."),
             "Na4Cl4"),
        bad("empty.cif", b"", "empty"),
        bad("white_space_only.cif", b" \n\n\t\n", "empty"),
        bad("binary.cif", bytes(range(256)) * 8, "binary data"),
        bad("web_page.cif", "<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        bad("pointer.cif", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
    ]  # fmt: skip


def _syntax() -> list[OddFile]:
    text = cif()
    return [
        bad("no_block.cif", "just some text\n", "no readable CIF: line 1"),
        bad("cut_off_in_loop.cif", text.removesuffix(" 0.5\n"), "Wrong number of values"),
        bad("open_quote.cif", text.replace("'F m -3 m'", "'F m -3 m"), "unterminated"),
        good("repeated_item.cif", text.replace("loop_", "_cell_length_a 3\nloop_"), "Na4Cl4"),
        bad("no_atoms.cif", text.split("loop_")[0], "lists no atoms"),
        bad("header_only.cif", "data_\n", "lists no atoms"),
        bad("comments_only.cif", "# nothing\n", "lists no atoms"),
        bad("cartesian_only.cif", text.replace("fract_", "Cartn_"), "Cartesian coordinates only"),
        good("block_without_atoms_first.cif", "data_global\n_journal_year 1999\n" + text, "Na4Cl4"),
        good("last_of_two_blocks.cif", text.replace("crystal", "one").replace("Na", "K")
             + text, "Na4Cl4"),
        good("standard_uncertainties.cif", cif(("Na1 Na 0.000(1) 0 0", "Cl1 Cl .5(0) .50 5.0E-1"),
             ("5.640(2)", "5.64(1)", "0.564E+01", "90.0(1)", "90.", "9e1")), "Na4Cl4"),
    ]  # fmt: skip


def _cells() -> list[OddFile]:
    text = cif()
    return [
        bad(
            "cell_missing.cif", text.replace("_cell_length_b 5.64\n", ""), "_cell_length_b is miss"
        ),
        bad("cell_unknown.cif", cif(cell=("?", *_CUBIC[1:])), "_cell_length_a is missing"),
        bad("cell_words.cif", cif(cell=("five", *_CUBIC[1:])), "_cell_length_a is 'five'"),
        bad("cell_zero.cif", cif(cell=("0", "0", "0", *_CUBIC[3:])), "impossible"),
        bad("cell_negative.cif", cif(cell=("-5.64", *_CUBIC[1:])), "impossible"),
        bad("cell_flat.cif", cif(cell=(*_CUBIC[:3], "60", "60", "120")), "enclose no volume"),
        bad("cell_angles.cif", cif(cell=(*_CUBIC[:3], "20", "20", "120")), "enclose no volume"),
        bad(
            "cell_not_cubic.cif", cif(cell=("5.64", "5.64", "7", *_CUBIC[3:])), "not have the symm"
        ),
    ]


def _sites() -> list[OddFile]:
    with_occupancy = (*_SITE, "occupancy")
    plain = _IDENTITY

    def occupied(*sites: str) -> str:
        return cif(sites, items=with_occupancy)

    return [
        bad("vacancies.cif", occupied("Na1 Na 0 0 0 0.9", "Cl1 Cl .5 .5 .5 1"),
            "site Na1: partial occupancy"),
        bad("mixed_site.cif", occupied("Na1 Na 0 0 0 .5", "K1 K 0 0 0 .5", "Cl1 Cl .5 .5 .5 1"),
            "0.5 Na (Na1) + 0.5 K (K1)"),
        bad("mixed_site_at_an_image.cif", occupied("Na1 Na 0 0 0 1", "K1 K .5 .5 0 1"),
            "Na1 (Na) and K1 (K) stand at the same position"),
        bad("mixed_site_undeclared.cif", cif((*_NACL, "K1 K 0 0 1.0001"), symmetry=plain),
            "same position"),
        bad("occupancy_words.cif", occupied("Na1 Na 0 0 0 full", "Cl1 Cl .5 .5 .5 1"), "'full'"),
        bad("occupancy_too_large.cif", occupied("Na1 Na 0 0 0 2", "Cl1 Cl .5 .5 .5 1"), "2 Na"),
        good("occupancy_zero.cif", occupied("Na1 Na 0 0 0 1", "K1 K 0 0 0 0", "Cl1 Cl .5 .5 .5 1"),
             "Na4Cl4"),
        bad("occupancy_zero_everywhere.cif", occupied("Na1 Na 0 0 0 0"), "all its sites"),
        good("occupancy_not_given.cif", occupied("Na1 Na 0 0 0 ?", "Cl1 Cl .5 .5 .5 ."), "Na4Cl4"),
        good("occupancy_rounded.cif", occupied("Na1 Na 0 0 0 1.000", "Cl1 Cl .5 .5 .5 0.9999"),
             "Na4Cl4"),
        bad("coordinate_unknown.cif", cif(("Na1 Na 0 0 0", "Cl1 Cl ? .5 .5")),
            "site Cl1: _atom_site_fract_x is '?'"),
        bad("coordinate_with_comma.cif", cif(("Na1 Na 0 0 0", "Cl1 Cl 0,5 .5 .5")), "'0,5'"),
        bad("coordinate_missing.cif", cif(("Na1 Na 0 0", "Cl1 Cl 0 0"), items=_SITE[:4]),
            "_atom_site_fract_z has 0 values"),
        bad("disorder_groups.cif", cif(("Na1 Na 0 0 0 1", "Cl1 Cl .5 .5 .5 2"),
            items=(*_SITE, "disorder_group")), "disorder group 2"),
        bad("hydrogen_without_place.cif", cif(("O1 O 0 0 0 2",), symmetry=plain,
            items=(*_SITE, "attached_hydrogens")), "2 hydrogen atoms without a place"),
        bad("hydrogen_left_out.cif", cif(("C1 C 0 0 0",), symmetry=plain,
            extra="_chemical_formula_sum 'C H4'"), "contains H, but no site does"),
        bad("dummy.cif", cif(("Na1 Na 0 0 0 d", "Cg1 C 0 0 .2 dum"), symmetry=plain,
            items=(*_SITE, "calc_flag")), "marked as a dummy"),
        good("listed_twice_without_symmetry.cif", cif(("Na1 Na 0 0 0", "Na2 Na 0 0 0"),
             symmetry=plain), "Na"),
        good("outside_the_cell.cif", cif(("Na1 Na 7 -3 12", "Cl1 Cl -.5 3.5 .5")), "Na4Cl4"),
    ]  # fmt: skip


def _species() -> list[OddFile]:
    labels = ("label", *_SITE[2:])

    def labelled(first: str, second: str, extra: str = "") -> str:
        return cif((f"{first} 0 0 0", f"{second} .5 .5 .5"), items=labels, extra=extra)

    return [
        bad("species_unknown.cif", cif(("Xx1 Xx 0 0 0",)), "site Xx1: the type symbol 'Xx'"),
        bad("species_group.cif", cif(("O1 OH 0 0 0",)), "a group of atoms needs"),
        bad("species_water.cif", labelled("Na1", "Wat1"), "label, without a type symbol, 'Wat1'"),
        bad("species_ambiguous.cif", labelled("CA1", "O1"), "'CA1' names no chemical element"),
        good("species_settled_by_formula.cif", labelled("CA1", "O1",
             "_chemical_formula_sum 'Ca O'"), "Ca4O4"),
        good("species_from_labels.cif", labelled("Na1", "Cl1A"), "Na4Cl4"),
        good("species_capitals.cif", cif(("NA1 NA 0 0 0", "CL1 CL .5 .5 .5")), "Na4Cl4"),
        good("deuterium.cif", cif(("Li1 Li 0 0 0", "D1 D .5 .5 .5")), "Li4H4"),
        good("tritium.cif", cif(("Li1 Li 0 0 0", "T1 T .5 .5 .5")), "Li4H4"),
        bad("species_nitrate.cif", cif(("N1 NO3- 0 0 0",)), "'NO3-' is a group of atoms"),
        bad("species_cyanide.cif", cif(("C1 CN 0 0 0",)), "'CN' is a group of atoms"),
        bad("species_carbonate.cif", cif(("C1 CO3 0 0 0", "Ca1 Ca .5 .5 .5")), "is a group of at"),
        bad("species_hydroxide.cif", labelled("Na1", "OH1"), "'OH1' is a group of atoms"),
        bad("species_sulfate.cif", labelled("Na1", "SO4"), "'SO4' is a group of atoms"),
        good("species_cobalt_in_capitals.cif", cif(("CO1 CO 0 0 0", "O1 O .5 .5 .5"),
             extra="_chemical_formula_sum 'Co O'"), "Co4O4"),
        good("species_cobalt_by_label.cif", cif(("Co1 CO 0 0 0", "S1 S .5 .5 .5")), "Co4S4"),
        bad("species_carbonyl.cif", cif(("CO1 CO 0 0 0", "S1 S .5 .5 .5")), "'CO' is a group of"),
        bad("species_carbonyl_by_formula.cif", cif(("Co1 CO 0 0 0", "S1 S .5 .5 .5"),
            extra="_chemical_formula_sum 'C O S'"), "'CO' is a group of"),
        good("species_pseudo_hydrogen.cif", cif(("H1 H1.25 0 0 0",)), "H4"),
        good("charged_types.cif", cif(("Na1 Na1+ 0 0 0", "Cl1 Cl- .5 .5 .5")), "Na4Cl4"),
    ]  # fmt: skip


def _symmetries() -> list[OddFile]:
    operations = face_centred_operations()
    listed = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(operations)
    shortened = "\n".join(listed.split("\n")[:-1])
    units = "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4"

    return [
        good("operations_listed.cif", cif(symmetry=listed), "Na4Cl4"),
        good("operations_win_over_nonsense_name.cif",
             cif(symmetry=listed, extra="_symmetry_space_group_name_H-M 'Q q q'"), "Na4Cl4"),
        bad("operations_cut_off.cif", cif(symmetry=shortened), "do not form a group"),
        bad("operation_nonsense.cif", cif(symmetry=_INVERSION.replace("-z", "-q")), "operation 2"),
        bad("operation_flattens.cif", cif(symmetry=_INVERSION.replace("-z", "-y")), "operation 2"),
        good("hall_name.cif", cif(symmetry="_space_group_name_Hall '-F 4 2 3'"), "Na4Cl4"),
        good("group_number.cif", cif(symmetry="_space_group_IT_number 225"), "Na4Cl4"),
        good("no_symmetry_stated.cif", cif(symmetry=""), "NaCl"),
        good("stale_name_whole_cell.cif", cif(_NACL_CELL, symmetry=_NAMED + _IDENTITY), "Na4Cl4"),
        bad("identity_or_group.cif", cif(symmetry=_NAMED + _IDENTITY), "nothing in the file"),
        good("group_by_formula.cif", cif(symmetry=_NAMED + _IDENTITY, extra=units), "Na4Cl4"),
        bad("whole_cell_and_symmetry.cif", cif(_NACL_CELL, symmetry=listed), "same position"),
        good("magnetic.mcif", cif(symmetry="loop_\n_space_group_symop_magn_operation_xyz\n"
             "x,y,z,+1\n'x,y+1/2,z+1/2,-1'"), "Na2Cl2"),
        good("magnetic_centring.mcif", cif(symmetry="loop_\n_space_group_symop_magn_operation.xyz\n"
             "x,y,z,+1\n-x,-y,-z,-1\nloop_\n_space_group_symop_magn_centering.xyz\nx,y,z,+1\n"
             "x,y+1/2,z+1/2,-1\nx+1/2,y,z+1/2,+1"), "Na4Cl4"),
        bad("magnetic_anti_translation.mcif", cif(symmetry='_space_group_magn.name_BNS "P_c 4/m"'),
            "_space_group_magn.name_BNS 'P_c 4/m'"),
        bad("magnetic_number_alone.mcif", cif(symmetry="_space_group_magn.number_BNS 127.395"),
            "_space_group_magn.number_BNS '127.395'"),
        bad("unknown_item.cif", cif(symmetry="_space_group_name_of_our_own 'F m -3 m'"),
            "_space_group_name_of_our_own 'F m -3 m'"),
        bad("unknown_item_beside_identity.cif", cif(symmetry="_symmetry_own 'F m -3 m'\n"
            + _IDENTITY), "_symmetry_own 'F m -3 m'"),
        bad("nonsense_name_beside_identity.cif", cif(symmetry=_NAMED.replace("F m", "F q")
            + _IDENTITY), "_symmetry_space_group_name_H-M 'F q -3 m'"),
        good("unknown_item_beside_operations.cif", cif(symmetry="_symmetry_own 1\n" + listed),
             "Na4Cl4"),
        bad("system_only.cif", cif(symmetry="_symmetry_cell_setting cubic"), "setting 'cubic'"),
        bad("schoenflies_nonsense.cif", cif(symmetry="_space_group_name_Schoenflies 'Oh.11'"),
            "_space_group_name_Schoenflies 'Oh.11'"),
        bad("setting_code_nonsense.cif", cif(symmetry=_NAMED.replace("F m", "F d")
            + "_space_group_IT_coordinate_system_code b7"), "coordinate_system_code 'b7'"),
        good("centring_generators.cif", cif(symmetry="loop_\n_space_group_symop_generator_xyz\n"
             "'x,y+1/2,z+1/2'\n'x+1/2,y,z+1/2'"), "Na4Cl4"),
    ]  # fmt: skip


def _named_groups() -> list[OddFile]:
    silicon = ("Si1 Si 0 0 0",)
    hexagonal = ("3.21", "3.21", "5.21", "90", "90", "120")

    def named(
        name: str, sites: Sequence[str] = silicon, cell: Sequence[str] = _CUBIC, extra: str = ""
    ) -> str:
        return cif(sites, cell, f"_space_group_name_H-M_alt '{name}'", extra=extra)

    return [
        bad("group_unknown.cif", named("Q q q"), "'Q q q', which is not understood"),
        good("origin_by_suffix_S.cif", named("F d -3 m S"), "Si8"),
        good("origin_by_suffix_1.cif", named("F d -3 m:1"), "Si8"),
        good("origin_by_suffix_2.cif", named("F d -3 m :2", ("Si1 Si .125 .125 .125",)), "Si8"),
        bad("origin_open.cif", named("F d -3 m"), "'F d -3 m:1' or space group 'F d -3 m:2'"),
        good("origin_by_formula.cif", named("F d -3 m", extra="_chemical_formula_sum Si\n"
             "_cell_formula_units_Z 8"), "Si8"),
        good("special_position_few_digits.cif", named("P 63/m m c",
             ("Mg1 Mg 0.333 0.667 0.25",), hexagonal), "Mg2"),
        bad("beside_special_position.cif", cif(("Na1 Na 0.02 0 0",), symmetry=_INVERSION),
            "site Na1 lies 0.226 Å from its own symmetry image"),
        good("rhombohedral_hexagonal_axes.cif", named("R -3 m", ("As1 As 0 0 .2271",),
             ("3.76", "3.76", "10.55", "90", "90", "120")), "As6"),
        good("rhombohedral_own_axes.cif", named("R -3 m",
             ("As1 As .2271 .2271 .2271",), ("4.13", "4.13", "4.13", "54.1", "54.1", "54.1")),
             "As2"),
    ]  # fmt: skip


def odd_cif_files() -> list[OddFile]:
    """Return the CIF files."""
    groups = (_encodings, _syntax, _cells, _sites, _species, _symmetries, _named_groups)
    return [file for group in groups for file in group()]
