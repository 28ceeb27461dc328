"""One store of several data sets, without the crystals that something else is tested on."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from madelung.common.errors import DatasetError
from madelung.common.progress import counted
from madelung.common.tables import TableWriter
from madelung.common.text import plain_stem
from madelung.common.version import __version__
from madelung.data.dataset import open_dataset
from madelung.data.matching import find_matches
from madelung.data.parts import (
    HeldOut,
    Part,
    Source,
    combined_info,
    combined_parts,
    refuse_repeated,
)
from madelung.data.records import Record
from madelung.data.store import CrystalStore
from madelung.data.writing import StoreWriter, appearing_folder

__all__ = [
    "MATCHES_FILE",
    "CombinedDataset",
    "HeldOut",
    "Source",
    "combine_sources",
    "combine_stores",
]

MATCHES_FILE = "matches.csv"
"""Name of the table of matches in the folder of a combined store."""

_Row = tuple[str, str, str, str, str]


@dataclass(frozen=True, eq=False)
class CombinedDataset:
    """A combined store, and what became of its parts.

    Parameters
    ----------
    store
        The combined store.
    sources
        By label of a source: "crystals" that it has, "records" that were taken, and of these how
        many "held_out" ones lost the part "train" in some split.
    held_out
        By label of a set: "crystals" that it has, "matched" records of the combined store, and how
        many of these matches are "uncompared", taken for the same because a comparison failed.
    """

    store: CrystalStore
    sources: Mapping[str, Mapping[str, int]]
    held_out: Mapping[str, Mapping[str, int]]


def combine_stores(
    sources: Sequence[Source],
    folder: str | Path,
    *,
    held_out: Sequence[HeldOut] = (),
    log10: Sequence[str] = (),
    progress: bool = False,
) -> CombinedDataset:
    """Write one store of several data sets, to learn from them together.

    Crystals of different sources stay separate records, also where they are the same. Each target
    gets a split of its own name: in a source that has such a split it is taken from there, else
    from the source's default split, or the one called "split"; in a source without splits all
    crystals are in "train". Crystals without a target are left out.

    A record whose crystal is held out (:func:`madelung.find_matches`) is in "train"
    of no split; where it is in "val" or "test" it stays. Which these are is written to
    ``matches.csv`` in the folder, with columns id, matched_id, held_out_set, formula and note.

    Parameters
    ----------
    sources
        What to combine.
    folder
        Where to write; a store that is there is replaced, another folder is not.
    held_out
        What must not be learnt from. For this pymatgen has to be installed.
    log10
        Targets whose base-10 logarithms are taken instead, under the name ``log10_NAME``; values
        that are zero or negative are left out.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    DatasetError
        If a target or split does not exist, two sources give a target in different units, labels
        or ids are not unique, or the store cannot be written.
    """
    parts = combined_parts(sources, log10)
    refuse_repeated([item.label for item in held_out], "held-out sets")
    rows = _find_held_out(parts, held_out, progress) if held_out else []
    path = Path(folder)
    try:
        counts = _write(path, parts, held_out, rows, progress)
    except OSError as error:
        raise DatasetError(
            f"{path}: the store cannot be written ({error.strerror or error}); nothing there was "
            "changed: make room or choose another folder"
        ) from error
    return CombinedDataset(CrystalStore.open(path), counts, _count_held_out(held_out, rows))


def combine_sources(
    sources: Sequence[str],
    folder: str | Path,
    *,
    held_out: Sequence[str] = (),
    targets: Sequence[str] | None = None,
    log10: Sequence[str] = (),
    progress: bool = False,
) -> CombinedDataset:
    """Write one store of data sets that are given by name or path; see :func:`combine_stores`.

    Parameters
    ----------
    sources
        Names and paths, as in :func:`madelung.open_dataset`.
    folder, log10, progress
        As in :func:`combine_stores`.
    held_out
        The same, each followed by ``@SPLIT`` if only "val" and "test" of a split are meant.
    targets
        Targets to take from each source that has them, with those of ``log10``; by default all.

    Raises
    ------
    DatasetError
        As for :func:`combine_stores`, and if a source cannot be opened or has none of the targets.
    """
    opened: dict[str, CrystalStore] = {}

    def store(name: str) -> CrystalStore:
        # What was read from a file once is not read again.
        if name not in opened:
            opened[name] = open_dataset(name, progress=progress)
        return opened[name]

    wanted = None if targets is None else tuple(dict.fromkeys([*targets, *log10]))
    included = [
        Source(label, store(name), _present(name, store(name), wanted))
        for name, label in _labels(sources).items()
    ]
    known = {name for source in included for name in source.store.target_names}
    for name in wanted or ():
        if name not in known:
            listed = ", ".join(sorted(known))
            raise DatasetError(f"no source has the target {name!r}; there are: {listed}")
    excluded = []
    for text, label in _labels(held_out).items():
        name, split = _divided(text)
        excluded.append(HeldOut(label, store(name), split))
    return combine_stores(included, folder, held_out=excluded, log10=log10, progress=progress)


def _present(
    name: str, store: CrystalStore, targets: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Return the targets that a source has of those that are asked for."""
    if targets is None:
        return None
    present = tuple(target for target in targets if target in store.target_names)
    if not present:
        listed = ", ".join(store.target_names) or "none"
        raise DatasetError(f"{name}: it has none of the targets asked for; there are: {listed}")
    return present


