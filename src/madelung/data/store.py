"""Stores: data sets on disk that are read through memory maps, one record or batch at a time.

A store is a folder with ``store.json`` (:mod:`madelung.data.index`) and shards
(:mod:`madelung.data.shards`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madelung.common.errors import DatasetError
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.crystal import Crystal
from madelung.data.index import StoreIndex
from madelung.data.records import SPLIT_PARTS, DatasetInfo, Record
from madelung.data.shards import Shard, damaged
from madelung.data.writing import SHARD_SIZE, StoreWriter, appearing_folder

__all__ = ["CrystalStore", "read_store", "write_store"]

# Each mapped shard holds one file open, of which a process may often have only 1,024.
_OPEN_SHARDS = 256
_PART_NAMES = np.array(["", *SPLIT_PARTS])


class CrystalStore(Sequence[Record]):
    """A data set of crystals on disk, read only; several threads may use it.

    Make one with :meth:`open`, :func:`write_store` or :func:`madelung.open_dataset`.

    Attributes
    ----------
    folder : Path
        Where it is.
    info : DatasetInfo
        Description of the data set.
    default_target, default_split : str or None
        What to learn, and how to divide the crystals, if nothing else is asked for.
    problems : list of str
        Records that could not be used when the store was written, one line each.
    fingerprint : str
        SHA-256 over all records, for the notes of a run.
    """

    def __init__(self, folder: Path, index: StoreIndex) -> None:
        self.folder = folder
        self._index = index
        self.info = index.info
        self.default_target = index.default_target
        self.default_split = index.default_split
        self.problems = list(index.problems)
        self.fingerprint = index.fingerprint
        self.origin = dict(index.origin)
        self._starts = np.cumsum([0, *(shard.records for shard in index.shards)], dtype=np.int64)
        self._shard: Callable[[int], Shard] = lru_cache(maxsize=_OPEN_SHARDS)(self._open_shard)

    @classmethod
    def open(cls, folder: str | Path) -> CrystalStore:
        """Open a store.

        Raises
        ------
        DatasetError
            If there is no store, a shard is missing or has another size, or the store was written
            by a later version of Madelung. :meth:`verify` looks closer.
        """
        store = cls(Path(folder), StoreIndex.read(Path(folder)))
        for shard in store._index.shards:
            path = store.folder / shard.file
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                raise damaged(path, "the file is missing")
            if size != shard.bytes:
                raise damaged(path, f"{size} bytes instead of {shard.bytes}")
        store._shard(0)
        return store

    def verify(self) -> None:
        """Read all shards and compare their checksums.

        Raises
        ------
        DatasetError
            If one is not as it was written.
        """
        for shard in self._index.shards:
            path = self.folder / shard.file
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != shard.sha256:
                raise damaged(path, f"its SHA-256 is {found}, and was {shard.sha256}")

    def with_defaults(self, target: str | None, split: str | None) -> CrystalStore:
        """Return the same store with another default target and split.

        Raises
        ------
        DatasetError
            If the store has no such target or split.
        """
        if target is not None:
            self._row(target, self.target_names, "target")
        if split is not None:
            self._row(split, self.split_names, "split")
        index = replace(self._index, default_target=target, default_split=split)
        return CrystalStore(self.folder, index)

    def __repr__(self) -> str:
        """Return a line that says what the store holds."""
        return (
            f"CrystalStore({self.info.name!r}, crystals={len(self)}, folder={str(self.folder)!r})"
        )

    def __len__(self) -> int:
        """Return the number of crystals."""
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Return one record, or those of a slice; negative indices count from the end."""
        chosen = range(len(self))[index]
        return (
            [self._record(row) for row in chosen]
            if isinstance(chosen, range)
            else (self._record(chosen))
        )

    def __iter__(self) -> Iterator[Record]:
        """Go through the records in order."""
        return (self._record(row) for row in range(len(self)))

    @cached_property
    def ids(self) -> Sequence[str]:
        """Ids, read from the disk one at a time."""
        return _Ids(self)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(n,) numbers of atoms."""
        sizes = np.concatenate([np.diff(shard.offsets) for shard in self._shards()])
        sizes.flags.writeable = False
        return sizes

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self._index.targets

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        return self._index.splits

    def values(self, target: str) -> NDArray[np.float64]:
        """(n,) values of a target, NaN where it is not known.

        Raises
        ------
        DatasetError
            If there is no such target.
        """
        row = self._row(target, self.target_names, "target")
        return np.concatenate([_row_or(shard.targets, row, np.nan) for shard in self._shards()])

    def split(self, name: str) -> NDArray[np.str_]:
        """(n,) "train", "val", "test", or "" for crystals that are in no part of the split.

        Raises
        ------
        DatasetError
            If there is no such split.
        """
        row = self._row(name, self.split_names, "split")
        codes = np.concatenate([_row_or(shard.splits, row, 0) for shard in self._shards()])
        return self._parts(codes)

    def batch(self, indices: ArrayLike) -> CrystalBatch:
        """Lay crystals end to end, without making an object of each.

        Parameters
        ----------
        indices
            (B,) integers; negative ones count from the end.

        Raises
        ------
        IndexError
            If there is no such crystal.
        """
        rows = self._rows(indices)
        sizes = self.sizes[rows]
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        batch = CrystalBatch(
            cells=np.empty((len(rows), 3, 3)),
            positions=np.empty((offsets[-1], 3)),
            numbers=np.empty(offsets[-1], dtype=np.int64),
            offsets=offsets,
            sources=tuple(self.ids[int(row)] for row in rows),
            pbc=np.empty((len(rows), 3), dtype=bool),
            charges=np.full(offsets[-1], np.nan),
        )
        homes = np.searchsorted(self._starts, rows, side="right") - 1
        for home in np.unique(homes):
            shard = self._shard(int(home))
            members = np.flatnonzero(homes == home)
            local = rows[members] - self._starts[home]
            atoms = _ranges(shard.offsets[local], sizes[members])
            places = _ranges(offsets[members], sizes[members])
            batch.cells[members] = shard.cells[local]
            batch.pbc[members] = shard.pbc[local]
            batch.positions[places] = shard.positions[atoms]
            batch.numbers[places] = shard.numbers[atoms]
            if shard.charges is not None:
                batch.charges[places] = shard.charges[atoms]
        return batch

    def _open_shard(self, number: int) -> Shard:
        return Shard(self.folder, self._index.shards[number])

    def _shards(self) -> Iterator[Shard]:
        return (self._shard(number) for number in range(len(self._index.shards)))

    def _place(self, row: int) -> tuple[Shard, int]:
        """Return the shard of a record and its number there."""
        home = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._shard(home), row - int(self._starts[home])

    def _record(self, row: int) -> Record:
        shard, local = self._place(row)
        name = shard.id(local)
        atoms = slice(int(shard.offsets[local]), int(shard.offsets[local + 1]))
        charges = None if shard.charges is None else shard.charges[atoms]
        values, parts = shard.targets[:, local], self._parts(shard.splits[:, local])
        return Record(
            id=name,
            crystal=Crystal(
                cell=shard.cells[local],
                positions=shard.positions[atoms],
                numbers=shard.numbers[atoms].astype(np.int64),
                pbc=shard.pbc[local],
                source=name,
                charges=None if charges is None or np.isnan(charges).any() else charges,
            ),
            targets={
                self.target_names[at]: float(values[at]) for at in np.flatnonzero(~np.isnan(values))
            },
            splits={self.split_names[at]: str(part) for at, part in enumerate(parts) if part},
        )

    def _parts(self, codes: NDArray[np.uint8]) -> NDArray[np.str_]:
        if codes.size and codes.max() >= len(_PART_NAMES):
            raise damaged(self.folder, "a split has parts that do not exist")
        return _PART_NAMES[codes]

    def _rows(self, indices: ArrayLike) -> NDArray[np.int64]:
        given = np.atleast_1d(np.asarray(indices))
        if given.size and given.dtype.kind not in "iu":
            raise IndexError(f"indices must be integers, and are {given.dtype}")
        rows = given.astype(np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"indices must lie within the {len(self)} crystals of the store")
        return rows

    def _row(self, name: str, names: tuple[str, ...], kind: str) -> int:
        if name not in names:
            listed = ", ".join(names) or "none"
            raise DatasetError(f"{self.folder}: there is no {kind} {name!r}; there are: {listed}")
        return names.index(name)


def read_store(path: Path, target_columns: Sequence[str] | None = None) -> Iterator[Record]:
    """Read the records of a store, one after another, with all their targets."""
    yield from CrystalStore.open(path)


def write_store(
    records: Iterable[Record | DatasetError],
    folder: str | Path,
    info: DatasetInfo,
    *,
    default_target: str | None = None,
    default_split: str | None = None,
    shard_size: int = SHARD_SIZE,
    strict: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> CrystalStore:
    """Write records to a store, holding no more than one shard of them in memory.

    The folder appears when all is written; until then, and if anything fails, an earlier store
    under its name stays as it is.

    Parameters
    ----------
    records
        Records, and in the place of those that could not be read what was wrong with them.
    folder
        Where to write; a store that is there is replaced, another folder is not.
    info
        Description of the data set. Targets that it leaves out are described by their names if
        these are well known.
    default_target, default_split
        What to learn, and how to divide the crystals, if nothing else is asked for. By default the
        only target, and the split that is called like the target, "split" or "fold-0", or the only
        one.
    shard_size
        Most records of a shard.
    strict
        Whether the first record that cannot be used ends the job; otherwise they are counted and
        listed in :attr:`CrystalStore.problems`.
    origin
        What the store is made from, to be kept with it.

    Raises
    ------
    DatasetError
        If no record can be used, with ``strict`` if one cannot, if a default does not exist, or if
        the folder cannot be written.
    """
    path = Path(folder)
    try:
        with appearing_folder(path) as temporary:
            writer = StoreWriter(temporary, info, shard_size)
            for record in records:
                writer.add(record, strict)
            writer.close(default_target, default_split, dict(origin or {}))
    except OSError as error:
        raise DatasetError(
            f"{path}: the store cannot be written ({error.strerror or error}); nothing there was "
            "changed: make room or choose another folder"
        ) from error
    return CrystalStore.open(path)


class _Ids(Sequence[str]):
    """Ids of a store, read when they are asked for."""

    def __init__(self, store: CrystalStore) -> None:
        self._store = store

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        chosen = range(len(self))[index]
        return [self._id(row) for row in chosen] if isinstance(chosen, range) else self._id(chosen)

    def _id(self, row: int) -> str:
        shard, local = self._store._place(row)
        return shard.id(local)


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the ranges ``start, start + 1, ..., start + size - 1``."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1] if len(ends) else 0)


def _row_or(table: NDArray[Any], row: int, missing: float) -> NDArray[Any]:
    """Return a row of a shard's table, or the same length of a value if it came later."""
    return table[row] if row < len(table) else np.full(table.shape[1], missing, dtype=table.dtype)
