"""Compact shards of force sets: the layout of the Kyoto phonon database beside the project.

A shard is a NumPy archive, compressed by xz, with the arrays of all crystals one after another.
Forces are integers in three planes of bytes, of which the lowest bit is the sign. Of two opposite
displacements the half sum and half difference of the forces are stored ("even" and "odd").
"""

from __future__ import annotations

import io
import lzma
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.compression import read_at_most
from madelung.common.errors import MadelungError, PhononError
from madelung.crystals.crystal import Crystal
from madelung.phonons.force_sets import ForceSets

__all__ = ["SHARD_SUFFIX", "read_shard"]

SHARD_SUFFIX = ".npz.xz"
_ODD_STEP, _EVEN_STEP = 1e-5, 1e-4  # eV/Å
_MOST_BYTES = 1 << 31
_ARRAYS = (
    "identifier", "unit_atoms", "supercell_atoms", "runs", "lattice", "supercell", "primitive",
    "born_atoms", "dielectric", "number", "position", "atom", "displacement", "paired", "odd_low",
    "odd_middle", "odd_high", "even_low", "even_middle", "even_high", "born",
)  # fmt: skip
_SIZES = ("unit_atoms", "supercell_atoms", "runs", "born_atoms")


def read_shard(path: str | Path) -> Iterator[ForceSets | PhononError]:
    """Go through the crystals of a shard.

    Parameters
    ----------
    path
        A file in the layout of the Kyoto phonon database's compact form.

    Yields
    ------
    ForceSets or PhononError
        The latter in the place of a crystal that cannot be used.

    Raises
    ------
    PhononError
        If the file is not a shard, or takes more than 2 GiB.
    """
    name = Path(path).name
    arrays = _arrays(Path(path))
    _require_consistency(arrays, Path(path))
    at = dict.fromkeys(("unit", "run", "odd", "even", "born"), 0)
    for row in range(len(arrays["identifier"])):
        atoms, size, runs, charged = (int(arrays[key][row]) for key in _SIZES)
        paired = arrays["paired"][at["run"] : at["run"] + runs].astype(bool)
        counts = {
            "unit": atoms, "run": runs, "odd": runs * 3 * size,
            "even": int(paired.sum()) * 3 * size, "born": charged,
        }  # fmt: skip
        parts = {key: slice(at[key], at[key] + count) for key, count in counts.items()}
        at = {key: at[key] + count for key, count in counts.items()}
        source = f"{name}: mp-{int(arrays['identifier'][row])}"
        try:
            yield _force_sets(arrays, row, parts, paired, source)
        except (MadelungError, ValueError) as error:
            problem = str(error) if str(error).startswith(source) else f"{source}: {error}"
            yield PhononError(problem)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Decompress a shard, with a bound on what comes out."""
    try:
        with lzma.open(path) as stream:
            content = read_at_most(stream, _MOST_BYTES)
        if content is None:
            raise PhononError(f"{path}: holds more than {_MOST_BYTES >> 30} GiB")
        _require_sizes(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise PhononError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (lzma.LZMAError, zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        if isinstance(error, PhononError):
            raise
        raise PhononError(f"{path}: is not a shard of force sets ({error})") from error


def _require_sizes(content: bytes) -> None:
    """Refuse an archive whose arrays say to be larger than what is stored of them.

    Raises
    ------
    ValueError
        With the name of the array.
    """
    total = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            total += member.file_size
            if total > _MOST_BYTES:
                raise ValueError(f"its arrays take more than {_MOST_BYTES >> 30} GiB")
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, kind = read(stream)
            if math.prod(shape) * kind.itemsize > member.file_size:
                raise ValueError(f"{member.filename} says to have the shape {shape}")


def _require_consistency(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Refuse a shard whose counts are not those of its arrays."""
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise PhononError(f"{path}: is no shard of force sets (it lacks {', '.join(missing)})")
    counts = [np.asarray(arrays[name], dtype=np.int64) for name in _SIZES]
    atoms, sizes, runs, charged = counts
    crystals = len(arrays["identifier"])
    if any(one.shape != (crystals,) or (one < 0).any() for one in counts):
        raise PhononError(f"{path}: is no shard of force sets (its counts are no counts)")
    lengths = {
        "number": int(atoms.sum()), "position": int(atoms.sum()), "atom": int(runs.sum()),
        "displacement": int(runs.sum()), "paired": int(runs.sum()),
        **dict.fromkeys(("odd_low", "odd_middle", "odd_high"), 3 * int(runs @ sizes)),
        "born": int(charged.sum()),
        **dict.fromkeys(("lattice", "supercell", "primitive", "dielectric"), crystals),
    }  # fmt: skip
    # Of pairs of opposite displacements there is an even part as well.
    owner = np.repeat(np.arange(crystals), runs)
    if np.shape(arrays["paired"]) == owner.shape:
        pairs = 3 * int(sizes[owner] @ np.asarray(arrays["paired"]).astype(bool))
        lengths |= dict.fromkeys(("even_low", "even_middle", "even_high"), pairs)
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise PhononError(
                f"{path}: is no shard of force sets ({name} has {len(arrays[name])} entries, and "
                f"the counts say {length})"
            )


def _force_sets(
    arrays: dict[str, NDArray[Any]],
    row: int,
    parts: dict[str, slice],
    paired: NDArray[np.bool_],
    source: str,
) -> ForceSets:
    runs, size = len(paired), int(arrays["supercell_atoms"][row])
    forces = _integers(arrays, "odd", parts["odd"]).reshape(runs, size, 3) * _ODD_STEP
    mean = _integers(arrays, "even", parts["even"]).reshape(-1, size, 3) * _EVEN_STEP
    opposite = mean - forces[paired]
    forces[paired] += mean
    atoms, shifts = arrays["atom"][parts["run"]], arrays["displacement"][parts["run"]]
    lattice = arrays["lattice"][row].reshape(3, 3).astype(np.float64)
    has_charges = parts["born"].stop > parts["born"].start
    return ForceSets(
        crystal=Crystal(
            cell=lattice,
            positions=arrays["position"][parts["unit"]].astype(np.float64) @ lattice,
            numbers=arrays["number"][parts["unit"]].astype(np.int64),
            source=source,
        ),
        supercell_matrix=np.diag(arrays["supercell"][row].astype(np.int64)),
        primitive_matrix=arrays["primitive"][row].reshape(3, 3).astype(np.float64),
        atoms=np.concatenate([atoms, atoms[paired]]).astype(np.int64),
        displacements=np.concatenate([shifts, -shifts[paired]]).astype(np.float64),
        forces=np.concatenate([forces, opposite]),
        born=arrays["born"][parts["born"]].astype(np.float64) if has_charges else None,
        dielectric=(
            arrays["dielectric"][row].reshape(3, 3).astype(np.float64) if has_charges else None
        ),
    )


def _integers(arrays: dict[str, NDArray[Any]], kind: str, part: slice) -> NDArray[np.int64]:
    """Integers whose lowest bit says the sign: 0, -1, 1, -2, … for 0, 1, 2, 3."""
    planes = (
        arrays[f"{kind}_{plane}"][part].astype(np.int64) for plane in ("low", "middle", "high")
    )
    low, middle, high = planes
    code = low | middle << 8 | high << 16
    return (code >> 1) ^ -(code & 1)
