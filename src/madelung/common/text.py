"""Text of files that may be compressed, read as it is needed."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from madelung.common.compression import (
    LARGEST_RATIO,
    open_bytes,
    read_at_most,
    read_bytes,
    without_compression,
)
from madelung.common.errors import DatasetError, MadelungError

__all__ = [
    "LARGEST_TEXT",
    "bounded_lines",
    "bounded_text",
    "open_text",
    "plain_stem",
    "read_text",
    "shown",
]

LARGEST_TEXT = 64 * 2**20
"""Bytes of a text, after decompression, that is read as a whole."""

# Control characters but for line feed and tab, and those that turn the direction of writing.
_CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def shown(text: str) -> str:
    """Return text as a terminal may be given it: control characters of it as ``\\x1b``.

    Names in files may hold sequences that move the cursor, or rename or question the terminal.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def plain_stem(path: Path) -> str:
    """Return the name of a file without the suffixes of its compression and format."""
    name = without_compression(path.name)
    return name.rpartition(".")[0] or name


@contextmanager
def open_text(
    path: str | os.PathLike[str], error: type[MadelungError] = DatasetError
) -> Iterator[TextIO]:
    """Open a text file, decompressed if it is a gzip, bzip2, xz or zip file (whatever its name).

    A zip file must hold one file. The text is UTF-8; line ends are kept.

    Parameters
    ----------
    path
        The file.
    error
        What is raised.

    Raises
    ------
    MadelungError
        Of the kind asked for, if the file is missing, or it turns out while it is read that it is
        cut off, damaged or no text, or unpacks to more than 64 MiB and 200 times its size.
    """

    def failure(text: str) -> MadelungError:
        return error(f"{path}: {text}")

    try:
        with (
            open_bytes(path, failure) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
        ):
            yield text
    except UnicodeDecodeError as problem:
        raise failure(f"no UTF-8 text ({problem.reason}); convert the file") from None


# A crystal of a hundred thousand atoms takes a tenth of this in one line of JSON.
_LONGEST_LINE = 2**26


def bounded_lines(stream: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a text; one that no memory may hold is an error.

    Raises
    ------
    DatasetError
        If a line has more than 2^26 characters.
    """
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise DatasetError(
                f"{path}: a line of more than {_LONGEST_LINE} characters; write one record a line"
            )
        yield line


def read_text(path: str | os.PathLike[str], error: type[MadelungError]) -> str:
    """Return the text of a file, which may be compressed.

    Raises
    ------
    MadelungError
        Of the kind asked for, if the file is missing, damaged, no UTF-8, has more than 64 MiB, or
        unpacks to more than 1 MiB and 200 times its size.
    """

    def failure(text: str) -> MadelungError:
        return error(f"{path}: {text}")

    data = read_bytes(path, failure, most=LARGEST_TEXT, ratio=LARGEST_RATIO)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise failure(f"no UTF-8 text ({problem.reason}); convert the file") from None


def bounded_text(path: Path) -> str:
    """Return the UTF-8 text of a file of 64 MiB at most, as ``Path.read_text`` does.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is larger or no UTF-8.
    """
    with path.open("rb") as stream:
        data = read_at_most(stream, LARGEST_TEXT)
    if data is None:
        raise ValueError(f"more than {LARGEST_TEXT >> 20} MiB")
    return data.decode("utf-8")
