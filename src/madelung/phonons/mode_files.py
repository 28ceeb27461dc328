"""Modes of reference crystals in files, so that a training begins without phonopy's work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PhononError
from madelung.common.outputs import whole_file
from madelung.crystals.crystal import Crystal
from madelung.phonons.reference_modes import ReferenceModes

__all__ = ["read_modes", "write_modes"]

_FORMAT = 1


def write_modes(path: Path, crystals: Sequence[ReferenceModes]) -> None:
    """Write modes of crystals, one after another, to an archive of NumPy arrays."""
    flat: dict[str, list[NDArray[Any]]] = {
        name: [] for name in (
            "positions", "numbers", "masses", "wave_vectors", "weights", "squares", "modes",
            "born", "dielectric",
        )
    }  # fmt: skip
    for one in crystals:
        charges = (one.born, one.dielectric) if one.born is not None else (np.zeros(0),) * 2
        values = (
            one.crystal.positions, one.crystal.numbers, one.masses, one.wave_vectors, one.weights,
            one.squares, one.modes, *charges,
        )  # fmt: skip
        for name, value in zip(flat, values, strict=True):
            flat[name].append(np.asarray(value).reshape(-1))
    arrays = {name: np.concatenate(parts) for name, parts in flat.items()}
    arrays |= {
        "format": np.array(_FORMAT),
        "sources": np.array([one.crystal.source or "" for one in crystals]),
        "atoms": np.array([len(one.masses) for one in crystals]),
        "points": np.array([len(one.weights) for one in crystals]),
        "charged": np.array([one.born is not None for one in crystals]),
        "cell": np.array([one.crystal.cell for one in crystals]),
        "multiples": np.array([one.multiples for one in crystals]),
        "asymmetry": np.array([one.asymmetry for one in crystals]),
    }
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_modes(path: Path) -> list[ReferenceModes]:
    """Read what :func:`write_modes` wrote.

    Raises
    ------
    PhononError
        If the file is no such archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if int(arrays["format"]) != _FORMAT:
            raise PhononError(f"{path}: written by another version of Madelung; make it again")
        return list(_crystals(arrays))
    except PhononError:
        raise
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise PhononError(f"{path}: no modes of reference crystals ({error})") from error


def _crystals(arrays: dict[str, NDArray[Any]]) -> Any:
    at = dict.fromkeys(arrays, 0)

    def take(name: str, *shape: int) -> NDArray[Any]:
        start = at[name]
        at[name] = start + int(np.prod(shape))
        return arrays[name][start : at[name]].reshape(shape)

    for row, source in enumerate(arrays["sources"].tolist()):
        atoms, points = int(arrays["atoms"][row]), int(arrays["points"][row])
        charged = bool(arrays["charged"][row])
        crystal = Crystal(
            cell=arrays["cell"][row],
            positions=take("positions", atoms, 3),
            numbers=take("numbers", atoms),
            source=source,
        )
        yield ReferenceModes(
            crystal=crystal,
            masses=take("masses", atoms),
            multiples=arrays["multiples"][row],
            wave_vectors=take("wave_vectors", points, 3),
            weights=take("weights", points),
            squares=take("squares", points, 3 * atoms),
            modes=take("modes", points, 3 * atoms, 3 * atoms),
            asymmetry=float(arrays["asymmetry"][row]),
            born=take("born", atoms, 3, 3) if charged else None,
            dielectric=take("dielectric", 3, 3) if charged else None,
        )
