"""Files of reference data: read once in a fit, and streamed where they are too large to keep."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference import configurations, reference_data
from madelung.forcefields.reference.configurations import SkippedConfigurations
from madelung.forcefields.reference.reference_data import DataFiles, elements_of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files to learn from and to test on; in the first, one frame has overlapping atoms."""
    random = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("data")
    frames = []
    for number in range(24):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.55 + 0.01 * number)
        atoms.positions += random.normal(scale=0.08, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_forces()
        frames.append(atoms)
    bad = frames[0].copy()
    bad.positions[1] = bad.positions[0]
    bad.info["energy"] = 0.0
    ase.io.write(folder / "train.extxyz", [*frames[:4], bad, *frames[4:18]], format="extxyz")
    ase.io.write(folder / "test.extxyz", frames[18:], format="extxyz")
    return folder / "train.extxyz", folder / "test.extxyz"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the reader has opened each file."""
    count: Counter[str] = Counter()
    original = configurations.open_text

    @contextmanager
    def counted(path: Path, *rest: Any) -> Iterator[Any]:
        count[Path(path).name] += 1
        with original(path, *rest) as stream:
            yield stream

    monkeypatch.setattr(configurations, "open_text", counted)
    return count


SETTINGS: dict[str, dict[str, Any]] = {
    "uf3": {"three_body": None},
    "meam": {
        "cutoff": 4.0, "starts": 1, "candidates": 1, "searched": 2, "search_iterations": 1,
        "iterations": 1,
    },
    "neural": {
        "network": {
            "cutoff": 3.0, "features": 4, "channels": 2, "cubic_channels": 1, "senders": 1,
            "radial": 2, "long_range": False,
        },
        "course": {"epochs": 1},
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", SETTINGS)
def test_a_fit_opens_each_file_once(
    kind: str, files: tuple[Path, Path], opened: Counter[str], tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump(SETTINGS[kind]))
    train, test = map(str, files)
    arguments = ["fit", kind, train, "--test", test, "--config", str(config), "--quiet"]
    run = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert run.exit_code == 0, (run.output, run.exception)
    assert opened == {"train.extxyz": 1, "test.extxyz": 1}
    rows = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert len(rows) > 24


def described(data: DataFiles) -> tuple[list[tuple[Any, ...]], list[str]]:
    skipped = SkippedConfigurations()
    found = [
        (part, item.id, item.energy, item.crystal.positions.tobytes())
        for part, item in data.read(skipped)
    ]
    return found, skipped.problems


def test_a_pass_over_memory_is_the_same_as_one_over_files(
    files: tuple[Path, Path], opened: Counter[str]
) -> None:
    data = DataFiles((str(files[0]),), (str(files[1]),), test_share=0.3, seed=4)
    assert elements_of(data) == ("Cu",)
    first, second = described(data), described(data)
    assert first == second == described(DataFiles(data.training, data.test, 0.3, 4))
    assert len(first[0]) == 24 and len(first[1]) == 1
    assert opened == {"train.extxyz": 2, "test.extxyz": 2}


def test_a_pass_that_was_not_finished_is_not_taken_for_the_whole(files: tuple[Path, Path]) -> None:
    data = DataFiles((str(files[0]),))
    stream = data.read(SkippedConfigurations())
    next(stream)
    stream.close()
    assert len(described(data)[0]) == 18


def test_large_files_are_streamed(
    files: tuple[Path, Path], opened: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for the smaller file alone, the larger one is read in each pass."""
    monkeypatch.setattr(reference_data, "_MOST_BYTES", 10 * 4096)
    data = DataFiles((str(files[0]),), (str(files[1]),))
    assert described(data) == described(data)
    assert opened == {"train.extxyz": 2, "test.extxyz": 1}


@pytest.mark.slow
def test_what_is_kept_takes_no_more_than_is_counted(files: tuple[Path, Path]) -> None:
    data = DataFiles((str(files[0]),))
    described(DataFiles((str(files[0]),)))  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        described(data)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    counted = reference_data._MOST_BYTES - data._memory._free
    assert 0 < kept <= counted


def test_elements_of_names_files_and_configurations(files: tuple[Path, Path]) -> None:
    assert elements_of((str(files[0]),)) == ("Cu",)
    kept = [item for _, item in DataFiles((str(files[0]),)).read(SkippedConfigurations())]
    assert elements_of(kept) == ("Cu",)
    with pytest.raises(ForceFieldError, match="no configuration is there"):
        elements_of([])
