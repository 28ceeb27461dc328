"""CSV gives no orders to terminals and no formulas to spreadsheets."""

import csv
import io
from pathlib import Path

import pytest
from places import ROOT
from typer.testing import CliRunner

import madelung as md
from madelung.cli import app
from madelung.common.tables import TableWriter, cell_text, write_rows
from madelung.data.formats.json_lines import record_line
from madelung.data.records import Record

HOSTILE = ["=1+1", "+SUM(A1)", "-2+3+cmd|' /C calc'!A0", "@x", "\t=1", "＝1"]


def written(*cells: object) -> list[str]:
    stream = io.StringIO(newline="")
    TableWriter(stream).writerow(cells)
    assert stream.getvalue().count("\n") == 1
    (row,) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    return row


@pytest.mark.parametrize("text", HOSTILE)
def test_formulas_are_text(text: str) -> None:
    (cell,) = written(text)
    assert cell == "'" + text and cell_text(cell) == text


@pytest.mark.parametrize("text", ["-1.5e-3", "+2", "-inf", "NaCl", "a=b", "'quoted'", "", "'-1"])
def test_numbers_and_names_stay(text: str) -> None:
    assert written(text) == [text] and cell_text(text) == text


def test_numbers_are_written_in_full() -> None:
    assert written(-1.0 / 3.0, 7, None, True) == [repr(-1.0 / 3.0), "7", "", "True"]


def test_control_characters_are_shown() -> None:
    assert written("a\x1b[2Jb", "c\r\nd", "e\u202ef") == ["a\\x1b[2Jb", "c\\r\\nd", "e\\u202ef"]


def test_heads_and_rows_of_files(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.csv", [{"=a": 1.0}, {"=a": -2.0, "b": "@b"}])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["'=a", "b"], ["1.0", ""], ["-2.0", "'@b"]]


@pytest.mark.parametrize("command", ["predict", "sums"])
def test_ids_of_a_data_set_are_no_formulas(command: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    names = ["=HYPERLINK(1)", "a\x1b]0;title\x07"]
    lines = [record_line(Record(name, md.example("NaCl"), {"e": 1.0})) for name in names]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = CliRunner().invoke(app, [command, str(path), "--csv"])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout
    for row in csv.reader(io.StringIO(result.stdout, newline="")):
        assert not any(cell.startswith(("=", "@")) for cell in row)


def test_all_tables_are_written_in_one_place() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "tables.py" or path.parent.name != "common":
            assert "csv.writer(" not in text and "csv.DictWriter(" not in text, path
