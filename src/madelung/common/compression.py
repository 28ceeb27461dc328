"""Bytes of files that may be compressed, unpacked as they are read."""

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
from typing import IO, Any

from madelung.common.errors import MadelungError

__all__ = ["LARGEST_RATIO", "open_bytes", "read_at_most", "read_bytes", "without_compression"]

_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
_PIECE = 1 << 20
# Bytes that may be unpacked whatever the size of the archive, of a file read whole and of a stream.
_ALWAYS_ALLOWED = 1 << 20
_ALWAYS_STREAMED = 1 << 26
LARGEST_RATIO = 200
"""How many times its size an archive may unpack to: text compresses twentyfold, and what grows this
many times is made to fill a memory or a disk."""

Failure = Callable[[str], MadelungError]


def without_compression(name: str) -> str:
    """Return the name of a file without the suffixes of compressions."""
    while name.lower().endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    return name


@contextmanager
def open_bytes(path: str | os.PathLike[str], error: Failure) -> Iterator[IO[bytes]]:
    """Open a file, unpacked if it is a gzip, bzip2, xz or zip file, whatever its name.

    Nothing is unpacked before it is read, so that a small file that unpacks to a huge one takes no
    more memory than what is asked for.

    Parameters
    ----------
    path
        The file; a zip file must hold one file.
    error
        Makes what is raised, of a message without the name of the file.

    Yields
    ------
    binary stream

    Raises
    ------
    MadelungError
        Of the kind asked for, if the file is missing, or it turns out while it is read that it is
        cut off or damaged, or unpacks to more than 64 MiB and 200 times its size.
    """
    try:
        with Path(path).open("rb") as stream, _unpacked(stream, error) as unpacked:
            yield unpacked
    except _DAMAGE as problem:
        raise error(f"the archive is damaged or cut off ({problem}); fetch it again") from None
    except FileNotFoundError:
        raise error("there is no such file; check the path") from None
    except OSError as problem:
        # bzip2 says of a damaged file that its data stream is invalid, without a number.
        if problem.errno is None:
            raise error(f"the archive is damaged ({problem}); fetch it again") from None
        raise error(f"cannot be read ({problem.strerror}); check the file") from None


def read_bytes(
    path: str | os.PathLike[str], error: Failure, *, most: int, ratio: int | None = None
) -> bytes:
    """Return the bytes of a file, unpacked if it is compressed; see :func:`open_bytes`.

    Parameters
    ----------
    path, error
        Of :func:`open_bytes`.
    most
        Bytes that it may have. It is an error if there are more, and no more are unpacked.
    ratio
        How many times its size an archive of more than 1 MiB may unpack to.
    """
    with open_bytes(path, error) as stream:
        packed = Path(path).stat().st_size
        if ratio is not None and packed:
            most = max(_ALWAYS_ALLOWED, min(most, ratio * packed))
        data = read_at_most(stream, most)
    if data is None:
        raise error(
            f"more than {most >> 20} MiB of data, unpacked if it is an archive; take out the part "
            "that is needed"
        )
    return data


def read_at_most(stream: IO[bytes], most: int) -> bytes | None:
    """Return the rest of a stream, or None if it has more than ``most`` bytes.

    ``stream.read(most + 1)`` would take room for all of them, however little there is.
    """
    pieces, size = [], 0
    while piece := stream.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            return None
    return b"".join(pieces)


@contextmanager
def _unpacked(stream: IO[bytes], error: Failure) -> Iterator[IO[bytes]]:
    start = stream.read(8)
    stream.seek(0)
    if start.startswith(_ZIP):
        with zipfile.ZipFile(stream) as archive:
            with archive.open(_only_member(archive, error)) as inner:
                yield _bounded(inner, stream, error)
            return
    opener = next((own for mark, own in _OPENERS.items() if start.startswith(mark)), None)
    if opener is None:
        yield stream
        return
    with opener(stream) as unpacked:
        yield _bounded(unpacked, stream, error)


def _bounded(unpacked: IO[bytes], packed: IO[bytes], error: Failure) -> IO[bytes]:
    size = os.fstat(packed.fileno()).st_size
    return io.BufferedReader(_Bounded(unpacked, max(_ALWAYS_STREAMED, LARGEST_RATIO * size), error))


class _Bounded(io.RawIOBase):
    """A stream that is an error once more has been read from it than an archive may hold."""

    def __init__(self, stream: IO[bytes], most: int, error: Failure) -> None:
        self._stream, self._left, self._error = stream, most, error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise self._error(
                f"an archive that unpacks to more than {LARGEST_RATIO} times its size; unpack it "
                "yourself if that is meant"
            )
        buffer[: len(piece)] = piece
        return len(piece)


def _only_member(archive: zipfile.ZipFile, error: Failure) -> str:
    # Archives made on macOS carry a folder of attributes beside the file.
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX")
    ]
    if len(names) != 1:
        raise error(f"the archive holds {len(names)} files; take out the one to read")
    return names[0]
