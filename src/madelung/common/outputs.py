"""Files of results, which appear whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from madelung.common.errors import OutputError

__all__ = [
    "held_temporary",
    "json_text",
    "plain",
    "remove_leftovers",
    "require_replaceable",
    "whole_file",
    "write_json",
]


def require_replaceable(path: Path) -> None:
    """Refuse a name under which there is something else than an ordinary file.

    Raises
    ------
    OutputError
        If it is a symbolic link, a folder, a pipe, a socket or a device.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = next((word for test, word in _KINDS if test(mode)), "no ordinary file")
        raise OutputError(f"{path}: is {kind}, which no result replaces; name another file")


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove what killed processes have left of files and folders that they wrote.

    Parameters
    ----------
    folder
        Where to look.
    pattern
        Of the names. What a living process holds a lock on stays.
    """
    for path in folder.glob(pattern):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            continue
        # It may go meanwhile, or belong to somebody else.
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            finally:
                os.close(handle)


def held_temporary(make: Callable[[], str]) -> tuple[int, Path]:
    """Make a temporary file or folder that :func:`remove_leftovers` of other processes leaves.

    Parameters
    ----------
    make
        Makes a new file or folder at each call, and returns its name.

    Returns
    -------
    handle : int
        Holds a lock, where the file system can, until it is closed.
    path : Path
        What was made.
    """
    while True:
        path = Path(make())
        # Another process may take it for a leftover until the lock is held; then there is a next.
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                with suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False)):
                    return handle, path
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it when all is written.

    Missing folders are made. If the block raises, the temporary file is removed and what stood
    under the name before stays. What a killed process has left of the file is removed.

    Parameters
    ----------
    path
        The name that the file shall have.

    Yields
    ------
    Path
        An empty file in the same folder and with the same suffix.

    Raises
    ------
    OutputError
        If the name is that of a symbolic link, a folder, a pipe or a device.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    require_replaceable(final)
    remove_leftovers(
        final.parent, f".{glob.escape(final.stem)}-????????.partial{glob.escape(final.suffix)}"
    )
    handle, temporary = held_temporary(lambda: _new_file(final))
    try:
        yield temporary
        # mkstemp makes files that only their owner reads; a result is an ordinary file.
        temporary.chmod(0o666 & ~_file_mode_mask())
        require_replaceable(final)
        temporary.replace(final)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _new_file(final: Path) -> str:
    """Make an empty file beside another, under a name that :func:`whole_file` recognises."""
    handle, name = tempfile.mkstemp(
        prefix=f".{final.stem}-", suffix=f".partial{final.suffix}", dir=final.parent
    )
    os.close(handle)
    return name


def _file_mode_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def plain(value: Any) -> Any:
    """Return what JSON can hold: lists for arrays, None for numbers that are not finite."""
    # Here, so that commands that only show their help start without it.
    import numpy as np

    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    ensure_ascii: bool = True,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = None,
) -> str:
    """Return strict JSON, the only kind that Madelung writes: no NaN and no Infinity.

    Parameters
    ----------
    value
        What :func:`plain` takes; numbers that are not finite become null.
    indent, ensure_ascii, sort_keys, separators
        As for :func:`json.dumps`.
    """
    return json.dumps(
        plain(value), indent=indent, ensure_ascii=ensure_ascii, sort_keys=sort_keys,
        separators=separators, allow_nan=False,
    )  # fmt: skip


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that appears when it is whole."""
    with whole_file(path) as temporary:
        text = json_text(value, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
