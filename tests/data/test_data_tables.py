"""Tables of others: JSON of JARVIS and Matbench, extxyz and pandas."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import ase.io
import pandas
import pytest
from data_files import (
    GAP,
    TARGET,
    assert_same,
    jarvis_item,
    matbench_table,
    only,
    problems,
    pymatgen_item,
    sample,
)
from hypothesis import given
from hypothesis import strategies as st

from madelung.common.errors import DatasetError
from madelung.crystals.examples import example_path
from madelung.data.dataset import open_dataset
from madelung.data.formats.json_stream import JsonStream
from madelung.data.records import Record


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return sample(tmp_path)


# JSON of JARVIS and Matbench


def test_jarvis_json(tmp_path: Path, records: list[Record]) -> None:
    items = [jarvis_item(record) for record in records]
    path = tmp_path / "jarvis.json"
    path.write_text(json.dumps(items, indent=1))
    expected = only(records, TARGET, GAP, "bulk_modulus_kv")
    assert_same(open_dataset(path), expected)
    cartesian = records[1].crystal.positions.tolist()
    items[1]["atoms"] |= {"coords": cartesian, "cartesian": True}
    items[2]["atoms"]["elements"][0] = "?"
    items[3] = {"jid": "empty"}
    items[4]["atoms"].pop("coords")
    del items[5]["jid"]
    path.write_text(json.dumps(items))
    good, bad = problems(path)
    assert_same(good, [*expected[:2], *expected[6:]])
    parts = ["'?' is no chemical element", "no object with 'atoms'", "no coords", "no id"]
    for number, (text, part) in enumerate(zip(bad, parts, strict=True), start=2):
        assert part in text and f"record {number} (counted from 0)" in text
    assert problems(path, target_columns=[GAP])[0][0].targets.keys() <= {GAP}


@pytest.mark.parametrize(
    "order", ["columns index data", "data index columns", "index columns data"]
)
def test_matbench_json(tmp_path: Path, records: list[Record], order: str) -> None:
    path = tmp_path / "matbench_mp_e_form.json.gz"
    path.write_bytes(gzip.compress(json.dumps(matbench_table(records, order)).encode()))
    store = open_dataset(path)
    expected = [
        Record(f"mb-mp-e-form-{n:02d}", record.crystal, {"e_form": record.targets[TARGET]}, {})
        for n, record in enumerate(records, start=1)
    ]
    assert_same(store, expected)
    assert store.info.licence == "MIT (Matbench)" and store.info.targets[0].unit == "eV/atom"


def test_units_follow_the_file_and_not_the_name_of_the_column(
    tmp_path: Path, records: list[Record]
) -> None:
    """Matbench's perovskites call eV per cell what others call e_form in eV/atom."""
    path = tmp_path / "matbench_perovskites.json.gz"
    path.write_bytes(gzip.compress(json.dumps(matbench_table(records)).encode()))
    assert open_dataset(path).info.targets[0].unit == "eV"


def test_disorder_in_matbench_json_is_refused_by_record(
    tmp_path: Path, records: list[Record]
) -> None:
    table = matbench_table(records)
    table["data"][3][0]["sites"][0]["species"] = [
        {"element": "Fe", "occu": 0.5},
        {"element": "Ni", "occu": 0.5},
    ]
    table["data"][4] = [1.0]
    table["data"][5][1] = "large"
    table["data"][6][0] = json.dumps(table["data"][6][0])
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    good, bad = problems(path)
    assert len(good) == len(records) - 3
    for number, (text, part) in enumerate(
        zip(bad, ["partial occupancy", "no list of 2 values", "no number"], strict=True), start=3
    ):
        assert part in text and f"record {number} (counted from 0), mb-table-0{number + 1}" in text


