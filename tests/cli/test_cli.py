"""The command ``madelung``."""

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.crystals.examples import EXAMPLE_NAMES, example_path

PNG_START = b"\x89PNG\r\n"


def process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, for its exit code and its start-up."""
    return subprocess.run(
        [sys.executable, "-m", "madelung.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def invoke(*arguments: str | Path) -> str:
    """Run the command in this process, expecting success, and return what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of good and bad files."""
    text = example_path("NaCl").read_text(encoding="utf-8")
    place = tmp_path / "crystals"
    (place / "below").mkdir(parents=True)
    (place / "good.cif").write_text(text, encoding="utf-8")
    (place / "below" / "also-good.cif").write_text(
        example_path("CsCl").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (place / "empty.cif").write_text("", encoding="utf-8")
    (place / "text.xyz").write_text("this is no crystal\n", encoding="utf-8")
    (place / "unknown-number.cif").write_text(
        text.replace("Na1+ 0 0 0 1", "Na1+ ? 0 0 1"), encoding="utf-8"
    )
    (place / "mixed.cif").write_text(
        text.replace("Na1+ 0 0 0 1", "Na1+ 0 0 0 0.5"), encoding="utf-8"
    )
    (place / "molecule.xyz").write_text("1\n\nHe 0 0 0\n", encoding="utf-8")
    (place / "picture.png").write_bytes(PNG_START)
    (place / "properties.csv").write_text("name,value\n", encoding="utf-8")
    (place / ".hidden.cif").write_text("", encoding="utf-8")
    return place


BAD_FILES = ["empty.cif", "mixed.cif", "molecule.xyz", "text.xyz", "unknown-number.cif"]


def test_version_and_help() -> None:
    assert invoke("--version").strip() == f"madelung {md.__version__}"
    text = invoke("sums", "--help")
    assert "Examples" in text and "madelung sums NaCl.cif" in text
    for option in ("--json", "--csv", "--potentials", "--tolerance", "--plot", "--charges"):
        assert option in text


def test_table_of_a_crystal() -> None:
    text = invoke("sums", "example:NaCl", "--tolerance", "1e-12")
    assert "Na4Cl4, 8 atoms" in text
    assert "Na-Cl" in text and "Cl-Cl (same atom)" in text and "certificate" in text
    assert "1.7475645946" in text
    assert "-8.92335" in text


def test_rows_that_are_left_out_are_counted() -> None:
    text = invoke("sums", "example:SiO2", "--rows", "2")
    # 9 atoms make 45 pairs; two groups of six are shown.
    assert "33 more pairs" in text
    assert "more pairs" not in invoke("sums", "example:SiO2", "--rows", "0")


def test_json_is_a_list_with_one_object_for_each_file() -> None:
    names = ["coulomb", "yukawa:0.5", "r12", "lennard-jones:0.0104:3.4"]
    text = invoke(
        "sums", "example:NaCl", example_path("CaF2"), "--json", "--potentials", ",".join(names)
    )
    salt, fluorite = json.loads(text)
    assert salt["file"] == "example:NaCl" and salt["formula"] == "Na4Cl4"
    assert fluorite["file"] == str(example_path("CaF2"))
    assert salt["potentials"] == [
        "coulomb",
        "yukawa:0.5",
        "inverse-power:12",
        "lennard-jones:0.0104:3.4",
    ]
    assert salt["units"] == ["1/Å", "1/Å", "Å^-12", "eV"]
    potentials = [
        md.Coulomb(),
        md.Yukawa(0.5),
        md.InversePower(12),
        md.LennardJones(0.0104, 3.4),
    ]
    expected = md.complete_sums(md.example("NaCl"), potentials)
    for values, bound, matrix in zip(
        salt["values"], salt["certificate"], expected.values, strict=True
    ):
        assert np.abs(np.array(values) - matrix).max() <= 2 * bound
    assert salt["madelung_constant"] == pytest.approx(1.747564594633182, abs=1e-6)
    assert fluorite["madelung_constant"] == pytest.approx(5.03878488, abs=1e-6)
    assert salt["charges"] == [1.0] * 4 + [-1.0] * 4
    assert len(salt["site_potentials"]) == 8 and salt["net_charge"] == 0.0
    assert min(salt["distances"][0]) == pytest.approx(5.6401 / 2)


def test_electrostatics_without_coulomb_among_the_potentials() -> None:
    (result,) = json.loads(invoke("sums", "example:ZnS", "--json", "-p", "london"))
    assert result["potentials"] == ["london"] and len(result["values"]) == 1
    assert result["madelung_constant"] == pytest.approx(1.638055053388790, abs=1e-6)


def test_csv_has_a_row_for_each_pair(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "sums.csv"
    assert invoke("sums", "example:CsCl", "example:NaCl", "--output", target) == ""
    with target.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 + 36
    assert rows[1]["species_i"] == "Cs" and rows[1]["species_j"] == "Cl"
    assert float(rows[1]["distance"]) == pytest.approx(4.123 * np.sqrt(3) / 2)
    expected = md.complete_sums(md.example("CsCl"), md.London())
    assert float(rows[1]["london"]) == pytest.approx(expected.values[0, 0, 1], abs=2e-8)
    assert float(rows[1]["london certificate"]) <= 1e-8


def _all_of_csv(rows: list[dict[str, str]], count: int) -> dict[str, Any]:
    """What the JSON of a crystal holds, put together from its rows of CSV."""
    first = rows[0]
    names = [name.removesuffix(" unit") for name in first if name.endswith(" unit")]
    square = {name: np.zeros((count, count)) for name in [*names, "distance"]}
    sites: dict[str, list[Any]] = {name: [None] * count for name in ("charge", "site_potential")}
    species = [""] * count
    for row in rows:
        i, j = int(row["i"]), int(row["j"])
        species[i], species[j] = row["species_i"], row["species_j"]
        for name, table in square.items():
            table[i, j] = table[j, i] = float(row[name])
        for name, column in sites.items():
            for place, end in ((i, "i"), (j, "j")):
                text = row[f"{name}_{end}"]
                column[place] = float(text) if text else None
    return {
        "file": first["file"],
        "record": first["record"],
        "formula": first["formula"],
        "species": species,
        "volume": float(first["volume"]),
        "potentials": names,
        "units": [first[f"{name} unit"] for name in names],
        "values": [square[name].tolist() for name in names],
        "certificate": [float(first[f"{name} certificate"]) for name in names],
        "reached": [first[f"{name} reached"] == "True" for name in names],
        "distances": square["distance"].tolist(),
        "warnings": first["warnings"].split("; ") if first["warnings"] else [],
        "charges": sites["charge"],
        "site_potentials": sites["site_potential"],
    }


def test_csv_has_all_that_json_has(tmp_path: Path) -> None:
    """Everything of the JSON is made again from the rows, bad files and warnings included."""
    doubled = tmp_path / "doubled.vasp"
    lines = ["CsCl", "1.0", "4.123 0 0", "0 4.123 0", "0 0 4.123", "Cs Cl", "2 1", "Direct"]
    doubled.write_text(
        "\n".join([*lines, "0 0 0", "1 0 0", "0.5 0.5 0.5"]) + "\n", encoding="utf-8"
    )
    bad = tmp_path / "bad.vasp"
    bad.write_text("nothing\n", encoding="utf-8")
    words = ["sums", "example:CsCl", doubled, bad]
    objects = json.loads(invoke(*words, "--json"))
    rows = list(csv.DictReader(invoke(*words, "--csv").splitlines()))
    assert len(objects) == 3 and "error" in objects[2] and objects[1]["warnings"]
    by_file = {
        item["file"]: [row for row in rows if row["file"] == item["file"]] for item in objects
    }
    for item in objects[:2]:
        found = _all_of_csv(by_file[item["file"]], len(item["species"]))
        for name, value in found.items():
            if name not in item:
                assert set(value) == {None}
            elif name in ("values", "distances", "certificate", "charges", "site_potentials"):
                assert np.allclose(value, item[name], rtol=1e-15, atol=0.0), name
            else:
                assert value == item[name], name
        for name in set(item) - set(found):
            text = by_file[item["file"]][0][name]
            assert float(text) == item[name] if item[name] is not None else text == "", name
    (error,) = by_file[str(bad)]
    assert error["error"] == objects[2]["error"] and error["i"] == ""
    assert float(by_file["example:CsCl"][0]["madelung_constant"]) == pytest.approx(
        1.76267477, abs=1e-7
    )


def test_charges() -> None:
    (result,) = json.loads(
        invoke("sums", "example:NaCl", "--json", "--charges", "Na=2, Cl=-1", "-p", "london")
    )
    assert result["net_charge"] == 4.0 and result["madelung_constant"] is None
    assert "net charge +4 e" in invoke("sums", "example:NaCl", "--charges", "Na=2,Cl=-1")
    again = json.loads(invoke("sums", "example:NaCl", "--json", "--charges", "oxidation"))
    assert again[0]["charges"] == [1.0] * 4 + [-1.0] * 4


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.pictures
def test_plot(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"picture{suffix}"
    invoke("sums", "example:TiO2", "--plot", target)
    start = target.read_bytes()[:200]
    assert start.startswith(PNG_START) if suffix == ".png" else b"<?xml" in start
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
@pytest.mark.pictures
def test_plots_of_several_crystals(tmp_path: Path) -> None:
    invoke("sums", "example:NaCl", "example:CsCl", "--plot", tmp_path / "many", "-p", "coulomb")
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["CsCl.png", "NaCl.png"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--potentials", "gravity"], "unknown potential 'gravity'"),
        (["--potentials", "yukawa"], "write yukawa:ALPHA"),
        (["--potentials", "yukawa:x"], "'x' is no number"),
        (["--potentials", "r3"], "pole"),
        (["--potentials", ","], "no potential is named"),
        (["--tolerance", "0"], "one must be positive"),
        (["--tolerance", "nan"], "nan is no finite"),
        (["--json", "--csv"], "choose one of"),
        (["--charges", "Na"], "'Na' is no charge"),
        (["--executor", "abacus"], "abacus"),
        (["--plot", "picture.xyz"], "cannot draw"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(app, ["sums", "example:NaCl", *arguments])
    assert result.exit_code == 2
    # The message stands in a box whose lines are broken to the terminal's width.
    words = " ".join(result.output.replace("│", " ").split())
    assert text in words


def test_good_files_survive_bad_ones(folder: Path) -> None:
    result = process("sums", folder, "--json")
    assert result.returncode == 0, result.stderr
    objects = {Path(item["file"]).name: item for item in json.loads(result.stdout)}
    assert sorted(objects) == sorted(["good.cif", "also-good.cif", *BAD_FILES])
    for name in BAD_FILES:
        assert name in objects[name]["error"] and "values" not in objects[name]
        assert f"{name}" in result.stderr
    assert objects["good.cif"]["madelung_constant"] == pytest.approx(1.7475646, abs=1e-6)
    assert objects["also-good.cif"]["madelung_constant"] == pytest.approx(1.7626748, abs=1e-6)
    assert "2 of 7 crystals summed, 5 not used" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_strict_stops_at_the_first_bad_file(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "sums.json"
    result = process("sums", folder, "--strict", "--output", target)
    assert result.returncode == 1
    assert "empty.cif" in result.stderr and "Traceback" not in result.stderr
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["crystals"]


@pytest.mark.parametrize("name", ["missing.cif", "empty.cif", "mixed.cif", "molecule.xyz"])
def test_nothing_but_bad_files_exits_with_1(folder: Path, name: str) -> None:
    result = run_command("sums", folder / name)
    assert result.returncode == 1
    assert name in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and result.stdout == ""


def test_an_empty_folder_and_an_unknown_example(tmp_path: Path) -> None:
    empty = run_command("sums", tmp_path)
    assert empty.returncode == 1 and "no files found" in empty.stderr
    unknown = run_command("sums", "example:Unobtainium")
    assert unknown.returncode == 1 and "NaCl" in unknown.stderr
    assert len(unknown.stderr.strip().splitlines()) == 1


def test_large_crystals_are_refused_with_a_way_out() -> None:
    result = run_command("sums", "example:NaCl", "--max-atoms", "4")
    assert result.returncode == 1 and "--max-atoms" in result.stderr


def test_a_tolerance_out_of_reach_is_reported() -> None:
    result = run_command("sums", "example:NaCl", "--tolerance", "1e-20")
    assert result.returncode == 0
    assert "tolerance not reached" in result.stdout
    assert "did not reach the tolerance" in result.stderr


def test_many_files_are_listed_line_by_line(tmp_path: Path) -> None:
    for index in range(30):
        name = EXAMPLE_NAMES[index % len(EXAMPLE_NAMES)]
        text = example_path(name).read_text(encoding="utf-8")
        (tmp_path / f"{index:02}-{name}.cif").write_text(text, encoding="utf-8")
    lines = invoke("sums", tmp_path).splitlines()
    assert len(lines) == 2 + 30
    assert "Ca4F8" in lines[2] and "5.03878" in lines[2]


def test_every_structure_of_a_file(tmp_path: Path) -> None:
    both = tmp_path / "both.cif"
    texts = [example_path(name).read_text(encoding="utf-8") for name in ("NaCl", "CsCl")]
    both.write_text("\n".join(texts), encoding="utf-8")
    assert [item["formula"] for item in json.loads(invoke("sums", both, "--json"))] == ["CsCl"]
    every = json.loads(invoke("sums", both, "--json", "--every"))
    assert [item["formula"] for item in every] == ["Na4Cl4", "CsCl"]


def test_a_table_comes_without_heavy_imports() -> None:
    """Start-up stays short because nothing heavy is loaded; command_startup.py times it."""
    pytest.importorskip("madelung.common._core")
    code = (
        "import sys; from madelung.cli import app; "
        "app(['sums', 'example:NaCl'], standalone_mode=False); "
        "print([name for name in ('torch', 'matplotlib', 'ase') if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip().endswith("[]")


def test_a_data_set_is_summed_crystal_by_crystal(tmp_path: Path) -> None:
    line = {
        "id": "a",
        "lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "species": ["Na", "Cl", "Na"],
        "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0]],
    }
    far = {**line, "id": "b", "frac_coords": [[0, 0, 0], [0, 0, 1e40], [1, 0, 0]]}
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(f"{json.dumps(line)}\n{json.dumps(far)}\n".encode()))
    first, second = json.loads(invoke("sums", path, "--json"))
    assert (first["record"], first["formula"]) == (f"{path} (a)", "NaCl")
    assert "1 of 3 sites repeat" in first["warnings"][0]
    assert second["error"].startswith(f"{path} (b): site 1")
    store = tmp_path / "store"
    md.write_store(md.read_records(path), store, md.DatasetInfo(name="two"))
    (stored, problem) = json.loads(invoke("sums", store, "--json"))
    assert stored["record"] == f"{store} (a)" and stored["values"] == first["values"]
    assert problem["error"].startswith(f"{store} (b): site 1")


@pytest.mark.slow
def test_the_format_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "structure.number7"
    path.write_text("salt\n1\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n")
    assert json.loads(invoke("sums", path, "--json", "--format", "vasp"))[0]["formula"] == "NaCl"
    assert process("sums", path).returncode == 1
