"""What every format of data sets must do: give records back, and report and skip bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ase.io
import pytest
from data_files import (
    TARGET,
    jarvis_item,
    line_of,
    matbench_table,
    problems,
    sample,
    write_folder,
    write_json_lines,
)

from madelung.common.errors import DatasetError
from madelung.data.formats.detection import FORMATS, detect_dataset_format
from madelung.data.reading import read_records
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import write_store

Writer = Callable[[Path, list[Record]], Path]
DAMAGED = 1
"""Which record is made one that cannot be read."""


def _store(folder: Path, records: list[Record]) -> Path:
    write_store(records, folder / "store", DatasetInfo("store"))
    return folder / "store"


def _json(folder: Path, content: object) -> Path:
    (folder / "data.json").write_text(json.dumps(content))
    return folder / "data.json"


def _extxyz(folder: Path, records: list[Record]) -> Path:
    frames = [record.crystal.to_ase() for record in records]
    for frame, record in zip(frames, records, strict=True):
        frame.info = {"id": record.id, TARGET: record.targets[TARGET]}
    ase.io.write(folder / "data.extxyz", frames)
    return folder / "data.extxyz"


WRITERS: dict[str, Writer] = {
    "store": _store,
    "folder": lambda folder, records: write_folder(folder / "data", records),
    "id_prop": lambda folder, records: write_folder(folder / "data", records, header=False),
    "jsonl": lambda folder, records: write_json_lines(
        folder / "data.jsonl", [line_of(record) for record in records]
    ),
    "jarvis": lambda folder, records: _json(folder, [jarvis_item(record) for record in records]),
    "matbench": lambda folder, records: _json(folder, matbench_table(records)),
    "extxyz": _extxyz,
}
"""A file or folder of each format; a new format comes with its line."""


def _damage(path: Path, record: Record) -> None:
    """Give a crystal of a file an element that there is not."""
    if path.is_dir():
        path = next(path.glob(f"*{record.id}*"))
        path.write_text(path.read_text().replace(record.crystal.symbols[0], "Qq"))
        return
    text = path.read_text()
    symbol = record.crystal.symbols[0]
    start = text.index(f"id={record.id}" if path.suffix == ".extxyz" else _mark(text, record))
    mark = f"\n{symbol} " if path.suffix == ".extxyz" else f'"{symbol}"'
    place = text.index(mark, start)
    path.write_text(text[:place] + mark.replace(symbol, "Qq") + text[place + len(mark) :])


def _mark(text: str, record: Record) -> str:
    """What a record's JSON can be found by."""
    for mark in (f'"id": "{record.id}"', f'"jid": "{record.id}"'):
        if mark in text:
            return mark
    return json.dumps(record.crystal.cell.tolist())


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return sample(tmp_path, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_records_come_back(name: str, tmp_path: Path, records: list[Record]) -> None:
    path = WRITERS[name](tmp_path, records)
    assert detect_dataset_format(path) == name
    for form in (None, name):
        good, bad = problems(path, format=form)
        assert bad == []
        assert len({record.id for record in good}) == len(records)
        for found, wanted in zip(good, records, strict=True):
            assert found.crystal.numbers.tolist() == wanted.crystal.numbers.tolist()
            assert found.crystal.volume == pytest.approx(wanted.crystal.volume, rel=1e-6)
            assert wanted.targets[TARGET] in found.targets.values()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "store"])
def test_a_damaged_record_is_reported_and_skipped(
    name: str, tmp_path: Path, records: list[Record]
) -> None:
    """A store is written by the package, and is whole or damaged as one."""
    path = WRITERS[name](tmp_path, records)
    _damage(path, records[DAMAGED])
    good, bad = problems(path)
    assert len(good) == len(records) - 1 and len(bad) == 1
    assert str(path) in bad[0] and "Qq" in bad[0] and "\n" not in bad[0]


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_file_is_one_clear_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        list(read_records(tmp_path / "nowhere", format=name))


def test_an_unknown_format_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown format of data sets 'matbnch'; is it matbench"):
        list(read_records(tmp_path, format="matbnch"))
