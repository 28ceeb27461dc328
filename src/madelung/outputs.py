"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it when all is written.

    Missing folders are made. If the block raises, the temporary file is removed and what stood
    under the name before stays.

    Parameters
    ----------
    path
        The name that the file shall have.

    Yields
    ------
    Path
        An empty file in the same folder and with the same suffix.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{final.stem}-", suffix=f".partial{final.suffix}", dir=final.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner reads; a result is an ordinary file.
        temporary.chmod(0o666 & ~_file_mode_mask())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def _file_mode_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
