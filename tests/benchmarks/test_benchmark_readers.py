"""The comparison of readers runs, its files say what they should, and its judge finds faults."""

from __future__ import annotations

import gzip
import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import madelung as md
from madelung.crystals.examples import EXAMPLE_NAMES

readers_bulk: Any = importlib.import_module("benchmarks.data.readers_bulk")
cif_readers: Any = importlib.import_module("benchmarks.data.cif_readers")
cif_styles: Any = importlib.import_module("benchmarks.data.cif_styles")
cif_texts: Any = importlib.import_module("benchmarks.data.cif_texts")
known_crystals: Any = importlib.import_module("benchmarks.data.known_crystals")

pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write the package's examples, several times, as a data set."""
    folder = tmp_path / "data"
    folder.mkdir()
    with gzip.open(folder / "examples.jsonl.gz", "wt") as stream:
        for turn in range(5):
            for name in EXAMPLE_NAMES:
                crystal = md.example(name)
                record = {
                    "id": f"{name}-{turn}",
                    "lattice": crystal.cell.tolist(),
                    "species": list(crystal.symbols),
                    "frac_coords": crystal.scaled_positions.tolist(),
                }
                stream.write(json.dumps(record) + "\n")
    return folder


@pytest.mark.slow
def test_a_run_counts_each_file_once_for_each_reader(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- readers -->\n<!-- readers -->\n")
    arguments = [str(data), "--crystals", "0", "--out", str(tmp_path), "--page", str(page)]
    readers_bulk.run(readers_bulk.parse(arguments))
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert {"command", "commit", "seed", "date", "machine", "versions"} <= set(record)
    assert record["files"] + sum(record["left_out"].values()) == 5 * len(EXAMPLE_NAMES)
    assert record["agree"] + sum(record["differences"].values()) == record["files"]
    for reader, counts in record["outcomes"].items():
        assert sum(counts.values()) == record["files"], reader
    ours = record["outcomes"]["Madelung"]
    assert ours["wrong in silence"] == ours["wrong, with a warning"] == 0
    assert ours["right"] >= 0.9 * record["files"]
    assert len(record["not_right_by_madelung"]) == record["files"] - ours["right"]
    assert "| Madelung " in page.read_text()


@pytest.mark.parametrize("name", ["CaF2", "TiO2"])
def test_faults_are_found(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    known = known_crystals.in_random_setting(md.example(name), rng)
    assert len(known.listed) < len(known.numbers) == known.multiplicities.sum()
    style = replace(
        cif_styles.random_style(known, rng), statement="operations", types="charge", digits=6
    )
    path = tmp_path / "crystal.cif"
    path.write_text(cif_texts.cif_text(known, style, rng))
    charges = cif_texts.charges_of(known, style)
    digits = (6, style.length_digits, style.angle_digits)

    def outcome(crystal: Any, wanted: dict[int, int]) -> str:
        answer = cif_readers.answer_of("Madelung", path, crystal, wanted, digits)
        return str(answer.detail or answer.outcome)

    assert outcome(known, charges) == "right"
    assert outcome(known, {number: 7 for number in charges}) == "other charges"
    assert outcome(replace(known, cell=1.01 * known.cell), charges) == "another cell"
    numbers = np.where(known.numbers == known.numbers[0], 10, known.numbers)
    assert outcome(replace(known, numbers=numbers), charges) == "other elements"
    moved = known.fractional + np.where(np.arange(len(known.numbers)) == 1, 0.05, 0.0)[:, None]
    assert outcome(replace(known, fractional=moved), charges) == "other places"
    fewer = replace(known, fractional=known.fractional[1:], numbers=known.numbers[1:])
    assert outcome(fewer, charges) == "more atoms"
