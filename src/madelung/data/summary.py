"""What a data set holds, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madelung.data.dataset import open_dataset
from madelung.data.index import is_store
from madelung.data.named import EXAMPLE_PREFIX, data_folder, is_name, named_dataset
from madelung.data.records import SPLIT_PARTS
from madelung.data.store import CrystalStore

__all__ = ["summarise", "without_value"]


def summarise(source: str) -> dict[str, Any]:
    """Return what a data set holds, in plain values for JSON.

    A named data set that is not in the data folder is not downloaded: then only what is known
    about it beforehand is returned, and ``"here"`` is false. The checksums of a store are compared.

    Parameters
    ----------
    source
        A name or path, as in :func:`madelung.open_dataset`.

    Raises
    ------
    DatasetError
        If there is no such data set, or it is damaged.
    """
    named = is_name(source) and not Path(source).exists()
    if named and not source.startswith(EXAMPLE_PREFIX):
        dataset, _ = named_dataset(source)
        if not is_store(data_folder() / dataset.name):
            return {
                "here": False,
                "description": dataset.description,
                "crystals": dataset.crystals,
                "split": dataset.split,
                **dataset.info.as_dict(),
            }
    store = open_dataset(source)
    store.verify()
    # What was read from a file lies in a folder that ends with the process.
    lasts = is_store(Path(source)) or (named and not source.startswith(EXAMPLE_PREFIX))
    return _summary(store) | {"folder": str(store.folder) if lasts else None}


def without_value(store: CrystalStore, targets: Sequence[str] = ()) -> list[str]:
    """Name the crystals of a data set that have no value of any of some targets.

    Parameters
    ----------
    store
        The data set.
    targets
        Names of targets; the default target, or the only one, if there are none. A name that the
        data set does not have is passed over.
    """
    default = store.default_target
    chosen = targets or ([default] if default else store.target_names[:1])
    known = [np.isfinite(store.values(name)) for name in chosen if name in store.target_names]
    if not known:
        return []
    missing = np.flatnonzero(~np.logical_or.reduce(known))
    return [f"{store.ids[int(row)]}: no value of {', '.join(chosen)}" for row in missing]


def _summary(store: CrystalStore) -> dict[str, Any]:
    sizes = store.sizes
    return {
        "here": True,
        **store.info.as_dict(),
        "crystals": len(store),
        "atoms": int(sizes.sum()),
        "largest": int(sizes.max()),
        "problems": len(store.problems),
        "dropped": store.problems,
        "fingerprint": store.fingerprint,
        "default_target": store.default_target,
        "default_split": store.default_split,
        "targets": [_target(store, name) for name in store.target_names],
        "splits": [_split(store, name) for name in store.split_names],
    }


def _target(store: CrystalStore, name: str) -> dict[str, Any]:
    values = store.values(name)
    known = values[np.isfinite(values)]
    described = next(item for item in store.info.targets if item.name == name)
    return {
        "name": name,
        "unit": described.unit,
        "description": described.description,
        "crystals": len(known),
        "without_value": len(store) - len(known),
        "min": float(known.min()),
        "mean": float(known.mean()),
        "max": float(known.max()),
    }


def _split(store: CrystalStore, name: str) -> dict[str, Any]:
    labels = store.split(name)
    return {"name": name, **{part: int((labels == part).sum()) for part in SPLIT_PARTS}}
