"""Writing of stores: shard by shard, into a folder that appears when it is whole."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.arrays import to_numpy
from madelung.common.errors import DatasetError
from madelung.common.outputs import held_temporary, json_text, remove_leftovers
from madelung.data.index import STORE_FILE, StoreIndex, is_store
from madelung.data.records import DatasetInfo, Record
from madelung.data.shards import ShardBuilder, ShardEntry
from madelung.data.units import known_target

__all__ = ["SHARD_SIZE", "StoreWriter", "appearing_folder"]

SHARD_SIZE = 16384
"""Most records of a shard."""

# A shard of large crystals ends sooner: about 50 MB.
_SHARD_ATOMS = 2**21
_SHOWN_PROBLEMS = 3


class StoreWriter:
    """Writes the files of a store into a folder.

    Parameters
    ----------
    folder
        An empty folder.
    info
        Description of the data set.
    shard_size
        Most records of a shard.
    """

    def __init__(self, folder: Path, info: DatasetInfo, shard_size: int = SHARD_SIZE) -> None:
        if shard_size < 1:
            raise DatasetError(f"a shard holds at least one record, and not {shard_size}")
        self._folder = folder
        self._info = info
        self._shard_size = shard_size
        self._targets: dict[str, int] = {}
        self._splits: dict[str, int] = {}
        self._builder = ShardBuilder(self._targets, self._splits)
        self._shards: list[ShardEntry] = []
        self._problems: list[str] = []
        self._seen: dict[str, int] = {}
        self._hash = hashlib.sha256()

    def add(self, record: Record | DatasetError, strict: bool = False) -> None:
        """Take one record, or note why there is none.

        Raises
        ------
        DatasetError
            With ``strict``, if the record cannot be used.
        OSError
            If a shard cannot be written.
        """
        number = len(self._seen) + len(self._problems)
        if isinstance(record, Record) and record.id in self._seen:
            record = DatasetError(
                f"{record.crystal.source or self._info.name}: the id {record.id!r} of record "
                f"{number} is that of record {self._seen[record.id]} as well (counted from 0); the "
                "first is kept: give every record an id of its own"
            )
        if isinstance(record, DatasetError):
            if strict:
                raise record
            self._problems.append(str(record))
            return
        self._seen[record.id] = number
        _update_hash(self._hash, record)
        self._builder.add(record)
        if len(self._builder) >= self._shard_size or self._builder.atoms >= _SHARD_ATOMS:
            self._flush()

    def close(
        self, default_target: str | None, default_split: str | None, origin: dict[str, Any]
    ) -> None:
        """Write the last shard and the index.

        Raises
        ------
        DatasetError
            If there is no record, or a default does not exist.
        OSError
            If a file cannot be written.
        """
        if len(self._builder):
            self._flush()
        if not self._shards:
            raise self._empty()
        target = _chosen(default_target, self._targets, [], "target")
        wanted = [name for name in (target, "split", "fold-0") if name is not None]
        described = {item.name: item for item in self._info.targets}
        targets = tuple(described.get(name) or known_target(name) for name in self._targets)
        index = StoreIndex(
            info=replace(self._info, targets=targets),
            targets=tuple(self._targets),
            splits=tuple(self._splits),
            default_target=target,
            default_split=_chosen(default_split, self._splits, wanted, "split"),
            fingerprint=self._hash.hexdigest(),
            problems=tuple(self._problems),
            origin=origin,
            shards=tuple(self._shards),
        )
        text = json_text(index.as_dict(), indent=1, ensure_ascii=False)
        with (self._folder / STORE_FILE).open("w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _flush(self) -> None:
        path = self._folder / f"{len(self._shards):05d}.safetensors"
        self._shards.append(self._builder.write(path))

    def _empty(self) -> DatasetError:
        count = len(self._problems)
        if not count:
            return DatasetError(f"{self._info.name}: there are no records; give a file with some")
        listed = "; ".join(self._problems[:_SHOWN_PROBLEMS])
        return DatasetError(
            f"{self._info.name}: none of the {count} records can be used, of which the first: "
            f"{listed}"
        )


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside a path, and put it in its place when all is written.

    If the block raises, whatever it is, the temporary folder is removed and the path stays as it
    was. If a store with the same records has come there meanwhile, from another process, that one
    stays.

    Yields
    ------
    Path
        An empty folder.

    Raises
    ------
    DatasetError
        If something else than a store has the name.
    OSError
        If the folder cannot be made or renamed.
    """
    _refuse_other(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, f".{glob.escape(path.name)}-????????.partial")
    handle, temporary = held_temporary(
        lambda: tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".partial", dir=path.parent)
    )
    try:
        yield temporary
        # mkdtemp makes folders that only their owner may enter.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        _put(temporary, path)
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, path: Path) -> None:
    """Rename a written store, in the place of an earlier one if there is one."""
    for _ in range(100):
        try:
            # Fails if there is a folder that holds something.
            temporary.rename(path)
            return
        except OSError:
            if not path.exists():
                raise
        _refuse_other(path)
        if _holds_the_same(temporary, path):
            return
        old = temporary.with_suffix(".old")
        try:
            path.rename(old)
            temporary.rename(path)
            return
        except OSError:
            # Another process may have been faster; then look at what it wrote.
            if old.exists() and not path.exists():
                raise
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(old, ignore_errors=True)
    raise DatasetError(f"{path}: other processes write there all the time; choose another folder")


def _holds_the_same(temporary: Path, path: Path) -> bool:
    try:
        return StoreIndex.read(temporary) == StoreIndex.read(path)
    except (DatasetError, OSError):
        return False


def _refuse_other(path: Path) -> None:
    if path.is_dir() and not path.is_symlink() and (is_store(path) or not any(path.iterdir())):
        return
    if path.exists() or path.is_symlink():
        raise DatasetError(
            f"{path}: there is something else than a store, which is not overwritten; choose "
            "another name"
        )


def _update_hash(digest: Any, record: Record) -> None:
    crystal = record.crystal
    arrays = [
        np.asarray(to_numpy(crystal.cell), dtype="<f8"),
        np.asarray(to_numpy(crystal.positions), dtype="<f8"),
        crystal.numbers.astype("<i8"),
        crystal.pbc.astype("u1"),
        np.zeros(0) if crystal.charges is None else crystal.charges.astype("<f8"),
    ]
    facts = [record.id, sorted(record.targets.items()), sorted(record.splits.items())]
    digest.update(json_text([*facts, [array.shape for array in arrays]]).encode("utf-8"))
    for array in arrays:
        digest.update(array.tobytes())


def _chosen(given: str | None, names: dict[str, int], wanted: list[str], kind: str) -> str | None:
    """Return the default that is given, else the first that is wanted, else the only one."""
    if given is not None:
        if given not in names:
            listed = ", ".join(names) or "none"
            raise DatasetError(f"no record has the {kind} {given!r}; there are: {listed}")
        return given
    present = [name for name in wanted if name in names]
    if present:
        return present[0]
    return next(iter(names)) if len(names) == 1 else None