def _divided(text: str) -> tuple[str, str | None]:
    """Divide SOURCE@SPLIT; a file or folder may have the sign in its name."""
    name, _, split = text.rpartition("@")
    return (text, None) if not name or Path(text).exists() else (name, split)


def _labels(texts: Sequence[str]) -> dict[str, str]:
    """Return short labels: last parts of paths, or the whole where these are not unique."""
    short = {}
    for text in texts:
        name, split = _divided(text)
        path = Path(name)
        label = (path.name if path.is_dir() else plain_stem(path)) or name
        short[text] = label if split is None else f"{label}@{split}"
    times = Counter(short.values())
    return {text: label if times[label] == 1 else text for text, label in short.items()}


def _find_held_out(
    parts: Sequence[Part], held_out: Sequence[HeldOut], progress: bool
) -> list[_Row]:
    """Return the lines of the table of matches."""
    # A crystal of several sets is compared once. A record that is held out in its own source
    # matches itself there.
    sets: dict[tuple[str, str], list[str]] = defaultdict(list)
    wanted: list[Record] = []
    for item in held_out:
        for row in item.rows():
            record = item.store[row]
            key = (item.store.fingerprint, record.id)
            if key not in sets:
                wanted.append(replace(record, id=str(len(wanted))))
            sets[key].append(item.label)
    keys = list(sets)
    matches = find_matches(_Chained(parts), wanted, progress=progress)
    return [
        (match.left, keys[int(match.right)][1], label, match.formula, match.note)
        for match in matches
        for label in sets[keys[int(match.right)]]
    ]


class _Chained:
    """Records of all parts, with a length for the bar that says how far it is."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(part.store) for part in self._parts)

    def __iter__(self) -> Iterator[Record]:
        return (record for part in self._parts for record in part.records())


def _write(
    path: Path,
    parts: Sequence[Part],
    held_out: Sequence[HeldOut],
    rows: Sequence[_Row],
    progress: bool,
) -> dict[str, dict[str, int]]:
    """Write the store and the table of matches, and count records by source."""
    barred = {row[0] for row in rows}
    counts = {}
    with appearing_folder(path) as temporary:
        writer = StoreWriter(temporary, combined_info(path.name, parts))
        for part in parts:
            taken = lost = 0
            for record in counted(part.records(), f"taking {part.label}", show=progress):
                kept = _without_training(record) if record.id in barred else record
                taken += 1
                lost += kept is not record
                writer.add(kept, strict=True)
            counts[part.label] = {
                "crystals": len(part.store),
                "records": taken,
                "held_out": lost,
            }
        digest = _write_matches(temporary / MATCHES_FILE, rows)
        writer.close(None, None, _origin(parts, held_out, digest))
    return counts


def _without_training(record: Record) -> Record:
    """Return a record that is in no training part; the same one if it was in none."""
    if "train" not in record.splits.values():
        return record
    kept = {name: part for name, part in record.splits.items() if part != "train"}
    return replace(record, splits=kept)


def _origin(parts: Sequence[Part], held_out: Sequence[HeldOut], matches: str) -> dict[str, Any]:
    return {
        "sources": {part.label: part.store.fingerprint for part in parts},
        "held_out": {item.label: item.store.fingerprint for item in held_out},
        # With it, a store that is made anew with other matches is another store.
        "matches": matches,
        "madelung": __version__,
    }


def _write_matches(path: Path, rows: Sequence[_Row]) -> str:
    """Write the table of matches and return its checksum."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = TableWriter(stream)
        writer.writerow(("id", "matched_id", "held_out_set", "formula", "note"))
        writer.writerows(rows)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _count_held_out(held_out: Sequence[HeldOut], rows: Sequence[_Row]) -> dict[str, dict[str, int]]:
    matched: dict[str, set[str]] = defaultdict(set)
    uncompared: Counter[str] = Counter()
    for identity, _, label, _, note in rows:
        matched[label].add(identity)
        uncompared[label] += bool(note)
    return {
        item.label: {
            "crystals": len(item.rows()),
            "matched": len(matched[item.label]),
            "uncompared": uncompared[item.label],
        }
        for item in held_out
    }
