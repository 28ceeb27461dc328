"""Data sets that are asked for by name: downloaded, or made from a file that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from madelung.common.errors import DatasetError
from madelung.common.progress import counted
from madelung.common.registry import did_you_mean
from madelung.common.text import plain_stem
from madelung.data.catalogue import CATALOGUE, NamedDataset
from madelung.data.downloads import fetch, file_checksum
from madelung.data.formats.detection import detect_dataset_format
from madelung.data.formats.values import fold_splits
from madelung.data.index import is_store
from madelung.data.official_splits import matbench_folds, read_leaderboard_split
from madelung.data.records import DatasetInfo, Record
from madelung.data.store import CrystalStore, write_store

__all__ = [
    "EXAMPLE_PREFIX",
    "NamedDataset",
    "data_folder",
    "dataset_names",
    "download_dataset",
    "example_file",
    "file_info",
    "find_dataset",
    "import_dataset",
    "is_name",
    "named_dataset",
    "with_target",
]

EXAMPLE_PREFIX = "example:"
"""What stands before the name of a data set that comes with the package."""

_PREFIXES = (EXAMPLE_PREFIX, "jarvis/", "mp/", "matbench/")
_AMBIGUOUS = "jarvis/dft_3d"


def dataset_names() -> list[NamedDataset]:
    """Return the data sets that can be asked for by name.

    Each may be followed by one of its targets, as in ``jarvis/dft_3d_2021/mbj_bandgap``, which
    then is the default target, with its official split.
    """
    return list(CATALOGUE.values())


def is_name(text: str) -> bool:
    """Return whether a text is meant as the name of a data set, known or not."""
    return text.startswith(_PREFIXES)


def named_dataset(name: str) -> tuple[NamedDataset, str | None]:
    """Return what is known of a data set, and the target that its name ends with.

    Raises
    ------
    DatasetError
        If there is no such data set or target; for ``jarvis/dft_3d`` with the names to choose
        from.
    """
    if name == _AMBIGUOUS or name.startswith(_AMBIGUOUS + "/"):
        raise DatasetError(
            f"{name}: three files have been called dft_3d: 55,723 crystals of 2021 (those of the "
            "JARVIS leaderboard and of most papers), 75,993 of 2022, and since 2025 about 94,000; "
            "errors on them do not compare. Name jarvis/dft_3d_2021 or jarvis/dft_3d_2022"
        )
    for dataset in CATALOGUE.values():
        if name == dataset.name:
            return dataset, None
        if name.startswith(dataset.name + "/"):
            target = name.removeprefix(dataset.name + "/")
            known = [item.name for item in dataset.targets]
            if target not in known:
                listed = ", ".join(known)
                raise DatasetError(
                    f"{name}: {dataset.name} has no target {target!r}; there are: {listed}"
                )
            return dataset, target
    raise DatasetError(
        f"{name}: no file and no data set of this name; "
        f"{did_you_mean(name, CATALOGUE, 0.3)}'madelung data list' names all"
    )


def data_folder() -> Path:
    """Return the folder of downloaded data sets.

    It is ``$MADELUNG_DATA``, else ``madelung/data`` in the user's folder for data
    (``$XDG_DATA_HOME``, by default ``~/.local/share``).
    """
    own = os.environ.get("MADELUNG_DATA")
    if own:
        return Path(own).expanduser()
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "madelung" / "data"


def example_file(dataset: NamedDataset) -> Path:
    """Return the file of a data set that comes with the package."""
    return Path(str(files("madelung.data") / "embedded" / dataset.file))


def file_info(path: Path) -> DatasetInfo:
    """Return what is known of a file: that of the named data set that is published as it."""
    for dataset in CATALOGUE.values():
        if path.name in (dataset.file, dataset.file.removesuffix(".zip")):
            return dataset.info
    return DatasetInfo(name=path.name if path.is_dir() else plain_stem(path))


def find_dataset(name: str, *, progress: bool = False, strict: bool = False) -> CrystalStore:
    """Open a named data set from the data folder, and download it first if it is not there.

    Raises
    ------
    DatasetError
        If the name is not known, or the data set cannot be downloaded.
    """
    dataset, target = named_dataset(name)
    folder = data_folder() / dataset.name
    if not is_store(folder):
        return download_dataset(name, progress=progress, strict=strict)
    return with_target(CrystalStore.open(folder), dataset, target)


def download_dataset(
    name: str,
    *,
    folder: Path | None = None,
    mirror: str | None = None,
    progress: bool = False,
    strict: bool = False,
) -> CrystalStore:
    """Download a named data set with its official splits, and make a store of it.

    Parameters
    ----------
    name
        Name, as in :func:`dataset_names`; a target may follow.
    folder
        Folder of the store; by default the one that
        :func:`~madelung.open_dataset` looks for it in.
    mirror
        Address of a folder that holds the file, tried before the publisher's; by default
        ``$MADELUNG_MIRROR``, if that is set.
    progress
        Whether to show on stderr how far it is.
    strict
        Whether the first record that cannot be used is an error.

    Raises
    ------
    DatasetError
        If no address gives the file, or it is not the file that the name stands for. A split that
        cannot be had is one of the store's problems, and an error if the name ends with its
        target.
    """
    dataset, _ = named_dataset(name)
    if not dataset.addresses:
        raise DatasetError(f"{name} comes with Madelung and needs no download; open it by its name")
    mirror = mirror or os.environ.get("MADELUNG_MIRROR")
    downloads = data_folder() / "downloads"
    file = downloads / dataset.file
    advice = f"If you have {dataset.file}: madelung data import {dataset.name} {dataset.file}"
    fetch(
        _addresses(mirror, dataset.addresses, dataset.file),
        file,
        sha256=dataset.sha256,
        advice=advice,
        progress=progress,
    )
    for _, address in dataset.split_files:
        split = downloads / address.rpartition("/")[2]
        try:
            fetch(_addresses(mirror, (address,), split.name), split, progress=progress)
        except DatasetError:
            # import_dataset says which splits it does not find.
            continue
    return import_dataset(name, file, folder=folder, progress=progress, strict=strict)


def import_dataset(
    name: str,
    path: str | Path,
    *,
    folder: Path | None = None,
    splits: Path | None = None,
    partial: bool = False,
    progress: bool = False,
    strict: bool = False,
) -> CrystalStore:
    """Make the store of a named data set from a file that is there already.

    Parameters
    ----------
    name
        Name, as in :func:`dataset_names`; a target may follow.
    path
        The published file, or another that holds the same records in the same order.
    folder
        Folder of the store; by default the one that
        :func:`~madelung.open_dataset` looks for it in.
    splits
        Folder of the files with official splits; by default that of the path.
    partial
        Whether the file may hold some of the records only. Folds of Matbench are then taken from
        the file, if it gives them.
    progress
        Whether to show on stderr how far it is.
    strict
        Whether the first record that cannot be used is an error.

    Raises
    ------
    DatasetError
        If the checksum or the number of records is not that of the data set, or, where the name
        ends with a target, its official split is missing.
    """
    dataset, target = named_dataset(name)
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file; check the path")
    kind = detect_dataset_format(path)
    origin: dict[str, object] = {"name": path.name, "partial": partial}
    if path.is_file():
        origin["sha256"] = file_checksum(path)
    if not partial and kind == dataset.format and dataset.sha256 not in (None, origin["sha256"]):
        raise DatasetError(
            f"{path}: its SHA-256 is {origin['sha256']}, and that of {dataset.name} is "
            f"{dataset.sha256}; fetch it again, or import it as a part (--partial)"
        )
    records = _records(dataset, path, splits or path.parent, partial)
    place = folder or data_folder() / dataset.name
    shown = counted(records, f"reading {dataset.name}", show=progress)
    # Whoever reads of a model that it was trained on a part must not take it for the whole.
    info = replace(dataset.info, name=f"{dataset.name} (a part)") if partial else dataset.info
    store = write_store(shown, place, info, strict=strict, origin=origin)
    return with_target(store, dataset, target)


def _records(
    dataset: NamedDataset, path: Path, splits: Path, partial: bool
) -> Iterator[Record | DatasetError]:
    """Read the records of a file, and give them the names and splits of a data set."""
    from madelung.data.reading import read_records

    official, missing = _official_splits(dataset, splits)
    folds = matbench_folds(dataset.crystals) if dataset.folds and not partial else None
    renamed = dict(dataset.renamed)
    count, seen = 0, set()
    for count, item in enumerate(read_records(path), start=1):
        if isinstance(item, DatasetError):
            yield item
            continue
        seen.add(item.id)
        own = {key: parts[item.id] for key, parts in official.items() if item.id in parts}
        if folds is not None and count <= len(folds):
            own |= fold_splits(int(folds[count - 1]), item.id)
        targets = {renamed.get(key, key): value for key, value in item.targets.items()}
        yield Record(item.id, item.crystal, targets, {**item.splits, **own})
    if count != dataset.crystals and not partial:
        raise DatasetError(
            f"{path}: {count:,} records, and {dataset.name} has {dataset.crystals:,}; import the "
            "whole file, or say that it is a part (--partial)"
        )
    for key, parts in official.items():
        absent = [] if partial else [member for member in parts if member not in seen]
        if absent:
            yield DatasetError(
                f"official split {key!r}: {len(absent)} of its {len(parts)} crystals are not in "
                f"{path}, of which the first is {absent[0]}"
            )
    if missing and not partial:
        yield DatasetError(
            f"{splits}: no file of the official split of {', '.join(missing)}; put it there and "
            "import again if you need that split"
        )


def _official_splits(
    dataset: NamedDataset, folder: Path
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return the parts of the official splits by id, and the names of splits without a file."""
    found, missing = {}, []
    for key, address in dataset.split_files:
        path = folder / address.rpartition("/")[2]
        path = path if path.is_file() else path.with_suffix("")
        if path.is_file():
            found[key] = read_leaderboard_split(path)
        else:
            missing.append(key)
    return found, missing


def with_target(store: CrystalStore, dataset: NamedDataset, target: str | None) -> CrystalStore:
    """Give a store the target that its name ended with as its default, with its official split.

    Raises
    ------
    DatasetError
        If no record has the target, or its official split is missing.
    """
    target = target or dataset.default_target
    if target is None:
        return store
    wanted = [name for name in (target, "split", "fold-0") if name in store.split_names]
    if not wanted and (dataset.folds or dataset.split_files):
        raise DatasetError(
            f"{store.folder}: the official split of {target!r} is missing; put its file beside "
            f"that of the data set and import again: madelung data import {dataset.name} FILE"
        )
    return store.with_defaults(target, wanted[0] if wanted else None)


def _addresses(mirror: str | None, addresses: tuple[str, ...], file: str) -> list[str]:
    return [*([] if mirror is None else [f"{mirror.rstrip('/')}/{file}"]), *addresses]
