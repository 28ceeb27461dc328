"""Whatever goes wrong is one line and an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from support.commands import run_command

import madelung.cli
from madelung.cli import INTERNAL_ERROR, INTERRUPTED


@pytest.mark.parametrize(
    ("problem", "code", "text"),
    [
        (OSError(28, "No space left on device", "out.csv"), 1, "out.csv: No space left on device"),
        (MemoryError(), 1, "there is not enough memory"),
        (RecursionError("deep"), 1, "nested too deeply"),
        (TypeError("odd\nlines"), INTERNAL_ERROR, "not foreseen, TypeError: odd; lines"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
    ],
)
def test_an_error_is_one_line(
    problem: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = typer.Typer()

    @command.command()
    def failing() -> None:
        raise problem

    def run(prog_name: str) -> Any:
        return command(args=[], prog_name=prog_name)

    monkeypatch.setattr(madelung.cli, "app", run)
    done = run_command("x")
    assert done.returncode == code
    assert done.stderr.startswith("madelung: ") and text in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("sums", "example:NaCl", "--tolerance", "inf"),
        ("sums", "example:NaCl", "--relative-tolerance", "nan"),
        ("sums", "example:NaCl", "--threads", "40000"),
        ("run", "md", "example:NaCl", "-f", "x", "--steps", "1", "--seed", "-1", "--out", "y"),
    ],
)
def test_options_out_of_range_are_refused(words: tuple[str, ...]) -> None:
    done = run_command(*words)
    assert done.returncode == 2
    assert words[-2] in done.stderr or "--seed" in done.stderr


def test_a_device_that_does_not_exist(tmp_path: Path) -> None:
    from madelung.common.errors import TrainingError
    from madelung.learning.processes import usable_device

    with pytest.raises(TrainingError, match="device 'nonsense' cannot be used"):
        usable_device("nonsense")


@pytest.mark.slow
def test_a_configuration_that_is_nested_too_deeply(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("a: " + "[" * 100_000)
    done = run_command("train", "example:jarvis", "--config", path, "--out", tmp_path / "run")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
