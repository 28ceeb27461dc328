"""Crystals from the formats that ASE reads.

Only formats that run no code when they are read, that hold every atom of the cell, and that name
the element of every atom are let through; ASE reads some others into a crystal that the file does
not describe (atom types taken for elements, an asymmetric unit taken for the cell).
"""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

from madelung.common.errors import CrystalError
from madelung.common.registry import did_you_mean
from madelung.crystals.checks import crystal_error
from madelung.crystals.reading.ase_checks import CHECKS

__all__ = ["detect_ase_format", "is_binary", "read_with_ase"]

_NAMES = (
    "abinit-in abinit-out aims aims-output castep-castep castep-cell castep-geom castep-md cfg "
    "cp2k-restart crystal cube dmol-arc dmol-car dmol-incoor elk espresso-in espresso-out extxyz "
    "gen gpaw-out gpumd magres nwchem-in nwchem-out onetep-in onetep-out proteindatabank qbox res "
    "rmc6f siesta-xv struct_out v-sim vasp vasp-out vasp-xdatcar vasp-xml xsf"
)
_TEXT_FORMATS = frozenset(_NAMES.split())
# Suffixes that name another format than a POSCAR, whatever stands before them.
_SUFFIXES = frozenset({"xyz", "pdb", "xml", "in", "out", "pwi", "pwo"})
_BINARY_FORMATS = frozenset({"traj"})
_NO_ELEMENTS = "its atom types are no elements; write it as extxyz with element symbols"
_REFUSED = {
    "cif": "read it without naming a format",
    "json": "read it without naming a format",
    "lammps-data": _NO_ELEMENTS,
    "lammps-dump-text": _NO_ELEMENTS,
    "lammps-dump-binary": _NO_ELEMENTS,
    "gromacs": _NO_ELEMENTS,
    "dlp4": _NO_ELEMENTS,
    "dlp-history": _NO_ELEMENTS,
    "mustem": "its sites carry occupancies that would be lost; write it as CIF",
    "struct": "it lists the asymmetric unit; write it as CIF",
    "xsd": "it lists the asymmetric unit; write it as CIF",
    "xtd": "it lists the asymmetric unit; write it as CIF",
    "bundletrajectory": "a folder is no file; write it as extxyz",
}


def detect_ase_format(data: bytes, name: str, source: str) -> str:
    """Return ASE's name for the format of a file, from its name and its first bytes.

    Raises
    ------
    CrystalError
        If the format is not recognised.
    """
    from ase.io.formats import UnknownFileTypeError, filetype

    stream = io.BytesIO(data)
    # The folder keeps names such as 'mysql.xyz' from being taken for the address of a database.
    stream.name = f"./{name}"
    # ASE knows these names in capitals, and takes a suffix that it does not know for a format.
    known = Path(name).suffix.lower()[1:] in {*_TEXT_FORMATS, *_BINARY_FORMATS, *_SUFFIXES}
    if re.search(r"poscar|contcar", name, flags=re.IGNORECASE) and not known:
        return "vasp"
    try:
        return str(filetype(stream))
    except UnknownFileTypeError:
        raise crystal_error(
            source,
            "its format is not recognised by name or content; rename it (.cif, POSCAR, .extxyz), "
            "or name its format: read(path, format='vasp')",
        ) from None


def read_with_ase(
    data: bytes,
    text: str | None,
    kind: str,
    index: Any,
    source: str,
    notes: list[str] | None = None,
) -> Any:
    """Read ASE ``Atoms`` from the contents of a file.

    Parameters
    ----------
    data
        The file's bytes.
    text
        The file's text, None for a binary format.
    kind
        ASE's name of the format.
    index
        ``0`` or ``-1`` for the first or last structure, ``":"`` for a list of all.
    source
        The file's name, for messages.
    notes
        Takes what should be known of the file: warnings, a line each.

    Raises
    ------
    CrystalError
        If the format is not let through, or ASE cannot read the file in it.
    """
    _require_known(kind, source)
    if text is not None and kind in CHECKS:
        text = CHECKS[kind](text, source, [] if notes is None else notes)
    try:
        with warnings.catch_warnings():
            # What ASE warns of (a calculator that it does not know, a constraint that it drops)
            # has no part in a crystal.
            warnings.simplefilter("ignore")
            found = _parse(data if text is None else text, kind, index)
    # The readers of ASE raise whatever their parsing meets, from KeyError to AssertionError.
    except Exception as error:
        raise _unreadable(kind, error, text, source) from None
    if isinstance(found, list) and not found:
        raise crystal_error(source, f"the {kind} file holds no structure; write it again")
    return found


def is_binary(kind: str) -> bool:
    """Return whether a format that ASE reads is binary."""
    return kind in _BINARY_FORMATS


def _parse(content: bytes | str, kind: str, index: Any) -> Any:
    import ase.io
    from ase.io.formats import ioformats

    if ioformats[kind].acceptsfd:
        stream = io.StringIO(content) if isinstance(content, str) else io.BytesIO(content)
        return ase.io.read(stream, index=index, format=kind, parallel=False)
    # The other readers open a path themselves, in the encoding of the locale.
    plain = content if isinstance(content, bytes) else content.encode("ascii", "replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "structure"
        path.write_bytes(plain)
        return ase.io.read(path, index=index, format=kind, parallel=False)


def _require_known(kind: str, source: str) -> None:
    if kind in _TEXT_FORMATS or kind in _BINARY_FORMATS:
        return
    advice = _REFUSED.get(
        kind,
        "write it as CIF, POSCAR, extxyz or JSON, or, if its name misleads, name its format: "
        "read(path, format='vasp')",
    )
    known = sorted(_TEXT_FORMATS | _BINARY_FORMATS)
    close = "" if kind in _REFUSED else did_you_mean(kind, known)
    raise crystal_error(source, f"the format {kind!r} is not read; {close}{advice}")


def _unreadable(kind: str, error: Exception, text: str | None, source: str) -> CrystalError:
    detail = " ".join(str(error).split())[:200] or "no detail"
    return crystal_error(
        source,
        f"cannot be read as {kind}{_line_of(detail, text)} ({type(error).__name__}: {detail}); the "
        "file may be cut off or in another format: mend it, or name its format: "
        "read(path, format=...)",
    )


def _line_of(detail: str, text: str | None) -> str:
    """Name the line that holds the word a parser stumbled over, if it quoted one."""
    word = re.search(r"'([^'\s]+)'$", detail)
    if text is None or word is None:
        return ""
    lines = text.split("\n")
    numbers = [number for number, line in enumerate(lines, start=1) if word[1] in line.split()]
    return f", line {numbers[0]}" if len(numbers) == 1 else ""
