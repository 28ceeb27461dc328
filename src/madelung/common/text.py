"""Text of files that may be compressed, read as it is needed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from madelung.common.errors import DatasetError, ForceFieldError

__all__ = ["open_text", "plain_stem", "read_text"]

_COMPRESSIONS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")


def plain_stem(path: Path) -> str:
    """Return the name of a file without the suffixes of its compression and format."""
    name = path.name
    while name.lower().endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    return name.rpartition(".")[0] or name


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file, decompressed if it is a gzip, bzip2, xz or zip file (whatever its name).

    A zip file must hold one file. The text is UTF-8; line ends are kept.

    Raises
    ------
    DatasetError
        If the file is missing, or it turns out while it is read that it is cut off, damaged or no
        text.
    """
    try:
        with (
            _open_bytes(path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
        ):
            yield text
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: no UTF-8 text ({error.reason}); convert the file") from None
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path}: the archive is damaged or cut off ({error}); fetch it again"
        ) from None
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror or error}); check the file"
        ) from None


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive, path)) as inner:
            yield inner
        return
    for mark, opener in _COMPRESSIONS.items():
        if start.startswith(mark):
            with opener(path) as compressed:
                yield compressed
            return
    with path.open("rb") as stream:
        yield stream


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    # Archives made on macOS carry a folder of attributes beside the file.
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX")
    ]
    if len(names) != 1:
        raise DatasetError(
            f"{path}: the archive holds {len(names)} files; take out the one to read"
        )
    return names[0]


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, which may be compressed."""
    try:
        with open_text(Path(path)) as stream:
            return stream.read()
    except DatasetError as error:
        raise ForceFieldError(str(error)) from None
