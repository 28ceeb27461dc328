"""Interruption of a long job at a place where its state can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeVar

from madelung.common.errors import MadelungError

__all__ = ["Interruption", "JobInterrupted", "interruptible"]

Result = TypeVar("Result")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interruptible(work: Callable[..., Result], *arguments: Any) -> Result:
    """Run native code that may take long, so that Ctrl-C comes through at once.

    Python looks at signals between its own instructions only. The work is done on another thread,
    and this one waits, which signals end. After an interruption nobody waits for the work any more,
    and it ends by itself or with the process. Outside of the main thread, where signals do not
    arrive, it is just done.

    Parameters
    ----------
    work
        What to call; it lets other threads run, and changes nothing but what it returns.
    arguments
        Its arguments.
    """
    if threading.current_thread() is not threading.main_thread():
        return work(*arguments)
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work(*arguments))
        except BaseException as problem:
            done.set_exception(problem)

    threading.Thread(target=run, daemon=True, name="native").start()
    return done.result()


class JobInterrupted(MadelungError):
    """A job was interrupted and can go on from its checkpoint."""


class Interruption:
    """Turns SIGINT and SIGTERM into a request to stop after the present step.

    A second signal ends the process at once. Outside of the main thread, where signals do not
    arrive, nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        """Start listening."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give signals back to whoever had them."""
        self._restore()

    def stop(self, folder: Path) -> NoReturn:
        """End the run.

        Raises
        ------
        JobInterrupted
            Always.
        """
        raise JobInterrupted(
            f"interrupted; a checkpoint is in {folder}: run the same command with --resume"
        )

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