def test_pymatgen_agrees_with_what_the_tests_take_for_its_json(records: list[Record]) -> None:
    from pymatgen.core import Structure

    structure = Structure.from_dict(pymatgen_item(records[0]))
    assert len(structure) == len(records[0].crystal)
    assert set(pymatgen_item(records[0])) - {"@class"} <= set(structure.as_dict())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"atoms": ', "no readable JSON near character"),
        ("[1, 2", "no readable JSON"),
        ("[1 2]", "no readable JSON"),
        ('{"data": [], "index": []}', "no 'columns' and 'data'"),
        ('{"columns": ["a"], "data": [[1]]}', "no column is called 'structure'"),
        ("[]", "there are no records"),
        ("17", "no format of data sets"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "data.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Drip(io.StringIO):
    """Text that comes a few characters at a time."""

    def read(self, size: int | None = -1, /) -> str:
        return super().read(3)


@pytest.mark.slow
@given(st.lists(JSON), st.sampled_from([None, 1]))
def test_a_stream_reads_what_the_json_module_wrote(items: list[Any], indent: int | None) -> None:
    text = json.dumps(items, indent=indent)
    assert list(JsonStream(Drip(text), "text").items()) == items


# extxyz


def test_extxyz(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "frames.extxyz"
    images = []
    for record in records:
        atoms = record.crystal.to_ase()
        atoms.info = {"id": record.id, "split": "train", "note": "text", **record.targets}
        images.append(atoms)
    ase.io.write(path, images)
    expected = only(records, *records[0].targets, GAP, TARGET, "bulk_modulus_kv")
    store = open_dataset(path)
    assert_same(store, expected, splits=False, tolerance=1e-6)
    assert store.split("split").tolist() == ["train"] * len(records)


def test_bad_frames_of_extxyz(tmp_path: Path) -> None:
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 energy=-1.5\nCu 0 0 0\n'
    path = tmp_path / "md.xyz"
    path.write_text(frame + frame.replace("Cu", "Qq") + frame.replace("Cu 0", "Cu nan") + frame)
    good, bad = problems(path)
    assert [(item.id, item.targets) for item in good] == [
        ("md-000000", {"energy": -1.5}),
        ("md-000003", {"energy": -1.5}),
    ]
    assert "frame 1 (counted from 0)" in bad[0] and "frame 2" in bad[1]
    path.write_text(frame + "many\n" + frame)
    good, bad = problems(path)
    assert len(good) == 1 and "'many' is no number of atoms, and the rest" in bad[0]
    path.write_text(frame + frame[:-20])
    good, bad = problems(path)
    assert len(good) == 1 and len(bad) == 1
    assert problems(path, target_columns=["energy"])[0][0].targets == {"energy": -1.5}


# pandas


def test_a_pandas_table(tmp_path: Path, records: list[Record]) -> None:
    crystals: list[Any] = [record.crystal for record in records]
    crystals[0] = records[0].crystal.to_ase()
    crystals[1] = records[1].crystal.to_pymatgen()
    table = pandas.DataFrame(
        {
            "structure": crystals,
            TARGET: [record.targets[TARGET] for record in records],
            GAP: [record.targets.get(GAP) for record in records],
            "formula": [record.crystal.formula for record in records],
            f"split:{TARGET}": [record.splits[TARGET] for record in records],
        },
        index=[record.id for record in records],
    )
    expected = only(records, TARGET, GAP, splits={TARGET: TARGET})
    assert_same(open_dataset(table), expected)
    named = table.reset_index(names="material_id")
    assert_same(open_dataset(named, folder=tmp_path / "store"), expected)


def test_bad_rows_of_a_pandas_table(tmp_path: Path, records: list[Record]) -> None:
    file = tmp_path / "NaCl.cif"
    file.write_bytes(example_path("NaCl").read_bytes())
    table = pandas.DataFrame(
        {
            "file": [str(file), str(tmp_path / "gone.cif"), 3, records[0].crystal, [file, file]],
            "gap": [1.0, 2.0, 3.0, float("inf"), 1.0],
        }
    )
    good, bad = problems(table)
    assert [(item.id, item.targets) for item in good] == [("0", {"gap": 1.0})]
    parts = ["no such file", "type 'int'", "not finite", "2 crystals in one cell"]
    for text, part in zip(bad, parts, strict=True):
        assert part in text
    with pytest.raises(DatasetError, match="no column of crystals"):
        open_dataset(table[["gap"]])
    with pytest.raises(DatasetError, match="type 'int'"):
        open_dataset(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["../outside.cif", "inner/../../outside.cif", "{absolute}"])
def test_a_table_names_no_files_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    outside, folder = tmp_path / "outside.cif", tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    content = example_path("NaCl").read_text()
    outside.write_text(content)
    (folder / "here.cif").write_text(content)
    named = name.format(absolute=outside)
    (folder / "id_prop.csv").write_text(f"{named},1.0\nhere.cif,2.0\n")
    store = open_dataset(str(folder), folder=tmp_path / "store")
    assert list(store.ids) == ["here"]
    assert "lies outside of" in store.problems[0]
