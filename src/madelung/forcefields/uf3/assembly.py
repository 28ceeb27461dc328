"""The normal equations of a large data set, made piece by piece and gone on with after a stop."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.common.interruption import Interruption
from madelung.common.outputs import json_text, whole_file
from madelung.common.progress import watched
from madelung.common.resuming import default_settings, require_same_job
from madelung.common.text import bounded_text
from madelung.forcefields.reference.configurations import SkippedConfigurations
from madelung.forcefields.reference.reference_data import GROUPS, DataFiles
from madelung.forcefields.uf3.fit import assemble
from madelung.forcefields.uf3.normal_equations import NormalEquations
from madelung.forcefields.uf3.settings import UF3Settings

__all__ = ["assemble_files"]

_EQUATIONS, _PROGRESS = "equations.npz", "progress.json"
_CHUNK = 200
_SECONDS_BETWEEN_CHECKPOINTS = 60.0


def assemble_files(
    data: DataFiles,
    settings: UF3Settings,
    folder: Path,
    *,
    threads: int = 1,
    resume: bool = False,
    progress: bool = False,
) -> tuple[NormalEquations, list[str]]:
    """Make the normal equations of files, by part; a stopped job can be gone on with.

    Parameters
    ----------
    data
        What to read; of so many coefficients that eight parts would not find room in memory, some
        are joined.
    settings
        Basis of the fit.
    folder
        For ``equations.npz`` and ``progress.json``, which are written every minute and at the end.
    threads
        Structures worked on at a time.
    resume
        Whether to go on with what is in the folder.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    tuple of NormalEquations and list of str
        And messages about configurations that were left out.

    Raises
    ------
    ForceFieldError
        If the folder holds a fit and ``resume`` is not set, or one of other data or settings.
    JobInterrupted
        If it was interrupted; a checkpoint has been written.
    """
    identity = {"data": data.as_object(), "settings": settings.model_dump(mode="json")}
    equations, done, problems = _begin(folder, settings, identity, resume)
    equations.require_room()
    parts = max(1, equations.most_groups - 1)
    joined = {part: GROUPS[number % parts] for number, part in enumerate(GROUPS)}
    skipped = SkippedConfigurations()
    stream = data.read(skipped)
    for _ in islice(stream, done):
        pass
    saved = time.monotonic()
    with (
        Interruption() as interruption,
        watched("learning configurations", show=progress) as advance,
    ):
        while chunk := list(islice(stream, _CHUNK)):
            labelled = [replace(item, group=joined.get(part, part)) for part, item in chunk]
            _, refused = assemble(labelled, settings, into=equations, threads=threads)
            problems += refused
            done += len(chunk)
            advance(done)
            if interruption.requested or time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                _save(folder, equations, done, problems, identity)
                saved = time.monotonic()
            if interruption.requested:
                interruption.stop(folder)
    _save(folder, equations, done, problems, identity)
    return equations, [*skipped.problems, *problems]


def _begin(
    folder: Path, settings: UF3Settings, identity: dict[str, Any], resume: bool
) -> tuple[NormalEquations, int, list[str]]:
    """Start anew, or from what the folder holds."""
    path = folder / _PROGRESS
    if not path.is_file():
        return NormalEquations(settings), 0, []
    if not resume:
        raise ForceFieldError(
            f"{folder}: there is a fit already; add --resume to go on with it, or name another "
            "folder"
        )
    try:
        stored = json.loads(bounded_text(path))
    except ValueError as problem:
        raise ForceFieldError(f"{path}: is damaged ({problem}); remove the folder") from None
    defaults = default_settings(settings)
    require_same_job(stored["identity"], identity, folder, ForceFieldError, defaults=defaults)
    written = stored.get("equations")
    if written is not None and written != _digest(folder / _EQUATIONS):
        # A stop between the two files: the sums hold more than is known of, and are made anew.
        return NormalEquations(settings), 0, []
    return NormalEquations.load(folder / _EQUATIONS), int(stored["done"]), stored["problems"]


def _save(
    folder: Path,
    equations: NormalEquations,
    done: int,
    problems: Sequence[str],
    identity: dict[str, Any],
) -> None:
    equations.save(folder / _EQUATIONS)
    content = {
        "done": done,
        "problems": list(problems),
        "identity": identity,
        "equations": _digest(folder / _EQUATIONS),
    }
    with whole_file(folder / _PROGRESS) as temporary:
        temporary.write_text(json_text(content, indent=1), encoding="utf-8")


def _digest(path: Path) -> str:
    """Checksum of a file; empty if there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
