"""Shards of a store: safetensors files that are read through memory maps.

A shard holds its crystals end to end. With n crystals of N atoms in all, T targets and S splits:

============== ========== ======= ==============================================================
array          shape      type    content
============== ========== ======= ==============================================================
cells          (n, 3, 3)  float64 lattice vectors as rows, Å
positions      (N, 3)     float64 Cartesian positions, Å
numbers        (N,)       uint8   atomic numbers
pbc            (n, 3)     uint8   1 for a periodic direction
charges        (N,)       float64 oxidation states, NaN where unknown; absent if none is known
offsets        (n + 1,)   int64   atoms of crystal i are ``offsets[i]:offsets[i + 1]``
targets        (T, n)     float64 NaN where unknown
splits         (S, n)     uint8   0: in no part, 1: train, 2: val, 3: test
ids            (bytes,)   uint8   ids as UTF-8, end to end
id_offsets     (n + 1,)   int64   bytes of id i are ``id_offsets[i]:id_offsets[i + 1]``
============== ========== ======= ==============================================================

Targets and splits are numbered as they are met, so that a shard may have fewer than later ones.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import DatasetError
from madelung.data.records import SPLIT_PARTS, Record

__all__ = ["Shard", "ShardBuilder", "ShardEntry", "damaged"]

_TYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_CODES = {part: code for code, part in enumerate(SPLIT_PARTS, start=1)}


@dataclass(frozen=True)
class ShardEntry:
    """What a store knows of one of its shards.

    Parameters
    ----------
    file
        Name in the folder of the store.
    records, atoms
        Numbers of crystals and of all their atoms.
    bytes
        Size of the file.
    sha256
        Checksum of the file.
    """

    file: str
    records: int
    atoms: int
    bytes: int
    sha256: str


def damaged(path: Path, detail: str) -> DatasetError:
    """Return the error for a store that is not as it was written."""
    return DatasetError(
        f"{path}: the store is damaged ({detail}); write it again from its source "
        "(madelung data import)"
    )


class ShardBuilder:
    """Collects records, and writes them as one shard.

    Parameters
    ----------
    targets, splits
        Names met so far in the whole store, in order; new ones are added.
    """

    def __init__(self, targets: dict[str, int], splits: dict[str, int]) -> None:
        self._targets = targets
        self._splits = splits
        self._records: list[Record] = []
        self.atoms = 0

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._records)

    def add(self, record: Record) -> None:
        """Take one record."""
        for name in record.targets:
            self._targets.setdefault(name, len(self._targets))
        for name in record.splits:
            self._splits.setdefault(name, len(self._splits))
        self._records.append(record)
        self.atoms += len(record.crystal)

    def write(self, path: Path) -> ShardEntry:
        """Write the shard and start another.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from safetensors.numpy import save

        content = save(self._arrays())
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        entry = ShardEntry(
            path.name, len(self), self.atoms, len(content), hashlib.sha256(content).hexdigest()
        )
        self._records = []
        self.atoms = 0
        return entry

    def _arrays(self) -> dict[str, NDArray[Any]]:
        crystals = [record.crystal for record in self._records]
        texts = [record.id.encode("utf-8") for record in self._records]
        arrays = {
            "cells": np.stack([to_numpy(crystal.cell) for crystal in crystals]),
            "positions": np.concatenate([to_numpy(crystal.positions) for crystal in crystals]),
            "numbers": np.concatenate([crystal.numbers for crystal in crystals]).astype(np.uint8),
            "pbc": np.stack([crystal.pbc for crystal in crystals]).astype(np.uint8),
            "offsets": _offsets([len(crystal) for crystal in crystals]),
            "ids": np.frombuffer(b"".join(texts), dtype=np.uint8),
            "id_offsets": _offsets([len(text) for text in texts]),
            **self._columns(),
        }
        if any(crystal.charges is not None for crystal in crystals):
            arrays["charges"] = np.concatenate(
                [
                    np.full(len(crystal), np.nan) if crystal.charges is None else crystal.charges
                    for crystal in crystals
                ]
            )
        return arrays

    def _columns(self) -> dict[str, NDArray[Any]]:
        targets = np.full((len(self._targets), len(self)), np.nan)
        splits = np.zeros((len(self._splits), len(self)), dtype=np.uint8)
        for index, record in enumerate(self._records):
            for name, value in record.targets.items():
                targets[self._targets[name], index] = value
            for name, part in record.splits.items():
                splits[self._splits[name], index] = _CODES[part]
        return {"targets": targets, "splits": splits}


