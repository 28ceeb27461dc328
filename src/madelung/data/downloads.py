"""Downloads that go on where they were cut off, and that are checked."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madelung.common.errors import DatasetError
from madelung.common.outputs import json_text
from madelung.common.progress import Advance, watched
from madelung.common.version import __version__

__all__ = ["fetch", "file_checksum"]

_CHUNK = 1 << 18
_TIMEOUT = 30.0
# How often a connection may be cut before an address is given up, if it brought something.
_MOST_CUTS = 20


class _Unreachable(Exception):
    """An address did not give the file."""


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(
    addresses: Sequence[str],
    destination: Path,
    *,
    sha256: str | None = None,
    advice: str = "",
    progress: bool = False,
) -> str:
    """Download a file from the first address that gives it.

    What was received stays beside the destination (``.partial``) when the connection is cut, and a
    later call goes on from there if the server can and its file is still the same. A file that is
    at the destination already is taken if its checksum is right.

    Parameters
    ----------
    addresses
        Addresses (http or https) of the same file, tried in order.
    destination
        Where to put the file, which appears when it is whole.
    sha256
        Its checksum, if it is known.
    advice
        What else can be done, for the message if no address gives the file.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    DatasetError
        If no address gives the file, with what was wrong with each; or if the disk is full.
    """
    if destination.is_file():
        found = file_checksum(destination)
        if sha256 in (None, found):
            return found
    partial = destination.with_name(destination.name + ".partial")
    reasons = []
    for address in addresses:
        resumed = partial.is_file()
        try:
            found = _receive_checked(address, partial, sha256, progress)
            if resumed and sha256 not in (None, found):
                # What was there from before may have been of another file.
                found = _receive_checked(address, partial, sha256, progress)
        except _Unreachable as reason:
            reasons.append(f"{address}: {reason}")
            continue
        except OSError as error:
            raise DatasetError(
                f"{destination}: cannot be written ({error.strerror or error}); make room, or set "
                "MADELUNG_DATA to another folder"
            ) from error
        if sha256 not in (None, found):
            reasons.append(f"{address}: the SHA-256 is {found} instead of {sha256}")
            continue
        partial.replace(destination)
        return found
    listed = "\n".join(f"  {reason}" for reason in reasons) or "  no address is known"
    raise DatasetError(f"{destination.name} could not be downloaded:\n{listed}\n{advice}".rstrip())


def _receive_checked(address: str, partial: Path, sha256: str | None, progress: bool) -> str:
    """Receive a file and return its checksum; what has a wrong one is removed."""
    with watched(partial.stem, show=progress, in_bytes=True) as advance:
        _receive(address, partial, sha256 is not None, advance)
    found = file_checksum(partial)
    _note(partial).unlink(missing_ok=True)
    if sha256 not in (None, found):
        partial.unlink()
    return found


def _receive(address: str, partial: Path, checked: bool, advance: Advance) -> None:
    """Fill the partial file from an address, however often the connection is cut."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    note = _read_note(partial)
    if not checked and (note.get("address") != address or not note.get("validator")):
        # Without a checksum nothing would show that the parts come from two different files.
        partial.unlink(missing_ok=True)
    for _ in range(_MOST_CUTS):
        before = partial.stat().st_size if partial.is_file() else 0
        if _receive_once(address, partial, before, advance):
            return
        now = partial.stat().st_size
        if now <= before:
            raise _Unreachable(f"the connection was cut after {now} bytes")
    raise _Unreachable(f"the connection was cut {_MOST_CUTS} times")


def _receive_once(address: str, partial: Path, offset: int, advance: Advance) -> bool:
    """Receive what comes in one connection; returns whether that was all."""
    with _connect(address, partial, offset) as response:
        if response.status == 206:
            start, total = _content_range(response, offset)
            if start != offset:
                raise _Unreachable(f"the server went on at byte {start} instead of {offset}")
        else:
            # The server sends the file from its start.
            length = response.headers.get("Content-Length")
            start, total = 0, None if length is None else int(length)
        validator = _validator(response)
        _note(partial).write_text(
            json_text({"address": address, "validator": validator}), encoding="utf-8"
        )
        return _copy(response, partial, start, total, advance)


def _copy(response: Any, partial: Path, start: int, total: int | None, advance: Advance) -> bool:
    done = start
    with partial.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        while True:
            advance(done, total)
            try:
                chunk = response.read(_CHUNK)
            except (OSError, http.client.HTTPException):
                return False
            if not chunk:
                return total is None or done >= total
            stream.write(chunk)
            done += len(chunk)


def _connect(address: str, partial: Path, offset: int) -> Any:
    if not address.startswith(("http://", "https://")):
        raise _Unreachable("no address of the web (http or https)")
    headers = {"User-Agent": f"madelung/{__version__}"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        validator = _read_note(partial).get("validator")
        if validator:
            headers["If-Range"] = validator
    try:
        request = urllib.request.Request(address, headers=headers)
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            # What is there already is longer than the file.
            partial.unlink()
            return _connect(address, partial, 0)
        raise _Unreachable(f"the server answered {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise _Unreachable(str(getattr(error, "reason", error)) or type(error).__name__) from None
    return response


def _content_range(response: Any, offset: int) -> tuple[int, int | None]:
    """Return where a part starts and how long the whole file is."""
    text = response.headers.get("Content-Range", "")
    span, _, total = text.removeprefix("bytes ").partition("/")
    try:
        return int(span.partition("-")[0]), int(total) if total.isdigit() else None
    except ValueError:
        raise _Unreachable(f"the server's range {text!r} is not understood") from None


def _validator(response: Any) -> str | None:
    """Return what tells a version of the file from others; a weak ETag does not."""
    tag = response.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        return str(tag)
    modified = response.headers.get("Last-Modified")
    return None if modified is None else str(modified)


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _read_note(partial: Path) -> dict[str, Any]:
    try:
        content = json.loads(_note(partial).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
