"""Folders of results that one process at a time writes to."""

from __future__ import annotations

import fcntl
import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from madelung.common.errors import OutputError

__all__ = ["LOCK_FILE", "alone_in_folder", "locked_folder"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LOCK_FILE = ".madelung-lock"
"""File of a folder that is being written to."""

# How often this process holds a folder: a job may be made of others that write to the same one.
_held: dict[Path, int] = {}


@contextmanager
def locked_folder(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes away from a folder of results while the block runs.

    The folder is made if it is missing, and taken away again if it is empty at the end. The system
    takes the lock back when this process ends, however it does. Of processes that torchrun has
    started together, the first one holds it for all.

    Parameters
    ----------
    folder
        Where results are written.

    Raises
    ------
    OutputError
        If another process has it.
    """
    place = Path(folder)
    key = place.resolve()
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    if _held.get(key):
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    is_new = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    handle = _locked(place)
    _held[key] = 1
    try:
        yield
    finally:
        del _held[key]
        # Gone before the lock is, so that whoever opens it next makes another.
        (place / LOCK_FILE).unlink(missing_ok=True)
        os.close(handle)
        if is_new:
            with suppress(OSError):
                place.rmdir()


def alone_in_folder(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function hold the lock of the folder that its argument ``folder`` or ``out`` names.

    Without such an argument, or with None, it writes nothing there and holds nothing.
    """
    signature = inspect.signature(function)
    name = "folder" if "folder" in signature.parameters else "out"

    @functools.wraps(function)
    def alone(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        place = signature.bind(*args, **kwargs).arguments.get(name)
        with nullcontext() if place is None else locked_folder(place):
            return function(*args, **kwargs)

    return alone


def _locked(folder: Path) -> int:
    """Open and lock the file of a folder."""
    path = folder / LOCK_FILE
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise OutputError(
                f"{folder}: another process is writing there; wait for it, or name another folder"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        # Whoever held it may have removed it between the two steps.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)
