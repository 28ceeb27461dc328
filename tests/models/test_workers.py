"""Threads and processes: as many as asked for, within bounds, and the same results."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ModelError
from madelung.common.machine import most_threads, torch_threads
from madelung.crystals.examples import EXAMPLE_NAMES, example_path
from madelung.models.workers import in_order


def predicted(folder: Path, *options: str) -> list[dict[str, str]]:
    result = CliRunner().invoke(app, ["predict", str(folder), "--csv", *options])
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(result.stdout.splitlines()))


@pytest.mark.slow
def test_processes_predict_the_same_in_order(tmp_path: Path) -> None:
    for index in range(16):
        name = EXAMPLE_NAMES[index % len(EXAMPLE_NAMES)]
        (tmp_path / f"{index:03}.cif").write_bytes(example_path(name).read_bytes())
    (tmp_path / "007.cif").write_text("", encoding="utf-8")
    alone = predicted(tmp_path, "--threads", "1")
    together = predicted(tmp_path, "--threads", "2", "--workers", "2")
    assert [row["file"] for row in together] == [row["file"] for row in alone]
    assert [bool(row["error"]) for row in together] == [index == 7 for index in range(16)]
    for first, second in zip(alone, together, strict=True):
        if not first["error"]:
            assert float(second["value"]) == pytest.approx(float(first["value"]), abs=1e-5)


def threads_and_number(number: int) -> tuple[int, int]:
    if number < 0:
        raise SystemExit(3)
    return torch.get_num_threads(), number


def numbers(read: list[int]) -> Iterator[int]:
    for number in range(12):
        read.append(number)
        yield number


@pytest.mark.slow
def test_processes_are_given_no_more_than_they_need() -> None:
    read: list[int] = []
    results = in_order(threads_and_number, numbers(read), workers=1, threads=1)
    assert next(results) == (1, 0)
    assert len(read) < 6
    assert list(results) == [(1, number) for number in range(1, 12)]


def end(number: int) -> int:
    import os

    os._exit(number)


@pytest.mark.slow
def test_a_process_that_ends_is_one_error() -> None:
    with pytest.raises(ModelError, match="--workers"):
        list(in_order(end, [3], workers=1, threads=1))


def test_threads_hold_for_pytorch_and_no_longer() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_are_bounded() -> None:
    before = torch.get_num_threads()
    with torch_threads(40_000):
        assert torch.get_num_threads() == most_threads()
    with torch_threads(None):
        assert torch.get_num_threads() == before


FORKING = """
import os, signal, sys
import torch
import madelung as md
from madelung.common.machine import torch_threads

torch.set_num_threads(4)
model = md.load(sys.argv[1])
example = md.example("TiO2")
crystals = [
    md.Crystal(cell=size * example.cell, positions=size * example.positions,
               numbers=example.numbers, pbc=True)
    for size in [1.0 + 0.001 * step for step in range(40)]
]
sums = dict(tolerance=1e-6, executor="torch")

def results():
    values = [prediction.value for prediction in model.predict(crystals)]
    found = md.complete_sums(crystals, [md.Coulomb()], **sums).values
    return values, [part.sum() for part in found]

before = results()
child = os.fork()
if child == 0:
    # Without the signal a test that fails would hang.
    signal.alarm(240)
    after = results()
    with torch_threads(4):
        again = results()
        assert torch.get_num_threads() == 1
    close = all(
        abs(one - other) < 1e-5 * (1.0 + abs(one))
        for result in (after, again)
        for ones, others in zip(before, result)
        for one, other in zip(ones, others)
    )
    os._exit(0 if close and torch.get_num_threads() == 1 else 1)
status = os.waitpid(child, 0)[1]
assert torch.get_num_threads() == 4
assert results() == before
sys.exit(0 if status == 0 else f"status {status}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no forks")
@pytest.mark.parametrize("model", ["mp-formation-energy", "phonon-frequency"])
def test_a_fork_predicts_the_same_and_does_not_hang(model: str) -> None:
    """With PyTorch's threads in use before the fork, as OpenMP's state is copied without them."""
    variables = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", FORKING, model]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "example:NaCl", "--threads"],
        ["predict", "example:NaCl", "--workers"],
        ["sums", "example:NaCl", "--threads"],
        ["train", "example:jarvis", "--out", "run", "--threads"],
    ],
)
def test_numbers_are_bounded(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, str(most_threads() + 1)])
    assert result.exit_code == 2 and "too many" in result.output
    assert f"at most {most_threads()}" in " ".join(result.output.split())
