"""The file ``store.json``, which describes the shards of a store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from madelung.common.errors import DatasetError
from madelung.common.text import bounded_text
from madelung.data.records import DatasetInfo
from madelung.data.shards import ShardEntry, damaged

__all__ = ["STORE_FILE", "StoreIndex", "is_store"]

STORE_FILE = "store.json"
"""File of a store's folder that describes the others."""

_FORMAT = "madelung crystal store"
_VERSION = 1


def is_store(folder: Path) -> bool:
    """Return whether a folder looks like a store."""
    return (folder / STORE_FILE).is_file()


@dataclass(frozen=True)
class StoreIndex:
    """Content of ``store.json``.

    Parameters
    ----------
    info
        Description of the data set.
    targets, splits
        Names, in the order of the shards' rows.
    default_target, default_split
        What to learn, and how to divide the crystals, if nothing else is asked for.
    fingerprint
        SHA-256 over all records, in order; it does not depend on the shards.
    problems
        Records that could not be used, one line each.
    origin
        What the store was made from: name, checksum or state of the source, and reading options.
    shards
        The shards, in order.
    """

    info: DatasetInfo
    targets: tuple[str, ...]
    splits: tuple[str, ...]
    default_target: str | None
    default_split: str | None
    fingerprint: str
    problems: tuple[str, ...]
    origin: dict[str, Any]
    shards: tuple[ShardEntry, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "records": sum(shard.records for shard in self.shards),
            "atoms": sum(shard.atoms for shard in self.shards),
            "problem_count": len(self.problems),
            **asdict(self),
            "info": self.info.as_dict(),
        }

    @classmethod
    def read(cls, folder: Path) -> StoreIndex:
        """Read the index of a store.

        Raises
        ------
        DatasetError
            If it is missing, damaged, or of a later version.
        """
        path = folder / STORE_FILE
        try:
            content = json.loads(bounded_text(path))
        except OSError as error:
            raise DatasetError(
                f"{folder}: no store of crystals ({STORE_FILE}: {error.strerror}); give the folder "
                "that 'madelung data import' wrote"
            ) from None
        except (ValueError, RecursionError) as error:
            raise damaged(path, str(error)) from None
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise DatasetError(
                f"{path}: does not describe a store of crystals; give another folder"
            )
        if content.get("version") != _VERSION:
            raise DatasetError(
                f"{path}: the store has version {content.get('version')!r}, and this version of "
                f"Madelung reads version {_VERSION}; update Madelung or write the store again"
            )
        try:
            return cls._from_dict(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from None

    @classmethod
    def _from_dict(cls, content: dict[str, Any]) -> StoreIndex:
        index = cls(
            info=DatasetInfo.from_dict(content["info"]),
            targets=tuple(str(name) for name in content["targets"]),
            splits=tuple(str(name) for name in content["splits"]),
            default_target=content["default_target"],
            default_split=content["default_split"],
            fingerprint=str(content["fingerprint"]),
            problems=tuple(str(text) for text in content["problems"]),
            origin=dict(content["origin"]),
            shards=tuple(ShardEntry(**entry) for entry in content["shards"]),
        )
        files = [shard.file for shard in index.shards]
        counted = sum(shard.records for shard in index.shards)
        if counted != content["records"] or counted == 0:
            raise ValueError(f"{counted} records in the shards, {content['records']} in all")
        if any(name in ("", "..") or Path(name).name != name for name in files):
            raise ValueError("a shard lies outside of the folder")
        return index
