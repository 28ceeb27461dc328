"""The command ``madelung`` in the process of a test: importing PyTorch anew takes seconds."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from madelung.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left: as ``subprocess.CompletedProcess``, of text."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*words: object, folder: Path | None = None) -> Done:
    """Run ``madelung`` with these words, in this folder if one is given."""
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # A process of its own shows warnings; what a reader must not see is tested elsewhere.
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", ["madelung", *map(str, words)])
        patch.setenv("COLUMNS", "120")
        if folder is not None:
            patch.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = _exit_code()
    return Done(code, *(_written(stream) for stream in (out, error)))


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8").replace(os.linesep, "\n")  # type: ignore[attr-defined]


class StartedCommand:
    """``madelung`` in a process of its own, to be killed or interrupted.

    It is forked off a server that has imported what training needs, so that it starts at once.

    Parameters
    ----------
    words
        The words after ``madelung``.
    errors
        Where the process writes its messages.
    environment
        What its environment has beside that of the test.
    """

    def __init__(
        self, *words: object, errors: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._errors = errors
        arguments = ([*map(str, words)], str(errors), dict(environment or {}))
        self._process = _SERVER.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def stderr(self) -> str:
        """What the process has said so far."""
        return self._errors.read_text(encoding="utf-8")

    def poll(self) -> int | None:
        """The exit status; None while the process runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self) -> int | None:
        """Wait for the end, and return the exit status."""
        self._process.join()
        return self._process.exitcode


def run_together(count: int, *words: object, folder: Path) -> None:
    """Run ``madelung`` in several processes at once, as ``torchrun`` starts them.

    Parameters
    ----------
    count
        How many processes.
    words
        The words after ``madelung``.
    folder
        Where the processes write their messages.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        StartedCommand(
            *words,
            errors=folder / f"errors-{rank}",
            environment={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]
    codes = [process.wait() for process in processes]
    assert codes == [0] * count, [process.stderr for process in processes]


_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["madelung.leaderboards.benchmark", "madelung.cli.train", "torch.utils.tensorboard"]
)


def _run(words: list[str], errors: str, environment: dict[str, str]) -> None:
    sys.argv = ["madelung", *words]
    os.environ.update(environment)
    with open(errors, "w", encoding="utf-8") as stream, open(os.devnull, "w") as nowhere:
        os.dup2(stream.fileno(), 2)
        os.dup2(nowhere.fileno(), 1)
    main()
