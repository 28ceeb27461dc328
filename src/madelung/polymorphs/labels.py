"""Calculations of molecules that several candidates share, each made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import PolymorphError
from madelung.common.interruption import Interruption
from madelung.common.outputs import json_text
from madelung.common.progress import watched
from madelung.polymorphs.candidates import Candidate
from madelung.polymorphs.molecules import SAME_DISTANCE, Molecule, same_conformer
from madelung.polymorphs.monomers import Monomer, MonomerEngine

__all__ = ["Conformers", "calculated_monomers", "distinct_conformers"]

_FORMAT, _VERSION = "madelung-monomers", 1
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Conformers:
    """Molecules that candidates consist of, each shape once.

    Parameters
    ----------
    distinct
        One molecule of each shape.
    places
        For each candidate (k,) which of these its k molecules are.
    """

    distinct: tuple[Molecule, ...]
    places: tuple[NDArray[np.int64], ...]


def distinct_conformers(
    candidates: Sequence[Candidate], tolerance: float = SAME_DISTANCE
) -> Conformers:
    """Find the molecules that have to be calculated; mirror images are the same.

    Parameters
    ----------
    candidates
        Crystals.
    tolerance
        Å by which distances within equal molecules may differ.
    """
    distinct: list[Molecule] = []
    shapes: dict[str, list[int]] = {}
    places = []
    for candidate in candidates:
        own = []
        for molecule in candidate.molecules:
            known = shapes.setdefault(molecule.connectivity, [])
            place = next(
                (at for at in known if same_conformer(distinct[at], molecule, tolerance)), None
            )
            if place is None:
                place = len(distinct)
                distinct.append(molecule)
                known.append(place)
            own.append(place)
        places.append(np.array(own, dtype=np.int64))
    return Conformers(tuple(distinct), tuple(places))


def calculated_monomers(
    molecules: Sequence[Molecule],
    engine: MonomerEngine,
    journal: str | os.PathLike[str],
    *,
    quiet: bool = True,
) -> list[Monomer | None]:
    """Calculate molecules, or take from a journal what was calculated before.

    Parameters
    ----------
    molecules
        What is calculated.
    engine
        By what.
    journal
        File to which each result is added at once; a last line that a stop has cut off is dropped.
    quiet
        Whether to show no progress.

    Returns
    -------
    list
        A result for each molecule, None where the calculation failed; why stands in the journal.

    Raises
    ------
    PolymorphError
        If the journal is of another engine or another job writes to it, or all failed.
    JobInterrupted
        If it was interrupted: the journal keeps what was done.
    """
    path = Path(journal)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        _lock(stream, path)
        known = _known(stream, path, engine.name)
        found: list[Monomer | None] = []
        problems: list[str] = []
        with (
            Interruption() as interruption,
            watched("molecules", show=not quiet) as advance,
        ):
            for done, molecule in enumerate(molecules, 1):
                key = _key(molecule)
                if key not in known:
                    known[key] = _result(molecule, engine)
                    stream.write(json_text({"key": key, **known[key]}).encode() + b"\n")
                    stream.flush()
                found.append(_monomer(molecule, known[key], path))
                if "error" in known[key]:
                    problems.append(str(known[key]["error"]))
                advance(done, len(molecules))
                if interruption.requested and done < len(molecules):
                    interruption.stop(path.parent)
    if molecules and not any(found):
        raise PolymorphError(f"{path}: no molecule could be calculated: {problems[0]}")
    return found


def _result(molecule: Molecule, engine: MonomerEngine) -> dict[str, Any]:
    begun = time.process_time()
    try:
        found = engine.calculate(molecule).as_object()
    except PolymorphError as problem:
        found = {"error": str(problem)}
    return {**found, "cpu_seconds": time.process_time() - begun}


def _monomer(molecule: Molecule, content: dict[str, Any], path: Path) -> Monomer | None:
    if "error" in content:
        return None
    try:
        return Monomer.from_object(molecule, content)
    except (ValueError, TypeError) as problem:
        raise PolymorphError(f"{path}: a line is damaged ({problem}); remove it") from None


def _key(molecule: Molecule) -> str:
    """A text that only this molecule has, in this place."""
    places = np.round(molecule.positions, _DIGITS) + 0.0
    return hashlib.sha256(molecule.numbers.tobytes() + places.tobytes()).hexdigest()


def _lock(stream: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PolymorphError(
            f"{path}: another job is writing there; wait for it, or name another folder"
        ) from None


def _known(stream: IO[bytes], path: Path, engine: str) -> dict[str, dict[str, Any]]:
    """What the journal holds; without anything, its first line is written."""
    head = {"format": _FORMAT, "version": _VERSION, "engine": engine}
    stream.seek(0)
    content = stream.read()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        stream.truncate(len(whole))
    stream.seek(0, os.SEEK_END)
    lines = whole.splitlines()
    if not lines:
        stream.write(json_text(head).encode() + b"\n")
        return {}
    try:
        first, *others = (json.loads(line) for line in lines)
        if first != head:
            raise PolymorphError(
                f"{path}: was begun with {first.get('engine')!r}, and not with {engine!r}; give "
                "the same, or another folder"
            )
        return {row.pop("key"): row for row in others}
    except (ValueError, KeyError, AttributeError, TypeError) as problem:
        if isinstance(problem, PolymorphError):
            raise
        raise PolymorphError(f"{path}: is no journal of molecules ({problem})") from None
