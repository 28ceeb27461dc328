"""Reading of crystal files.

Every failure is a :class:`~madelung.CrystalError` that names the file, the structure
and site where they are known, what is wrong, and what to do. Reading runs no code from a file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from madelung.common.errors import CrystalError, CrystalWarning
from madelung.crystals.checks import crystal_error
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.ase_formats import detect_ase_format, is_binary, read_with_ase
from madelung.crystals.reading.formats import CRYSTAL_FORMATS, detect_own_format
from madelung.crystals.reading.places import settled
from madelung.crystals.reading.text import (
    decode,
    display_name,
    load_bytes,
    plain_name,
)

__all__ = ["find_files", "iterate", "read", "read_all"]

PathLike = str | os.PathLike[str]
_Builder = Callable[[], Crystal]


def read(path: PathLike, index: int = -1, *, format: str | None = None) -> Crystal:
    """Read one crystal from a file.

    Parameters
    ----------
    path
        A CIF, POSCAR or CONTCAR, extxyz, JSON, or another file that ASE reads; it may be
        compressed (gzip, bzip2, xz, zip). A CIF is read with its symmetry, occupancies and
        oxidation numbers; see :func:`madelung.crystals.reading.cif.crystal_from_block`.
    index
        Which structure of the file; the default is the last, as in ASE. Other structures of the
        file may be bad.
    format
        ``"cif"``, ``"json"`` or ASE's name of a format (``"vasp"``, ``"extxyz"``) where the file's
        name and content do not show it.

    Returns
    -------
    Crystal
        Its ``source`` is the path, with the structure's name where the file has several. Its
        ``warnings`` say what was odd about the file; each is a :class:`CrystalWarning` as well.

    Raises
    ------
    CrystalError
        If the file cannot be read, or its structure is not one whole atom of a known element at
        each site.

    Notes
    -----
    A file without a cell, or periodic in fewer than three directions, is read as it is; complete
    sums refuse it (:meth:`Crystal.require_periodic`).
    """
    if isinstance(index, bool) or not isinstance(index, int):
        source = display_name(path)
        raise crystal_error(source, f"index must be an integer, and is {index!r}; see read_all")
    return _with_warnings(_builders(path, format, index)[0]())


def read_all(path: PathLike, *, format: str | None = None) -> list[Crystal]:
    """Read every crystal of a file, in order.

    Parameters
    ----------
    path, format
        As in :func:`read`.

    Returns
    -------
    list of Crystal
        At least one.

    Raises
    ------
    CrystalError
        If the file, or any structure in it, cannot be read.
    """
    return [_with_warnings(build()) for build in _builders(path, format, None)]


def _with_warnings(crystal: Crystal) -> Crystal:
    """Issue the warnings of a crystal, for the caller of the function that calls this one."""
    for text in crystal.warnings:
        warnings.warn(f"{crystal.source}: {text}", CrystalWarning, stacklevel=3)
    return crystal


def iterate(
    paths: Iterable[PathLike], *, format: str | None = None, every: bool = False
) -> Iterator[tuple[PathLike, Crystal | CrystalError]]:
    """Read many files one after another; a bad one does not stop the others.

    Parameters
    ----------
    paths
        Files to read.
    format
        As in :func:`read`.
    every
        Whether to give every structure of each file, and not the last alone.

    Yields
    ------
    path
        The path as it was given.
    crystal
        The crystal, whose ``warnings`` say what was odd, or the error that it raised.
        With ``every``, a bad structure of a CIF or JSON file leaves the others of that file
        readable; in other formats it is the whole file.
    """
    for path in paths:
        try:
            builders = _builders(path, format, None if every else -1)
        except CrystalError as error:
            yield path, error
            continue
        for build in builders:
            crystal: Crystal | CrystalError
            try:
                crystal = build()
            except CrystalError as error:
                crystal = error
            yield path, crystal


def _builders(path: PathLike, format: str | None, index: int | None) -> list[_Builder]:
    """Open a file and return a function for each structure asked for; None asks for all."""
    source = display_name(path)
    data = load_bytes(path)
    name = plain_name(path)
    kind = format or detect_own_format(data, name)
    if kind in CRYSTAL_FORMATS:
        found = CRYSTAL_FORMATS.find(kind).builders(decode(data, source), source)
        return _chosen(found, index, source)
    return _ase_builders(data, kind or detect_ase_format(data, name, source), index, source)


def _chosen(builders: Sequence[_Builder], index: int | None, source: str) -> list[_Builder]:
    if index is None:
        return list(builders)
    if not -len(builders) <= index < len(builders):
        text = f"there is no structure {index}; give an index of the {len(builders)} in the file"
        raise crystal_error(source, text)
    return [builders[index]]


def _ase_builders(data: bytes, kind: str, index: int | None, source: str) -> list[_Builder]:
    kind = "extxyz" if kind == "xyz" else kind
    text = None if is_binary(kind) else decode(data, source)
    notes: list[str] = []
    if index in {0, -1}:
        atoms = read_with_ase(data, text, kind, index, source, notes)
        return [partial(settled, partial(Crystal.from_ase, atoms, source), notes)]
    images = read_with_ase(data, text, kind, ":", source, notes)
    labels = [f"{source} (structure {position})" for position in range(len(images))]
    if len(images) == 1:
        labels = [source]
    builders = [
        partial(settled, partial(Crystal.from_ase, *pair), notes)
        for pair in zip(images, labels, strict=True)
    ]
    return _chosen(builders, index, source)


# What lies beside crystals in folders of data and is never one.
_OTHER_SUFFIXES = frozenset(
    [".csv", ".html", ".log", ".md", ".pdf", ".png", ".py", ".sh", ".svg", ".tsv"]
)


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """Replace each folder by the files below it that may hold crystals.

    Parameters
    ----------
    paths
        Files, which are kept as they are, and folders, which are searched with all that is below
        them. Hidden files, tables, texts and pictures by their suffix are left out.

    Returns
    -------
    list of Path
        The files of each folder sorted by name.
    """
    found = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden and file.suffix.lower() not in _OTHER_SUFFIXES:
                found.append(file)
    return found