class Shard:
    """Arrays of a shard, mapped into memory; what is not looked at is not read.

    Parameters
    ----------
    folder
        Folder of the store.
    entry
        What the store knows of the shard.

    Raises
    ------
    DatasetError
        If the file is missing, or not what the store says.
    """

    def __init__(self, folder: Path, entry: ShardEntry) -> None:
        path = self._path = folder / entry.file
        try:
            with path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size != entry.bytes:
                    raise damaged(path, f"{size} bytes instead of {entry.bytes}")
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        # An empty file cannot be mapped, and no name has a zero byte.
        except (OSError, ValueError) as error:
            raise damaged(path, getattr(error, "strerror", None) or str(error)) from None
        try:
            arrays = _mapped_arrays(self._map)
            self._take(arrays, entry)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None

    def _take(self, arrays: dict[str, NDArray[Any]], entry: ShardEntry) -> None:
        n, atoms = entry.records, entry.atoms
        self.cells: NDArray[np.float64] = _shaped(arrays, "cells", (n, 3, 3), "f")
        self.positions: NDArray[np.float64] = _shaped(arrays, "positions", (atoms, 3), "f")
        self.numbers: NDArray[np.uint8] = _shaped(arrays, "numbers", (atoms,), "u")
        self.pbc: NDArray[np.uint8] = _shaped(arrays, "pbc", (n, 3), "u")
        self.targets: NDArray[np.float64] = _shaped(arrays, "targets", (None, n), "f")
        self.splits: NDArray[np.uint8] = _shaped(arrays, "splits", (None, n), "u")
        self.charges: NDArray[np.float64] | None = (
            _shaped(arrays, "charges", (atoms,), "f") if "charges" in arrays else None
        )
        self.offsets: NDArray[np.int64] = _shaped(arrays, "offsets", (n + 1,), "i")
        self.id_offsets: NDArray[np.int64] = _shaped(arrays, "id_offsets", (n + 1,), "i")
        self._ids: NDArray[np.uint8] = _shaped(arrays, "ids", (None,), "u")
        ends = ((self.offsets, atoms), (self.id_offsets, len(self._ids)))
        for offsets, end in ends:
            if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 1).any():
                raise ValueError("offsets do not ascend from the start to the end")

    def id(self, index: int) -> str:
        """Return the id of a crystal.

        Raises
        ------
        DatasetError
            If its bytes are no text.
        """
        text = bytes(self._ids[self.id_offsets[index] : self.id_offsets[index + 1]])
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged(self._path, f"id {index}: {error}") from None


def _offsets(sizes: list[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *sizes], dtype=np.int64)


def _mapped_arrays(content: mmap.mmap) -> dict[str, NDArray[Any]]:
    """Find the arrays of a safetensors file: a length, a JSON header, and the bytes."""
    raw = np.frombuffer(content, dtype=np.uint8)
    start = 8 + int.from_bytes(content[:8], "little")
    if start > len(raw):
        raise ValueError("the header does not fit into the file")
    header = json.loads(content[8:start])
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (start + int(offset) for offset in entry["data_offsets"])
        if not start <= begin <= end <= len(raw):
            raise ValueError(f"{name} does not lie in the file")
        arrays[name] = raw[begin:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def _shaped(
    arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int | None, ...], kind: str
) -> Any:
    array = arrays[name]
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind != kind:
        raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
    return array
