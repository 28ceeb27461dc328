"""Bytes and text of crystal files, and what can be told about a file from them."""

from __future__ import annotations

import codecs
import os
import re
from functools import partial
from pathlib import Path

from madelung.common.compression import LARGEST_RATIO, read_bytes, without_compression
from madelung.crystals.checks import crystal_error

__all__ = ["decode", "display_name", "load_bytes", "looks_like_cif", "plain_name"]

LARGEST_FILE = 64 * 2**20
"""Bytes of a crystal file, after decompression, that are read."""
# Comments before the first block of a CIF fit into this many bytes.
_HEAD = 65536
LARGEST_LINES = 4_000_000
"""Lines of a crystal file that are read."""
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Control characters that no text file holds; tab, line ends, form feed and escape may occur.
_BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


def display_name(path: str | os.PathLike[str]) -> str:
    """Return a path as printable text, also where its bytes are no valid UTF-8."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def plain_name(path: str | os.PathLike[str]) -> str:
    """Return the last part of a path without the suffix of a compression."""
    return without_compression(Path(path).name)


def load_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file, decompressed if it is a gzip, bzip2, xz or zip file (whatever it is called).

    Raises
    ------
    CrystalError
        If there is no such file, it is a folder, cannot be read, is empty, is a damaged archive, or
        has more than 64 MiB or grows more than 200 times when it is decompressed.
    """
    source = display_name(path)
    if "\x00" in source:
        raise crystal_error(repr(source), "no file can have this name; give the path of a file")
    if os.path.isdir(path):
        raise crystal_error(source, "a folder, not a file; give the files in it")
    failure = partial(crystal_error, source)
    data = read_bytes(path, failure, most=LARGEST_FILE, ratio=LARGEST_RATIO)
    if not data.strip():
        raise crystal_error(source, "the file is empty; fetch or write it again")
    return data


def decode(data: bytes, source: str) -> str:
    """Return the text of a file with Unix line ends and without a byte order mark.

    UTF-8 and UTF-16 are known by their form; anything else is read as Latin-1, in which every byte
    means something: only comments hold letters beyond ASCII in the formats at hand.

    Raises
    ------
    CrystalError
        If the bytes are no text, or the text of a web page or of a stand-in for the file.
    """
    # A long run of zeros is told before it is decoded: a sparse file, or a device.
    if data.startswith(bytes(64)):
        raise crystal_error(source, "zeros in place of text; fetch or write the file again")
    lines = max(data.count(b"\n"), data.count(b"\r"))
    if lines > LARGEST_LINES:
        raise crystal_error(
            source,
            f"{lines} lines, and no file of a crystal has more than {LARGEST_LINES}; take the "
            "structure out of it, or open it as a data set",
        )
    if not data.startswith(_UTF16_MARKS):
        # DOS editors end a file with Ctrl-Z, others fill its last block with NUL.
        data = data.rstrip(b"\x1a\x00")
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a\x00")
    found = _BINARY.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise crystal_error(
            source, f"binary data (line {line}), not a text file of a crystal; give another format"
        )
    start = text[:200].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        raise crystal_error(source, "a web page, not a crystal; download the file itself")
    if start.startswith("version https://git-lfs"):
        raise crystal_error(source, "a Git LFS pointer, not the file; fetch it with git lfs pull")
    return text


def looks_like_cif(data: bytes) -> bool:
    """Return whether a file starts, after comments, with a CIF data block."""
    for line in data[:_HEAD].removeprefix(codecs.BOM_UTF8).splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            return line.lstrip().lower().startswith((b"data_", b"global_"))
    return False
