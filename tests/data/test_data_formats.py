"""Formats of data sets: the same real crystals, written in each form and read again."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import (
    GAP,
    TARGET,
    assert_same,
    line_of,
    only,
    problems,
    sample,
    write_folder,
    write_json_lines,
)

import madelung as md
from madelung.common.errors import DatasetError
from madelung.crystals.examples import example_path
from madelung.data.dataset import export_json_lines, open_dataset
from madelung.data.reading import read_records
from madelung.data.records import Record
from madelung.data.store import CrystalStore


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return sample(tmp_path)


# JSON lines


@pytest.mark.slow
@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_exported_json_lines_are_read_again(
    tmp_path: Path, records: list[Record], name: str
) -> None:
    store = open_dataset("example:jarvis", folder=tmp_path / "sample-store")
    export_json_lines(store, tmp_path / name)
    again = open_dataset(tmp_path / name)
    assert_same(again, store, tolerance=1e-12)
    assert again.info.name == "data" and not again.problems
    assert [target.unit for target in again.info.targets] == ["eV/atom", "eV", "GPa"]


def test_charges_molecules_and_flat_cells_survive_json_lines(tmp_path: Path) -> None:
    flat = md.Crystal(np.zeros((3, 3)), [[0.1, 0.2, 0.3]], [2], pbc=False)
    items = [Record("salt", md.example("NaCl"), {}, {}), Record("he", flat, {"a": 0.1}, {})]
    store = md.data.store.write_store(items, tmp_path / "s", md.data.records.DatasetInfo("s"))
    export_json_lines(store, tmp_path / "s.jsonl")
    salt, helium = open_dataset(tmp_path / "s.jsonl")
    assert salt.crystal.charges.tolist() == md.example("NaCl").charges.tolist()
    assert helium.crystal.positions.tolist() == [[0.1, 0.2, 0.3]]
    assert not helium.crystal.pbc.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", {"split": "train"}),
        ({"a": "valid", "b": "test"}, {"a": "val", "b": "test"}),
        ({"test_fold": 1}, {f"fold-{k}": "test" if k == 1 else "train" for k in range(5)}),
        (None, {}),
        ({}, {}),
    ],
)
def test_splits_of_json_lines(
    tmp_path: Path, records: list[Record], split: object, expected: dict[str, str]
) -> None:
    path = write_json_lines(tmp_path / "x.jsonl", [line_of(records[0], split=split)])
    assert problems(path)[0][0].splits == expected


BAD_LINES: list[tuple[dict[str, Any], str]] = [
    ({"species": ["Xx"] * 99}, "'Xx' is no chemical element"),
    ({"species": [{"Fe": 0.5, "Ni": 0.5}]}, "partial occupancy"),
    ({"species": []}, "no species"),
    ({"frac_coords": [[0.0, 0.0]]}, "positions must have shape"),
    ({"frac_coords": "none"}, "positions is no array"),
    ({"lattice": [[1.0, 0.0, 0.0], [0.0, float("nan"), 0.0], [0.0, 0.0, 1.0]]}, "not finite"),
    ({"targets": {"a": float("inf")}}, "target 'a' is not finite"),
    ({"targets": {"a": "high"}}, "'high', which is no number"),
    ({"targets": {"a": [1.0]}}, "which is no number"),
    ({"targets": 3}, "targets is no object"),
    ({"split": "sometimes"}, "'sometimes' is no part of a split"),
    ({"split": 3}, "the split 3 is not understood"),
    ({"split": {"test_fold": 7}}, "the fold 7 is none of 0 to 4"),
    ({"id": ""}, "the id ''"),
    ({"id": None}, "the id None"),
    ({"pbc": "yes"}, "pbc is 'yes'"),
    ({"charges": [1.0]}, "charges must have shape"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "text"), BAD_LINES, ids=[text for _, text in BAD_LINES])
def test_a_bad_line_is_named_and_the_others_are_read(
    tmp_path: Path, records: list[Record], change: dict[str, Any], text: str
) -> None:
    lines = [line_of(records[0]), line_of(records[1], **change), line_of(records[2])]
    path = write_json_lines(tmp_path / "data.jsonl", lines)
    good, bad = problems(path)
    assert [record.id for record in good] == [records[0].id, records[2].id]
    assert len(bad) == 1 and text in bad[0] and bad[0].startswith(f"{path}, line 2")
    store = open_dataset(path)
    assert len(store) == 2 and store.problems == bad
    with pytest.raises(DatasetError, match="line 2"):
        open_dataset(path, strict=True)


def test_lines_that_are_no_objects(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "data.jsonl"
    incomplete = {key: value for key, value in line_of(records[0]).items() if key != "species"}
    texts = [
        "[1]",
        "{broken",
        json.dumps(incomplete),
        "",
        json.dumps(line_of(records[0])),
        "[" * 99999,
    ]
    path.write_text("\n".join(texts))
    good, bad = problems(path)
    assert len(good) == 1
    for text, part in zip(
        bad, ["no JSON object", "no readable", "no species", "no readable"], strict=True
    ):
        assert part in text


def test_missing_values_are_left_out(tmp_path: Path, records: list[Record]) -> None:
    targets = {"a": None, "b": float("nan"), "c": "na", "d": "", "e": True, "f": 2}
    path = write_json_lines(tmp_path / "data.jsonl", [line_of(records[0], targets=targets)])
    assert problems(path)[0][0].targets == {"e": 1.0, "f": 2.0}
    assert problems(path, target_columns=["f", "g"])[0][0].targets == {"f": 2.0}


# Compression


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.jsonl", content)
        archive.writestr("__MACOSX/data.jsonl", b"attributes")
    return stream.getvalue()


COMPRESSIONS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gz", gzip.compress),
    ("bz2", bz2.compress),
    ("xz", lzma.compress),
    ("zip", zipped),
]


@pytest.mark.parametrize(
    ("suffix", "compress"), COMPRESSIONS, ids=[name for name, _ in COMPRESSIONS]
)
def test_compressed_files_are_read_and_cut_ones_refused(
    tmp_path: Path, records: list[Record], suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    text = "".join(json.dumps(line_of(record)) + "\n" for record in records).encode()
    path = tmp_path / f"data.jsonl.{suffix}"
    content = compress(text)
    path.write_bytes(content)
    assert_same(problems(path)[0], records)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="damaged or cut off"):
        open_dataset(path, folder=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.jsonl.zip", "w") as archive:
        archive.writestr("a", "")
        archive.writestr("b", "")
    with pytest.raises(DatasetError, match="holds 2 files"):
        open_dataset(tmp_path / "data.jsonl.zip")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(b"\xff\xfe\xfa" * 99)
    with pytest.raises(DatasetError, match="no UTF-8 text"):
        open_dataset(tmp_path / "data.jsonl")


# A folder with a CSV


def test_a_folder_with_a_table(tmp_path: Path, records: list[Record]) -> None:
    folder = write_folder(tmp_path / "mine", records)
    expected = only(records, TARGET, GAP, splits={TARGET: TARGET})
    store = open_dataset(folder)
    assert_same(store, expected, tolerance=1e-7)
    assert store.info.name == "mine" and not store.problems
    assert_same(open_dataset(folder / "targets.csv"), expected, tolerance=1e-7)
    assert problems(folder, target_columns=[GAP])[0][0].targets.keys() <= {GAP}
    with pytest.raises(DatasetError, match="no column 'x'; there are: formula, "):
        list(read_records(folder, target_columns=["x"]))


def test_stems_subfolders_and_other_tables(tmp_path: Path) -> None:
    (tmp_path / "cifs" / "below").mkdir(parents=True)
    for name, place in (("NaCl", "cifs"), ("CsCl", "cifs/below"), ("ZnS", "cifs")):
        text = example_path(name).read_bytes()
        (tmp_path / place / f"{name}.cif").write_bytes(text)
    table = tmp_path / "targets.csv"
    table.write_text(
        "\ufeffUnnamed: 0;material_id;gap;note;split\n0;NaCl;8.5;salt;train\n1;CsCl;;;\n"
        "2;gone;1;;\n3;ZnS;wide;;test\n4;NaCl;1\n5;;1;;\n",
        encoding="utf-8",
    )
    good, bad = problems(tmp_path)
    assert [(item.id, item.targets, item.splits) for item in good] == [
        ("NaCl", {"gap": 8.5}, {"split": "train"}),
        ("CsCl", {}, {}),
    ]
    expected = ["'gone'", "target 'gap' is 'wide'", "does not fill its columns", "does not fill"]
    for text, part in zip(bad, expected, strict=True):
        assert part in text and str(tmp_path) in text
    table.write_text("name,gap\nNaCl,8.5\n")
    good, bad = problems(tmp_path)
    assert len(good) == 1 and len(bad) == 1
    assert "2 structure files have no line" in bad[0] and "ZnS.cif" in bad[0]
    (tmp_path / "cifs" / "below" / "NaCl.cif").write_bytes(b"")
    assert "there are 2 files 'NaCl'" in problems(tmp_path)[1][0]
    table.write_text("name,gap\ncifs/NaCl.cif,8.5\ncifs/below/NaCl.cif,1\n")
    good, bad = problems(tmp_path)
    assert [item.id for item in good] == ["NaCl"] and "empty" in bad[0]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "no CSV of targets"),
        ({"a.csv": "file,x\n", "b.csv": "file,x\n"}, r"2 tables \(a.csv, b.csv\)"),
        ({"a.csv": ""}, "the table is empty"),
        ({"a.csv": "file,x,x\nf,1,1\n"}, "two columns are called 'x'"),
        ({"a.csv": "file,x\n"}, "there are no records"),
        ({"a.csv": 'file,x\n"' + "y" * 200_000 + '",1\n'}, "no readable CSV"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, files: dict[str, str], text: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=text):
        open_dataset(tmp_path)


def test_jarvis_id_prop(tmp_path: Path, records: list[Record]) -> None:
    folder = write_folder(tmp_path / "mine", records, header=False)
    store = open_dataset(folder)
    assert store.target_names == ("target", "target_2")
    names = {"target": TARGET, "target_2": GAP}
    for found, wanted in zip(store, records, strict=True):
        assert found.id == f"POSCAR-{wanted.id}"
        assert found.targets == {
            own: wanted.targets[name] for own, name in names.items() if name in wanted.targets
        }
    good, _ = problems(folder, target_columns=[TARGET, GAP])
    assert good[0].targets[TARGET] == records[0].targets[TARGET]
    with pytest.raises(DatasetError, match="2 columns of values, and 1 names"):
        list(read_records(folder, target_columns=[TARGET]))


def test_an_id_prop_with_a_header_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "NaCl.cif").write_bytes(example_path("NaCl").read_bytes())
    (tmp_path / "id_prop.csv").write_text("id,gap\nNaCl,8.5\n")
    assert open_dataset(tmp_path)[0].targets == {"gap": 8.5}


# The way in


def test_a_store_is_written_once_for_the_same_file(tmp_path: Path, records: list[Record]) -> None:
    path = write_json_lines(tmp_path / "data.jsonl", [line_of(record) for record in records])
    first = open_dataset(path, folder=tmp_path / "store")
    inode = (tmp_path / "store").stat().st_ino
    assert open_dataset(path, folder=tmp_path / "store").fingerprint == first.fingerprint
    assert (tmp_path / "store").stat().st_ino == inode
    write_json_lines(path, [line_of(record) for record in records[:5]])
    assert len(open_dataset(path, folder=tmp_path / "store")) == 5
    assert len(open_dataset(tmp_path / "store")) == 5
    assert_same(list(read_records(tmp_path / "store")), records[:5], tolerance=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jsonl", "picture.png"])
def test_what_is_no_data_set_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"no such file, folder or name|no format of data sets"):
        open_dataset(tmp_path / name)


def test_a_format_can_be_named(tmp_path: Path, records: list[Record]) -> None:
    path = write_json_lines(tmp_path / "data.txt", [line_of(record) for record in records])
    with pytest.raises(DatasetError, match="no format of data sets"):
        list(read_records(path))
    assert len(problems(path, format="jsonl")[0]) == len(records)
    with pytest.raises(DatasetError, match="unknown format of data sets 'xml'"):
        list(read_records(path, format="xml"))


def test_duplicate_ids_are_reported(tmp_path: Path, records: list[Record]) -> None:
    lines = [line_of(records[0]), line_of(records[1]), line_of(records[0])]
    store = open_dataset(write_json_lines(tmp_path / "data.jsonl", lines))
    assert len(store) == 2
    assert len(store.problems) == 1
    assert "line 3" in store.problems[0] and "record 2 is that of record 0" in store.problems[0]


def test_a_store_that_cannot_be_written_is_an_error(tmp_path: Path, records: list[Record]) -> None:
    store: CrystalStore = open_dataset("example:jarvis", folder=tmp_path / "store")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        export_json_lines(store, tmp_path / "file" / "x.jsonl")
    with pytest.raises(DatasetError, match="cannot be written"):
        open_dataset("example:jarvis", folder=tmp_path / "file" / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset(path)
