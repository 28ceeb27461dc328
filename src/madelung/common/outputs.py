"""Files of results, which appear whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["json_text", "plain", "whole_file", "write_json", "write_rows"]


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


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with the keys of the first row as its head."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
