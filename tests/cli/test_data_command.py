"""The command ``madelung data``."""

import json
from pathlib import Path

import pytest
from commands import run_command
from data_files import sample, serving, write_folder
from typer.testing import CliRunner

import madelung as md
from madelung.cli.data import app
from madelung.data.store import CrystalStore


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADELUNG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def invoke(*arguments: str | Path) -> str:
    """Run the command, expecting success, and return what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_list() -> None:
    entries = json.loads(invoke("list", "--json"))
    here = {entry["name"]: entry["here"] for entry in entries}
    assert here["example:jarvis"] and not here["matbench/jdft2d"]
    assert "jarvis/dft_3d_2021" in invoke("list")


def test_info_of_the_example_and_of_what_is_not_downloaded() -> None:
    found = json.loads(invoke("info", "example:jarvis", "--json"))
    assert found["crystals"] == 600 and found["problems"] == 0 and found["folder"] is None
    energy = found["targets"][0]
    assert energy["unit"] == "eV/atom" and energy["min"] < energy["mean"] < energy["max"]
    assert found["splits"][0] == {
        "name": "formation_energy_peratom",
        "train": 480,
        "val": 60,
        "test": 60,
    }
    text = invoke("info", "example:jarvis")
    assert "480" in text and "GPa" in text and "NIST" in text
    found = json.loads(invoke("info", "mp/megnet", "--json"))
    assert found["here"] is False and found["crystals"] == 69_239
    assert "madelung data download mp/megnet" in invoke("info", "mp/megnet/e_form")


def test_import_info_and_export(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", sample(tmp_path, 5))
    (folder / "extra.cif").write_text("data_x\n")
    store = tmp_path / "store"
    result = CliRunner().invoke(app, ["import", str(folder), "--out", str(store)])
    assert result.exit_code == 0 and "5 crystals in" in result.stdout
    assert "1 structure files have no line" in result.stderr and "1 problems" in result.stderr
    found = json.loads(invoke("info", store, "--json"))
    assert found["crystals"] == 5 and found["problems"] == 1 and found["folder"] == str(store)
    invoke("export", store, "--out", tmp_path / "again.jsonl.gz")
    again = md.open_dataset(tmp_path / "again.jsonl.gz")
    assert list(again.ids) == list(CrystalStore.open(store).ids)
    assert invoke("import", "mp/megnet", tmp_path / "again.jsonl.gz", "--partial").startswith("5 ")
    assert json.loads(invoke("info", "mp/megnet", "--json"))["crystals"] == 5


def test_what_a_command_needs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import", str(tmp_path)])
    assert result.exit_code == 2 and "--out" in result.output
    result = CliRunner().invoke(app, ["info", "jarvis/dft_3d"])
    assert isinstance(result.exception, md.DatasetError)
    with serving({}) as served:
        result = CliRunner().invoke(app, ["download", "example:jarvis", "--mirror", served.address])
    assert "needs no download" in str(result.exception)


def test_errors_are_one_line(tmp_path: Path) -> None:
    result = run_command("data", "info", tmp_path / "gone")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "no such file" in result.stderr
