"""The record of a labelling: lines that are only ever added, so that a stop loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text
from madelung.common.resuming import require_same_job
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.reference.fingerprints import fingerprint_of_structures
from madelung.teaching.messages import Answer
from madelung.teaching.teachers import Teacher

__all__ = ["LabelJournal"]

_FORMAT, _VERSION = "madelung-teacher-journal", 1


class LabelJournal:
    """Answers of teachers on disk, and what was there when it was opened.

    Each answer is a line of JSON, written at once. A last line that a stop has cut off is taken
    away when the journal is opened again.

    Parameters
    ----------
    path
        The file; it is made if it is not there.
    configurations
        What is labelled.
    teachers
        Who labels; others may have been at work before, and are left in the file.
    with_forces
        Whether forces are wanted.

    Raises
    ------
    ForceFieldError
        If the file is of other configurations, one of the teachers was another potential, or
        another job is writing to it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        configurations: Sequence[Configuration],
        teachers: Sequence[Teacher],
        with_forces: bool,
    ) -> None:
        self.path = Path(path)
        self._count = len(configurations)
        self._sources: dict[str, list[str]] = {}
        self.answers: dict[str, dict[int, Answer]] = {teacher.name: {} for teacher in teachers}
        head = {
            "format": _FORMAT,
            "version": _VERSION,
            "configurations": fingerprint_of_structures(configurations),
            "forces": with_forces,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[bytes] = self.path.open("ab")
        try:
            self._lock()
            self._read(head)
            new = self._unknown(teachers)
        except BaseException:
            self._stream.close()
            raise
        if self.path.stat().st_size == 0:
            self._write(head)
        for name in new:
            self._write({"teacher": name, "source": self._sources[name]})

    def __enter__(self) -> LabelJournal:
        """Nothing more is needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._stream.close()

    def add(self, teacher: str, number: int, answer: Answer) -> None:
        """Write an answer.

        Parameters
        ----------
        teacher
            Its name.
        number
            Of the configuration.
        answer
            What it said.
        """
        self._write({"teacher": teacher, "number": number, **answer.as_object()})
        self.answers[teacher][number] = answer

    def _lock(self) -> None:
        """Keep other jobs away; the lock goes with this process, however it ends."""
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ForceFieldError(
                f"{self.path}: another job is writing labels there; wait for it, or name another "
                "folder"
            ) from None

    def _write(self, content: dict[str, Any]) -> None:
        self._stream.write(json_text(content).encode("utf-8") + b"\n")
        self._stream.flush()

    def _unknown(self, teachers: Sequence[Teacher]) -> list[str]:
        """Return names that the file does not know; one that it knows must be the same teacher."""
        new = []
        for teacher in teachers:
            identity = [teacher.source, teacher.digest]
            before = self._sources.get(teacher.name)
            if before is None:
                self._sources[teacher.name] = identity
                new.append(teacher.name)
            else:
                require_same_job(
                    {"potential": before},
                    {"potential": identity},
                    self.path,
                    ForceFieldError,
                    subject=f"labels by {teacher.name} (from {before[0]}) were made",
                    remedy="name another folder, or give the teacher another name: NAME=SOURCE",
                )
        return new

    def _read(self, head: dict[str, Any]) -> None:
        """Read whole lines, and take away what follows them."""
        whole = 0
        with self.path.open("rb") as stream:
            for position, line in enumerate(stream):
                if not line.endswith(b"\n"):
                    break
                content = self._parsed(line, position)
                if position == 0:
                    self._require_head(content, head)
                else:
                    self._take(content)
                whole += len(line)
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)

    def _parsed(self, line: bytes, position: int) -> dict[str, Any]:
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ForceFieldError(
                f"{self.path}, line {position + 1}: damaged; name another folder, or take out "
                "this line and those below it"
            )
        return content

    def _require_head(self, content: dict[str, Any], head: dict[str, Any]) -> None:
        if content.get("format") != _FORMAT or content.get("version") != _VERSION:
            raise ForceFieldError(f"{self.path}: no record of labels that this program can read")
        require_same_job(
            content,
            head,
            self.path,
            ForceFieldError,
            subject="labels were made",
            remedy="name another folder",
        )

    def _take(self, content: dict[str, Any]) -> None:
        name = str(content["teacher"])
        if "source" in content:
            self._sources[name] = list(content["source"])
        elif name in self.answers:
            self.answers[name][int(content["number"])] = Answer.from_object(content)
