"""The way in: any data set that Madelung reads, opened as a store."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madelung.common.errors import DatasetError
from madelung.common.progress import counted
from madelung.common.version import __version__
from madelung.data.index import is_store
from madelung.data.reading import read_records
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store

if TYPE_CHECKING:
    import pandas

__all__ = ["export_json_lines", "open_dataset"]


def open_dataset(
    source: str | Path | pandas.DataFrame,
    *,
    folder: Path | None = None,
    progress: bool = False,
    strict: bool = False,
) -> CrystalStore:
    """Open a data set, whatever form it has.

    Parameters
    ----------
    source
        The folder of a store; a file or folder that :func:`read_records` reads; a pandas table; or
        the name of a data set (:func:`madelung.data.named.dataset_names`), which is looked for in
        the data folder and downloaded if it is not there. A path comes before a name.
    folder
        Where to write the store of a file, folder, table or example. If a store is there that was
        written from the same files in their present state, it is opened; another store is
        replaced. By default a temporary folder that lives as long as the process.
    progress
        Whether to show on stderr how far it is.
    strict
        Whether the first record that cannot be used is an error; otherwise they are counted and
        listed in :attr:`CrystalStore.problems`.

    Raises
    ------
    DatasetError
        If there is no such data set, or it cannot be read, downloaded or written.
    """
    if not isinstance(source, str | os.PathLike):
        records = read_records(source)
        return _written(records, folder, DatasetInfo("table"), {}, progress, strict)
    path = Path(source)
    if path.is_dir() and is_store(path):
        return CrystalStore.open(path)
    from madelung.data import named

    if path.exists() or not named.is_name(str(source)):
        return _read(path, folder, named.file_info(path), progress, strict)
    if not str(source).startswith(named.EXAMPLE_PREFIX):
        return named.find_dataset(str(source), progress=progress, strict=strict)
    dataset, target = named.named_dataset(str(source))
    file = named.example_file(dataset)
    store = _read(file, folder, dataset.info, progress, strict)
    return named.with_target(store, dataset, target)


def export_json_lines(store: CrystalStore, path: str | Path) -> None:
    """Write a data set as JSON lines, which :func:`open_dataset` reads; compressed if ``.gz``.

    The file appears when all is written.

    Raises
    ------
    DatasetError
        If the file cannot be written.
    """
    import gzip

    from madelung.common.outputs import whole_file
    from madelung.data.formats.json_lines import record_line

    final = Path(path)
    try:
        with whole_file(final) as temporary, temporary.open("wb") as raw:
            if final.suffix != ".gz":
                for record in store:
                    raw.write(record_line(record).encode("utf-8") + b"\n")
                return
            # Without a time and a name, the same data give the same file.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
                for record in store:
                    stream.write(record_line(record).encode("utf-8") + b"\n")
    except OSError as error:
        raise DatasetError(f"{final}: cannot be written ({error.strerror or error})") from error


def _read(
    path: Path, folder: Path | None, info: DatasetInfo, progress: bool, strict: bool
) -> CrystalStore:
    """Write the store of a file or folder, unless it is there from an earlier time."""
    origin = {"name": path.name, "state": _state(path), "madelung": __version__}
    if folder is not None and is_store(folder):
        store = CrystalStore.open(folder)
        if store.origin == origin and not (strict and store.problems):
            return store
    return _written(read_records(path), folder, info, origin, progress, strict)


def _written(
    records: Iterator[Record | DatasetError],
    folder: Path | None,
    info: DatasetInfo,
    origin: dict[str, Any],
    progress: bool,
    strict: bool,
) -> CrystalStore:
    place = _temporary_folder() / "store" if folder is None else folder
    shown = counted(records, f"reading {info.name}", show=progress)
    return write_store(shown, place, info, strict=strict, origin=origin)


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="madelung-data-"))
    owner = os.getpid()

    def remove() -> None:
        # A forked process inherits this function, but not the folder.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _state(path: Path) -> str:
    """Return a checksum over the names, sizes and times of a file, or of all files of a folder."""
    if not path.is_dir():
        files = [path]
    else:
        files = sorted(
            Path(place) / name
            for place, _, names in os.walk(path)
            if not is_store(Path(place))
            for name in names
        )
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            raise DatasetError(
                f"{file}: there is no such file, folder or name of a data set; check the path, or "
                "see 'madelung data list'"
            ) from None
        except OSError as error:
            raise DatasetError(f"{file}: cannot be read ({error.strerror}); check it") from None
        facts = (str(file.relative_to(path)), status.st_size, status.st_mtime_ns)
        digest.update(repr(facts).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()
