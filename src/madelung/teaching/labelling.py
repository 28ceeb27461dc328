"""Labels of configurations by all teachers, in processes that may hang or die."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.interruption import Interruption, JobInterrupted
from madelung.common.locks import alone_in_folder
from madelung.common.progress import watched
from madelung.forcefields.reference.configurations import Configuration
from madelung.teaching.journal import LabelJournal
from madelung.teaching.labels import LARGEST_DEVIATION, TeacherLabels, compositions_of
from madelung.teaching.messages import Answer
from madelung.teaching.supervision import LabellingLimits, SupervisedTeacher
from madelung.teaching.teachers import Teacher

__all__ = ["LABELS", "label_configurations"]

LABELS = "labels.safetensors"
"""Name of the file of labels in a job's folder."""
_JOURNAL = "labels.journal"
# Seconds after which a wish to stop is noticed at the latest.
_PATIENCE = 0.2


@alone_in_folder
def label_configurations(
    configurations: Sequence[Configuration],
    teachers: Sequence[Teacher],
    folder: str | os.PathLike[str],
    *,
    processes: int = 1,
    with_forces: bool = True,
    limits: LabellingLimits | None = None,
    largest_deviation: float = LARGEST_DEVIATION,
    quiet: bool = True,
) -> TeacherLabels:
    """Ask teachers about configurations.

    The folder then holds ``labels.safetensors`` for :meth:`TeacherLabels.load`, and
    ``labels.journal`` with every answer, from which a job that was stopped goes on with the same
    call; what was answered is not asked again, further teachers may be added, and the labels are
    the same byte for byte.

    Parameters
    ----------
    configurations
        n configurations.
    teachers
        T teachers. Each works in a process of its own, through the configurations in order.
    folder
        Where to write.
    processes
        Teachers at work at a time.
    with_forces
        Whether to ask for forces. A teacher that has none labels with energies alone.
    limits
        Limits of time, and after how many processes lost in a row a teacher is given up.
    largest_deviation
        In eV/atom; see :meth:`TeacherLabels.without_outliers`.
    quiet
        Whether to show no progress.

    Returns
    -------
    TeacherLabels
        A label is none, with a reason, where a teacher raised, returned what is not finite or too
        far off, did not answer in time, lost its process, or was given up.

    Raises
    ------
    ForceFieldError
        If there is nothing to label, a teacher lacks what it needs, or the folder holds labels of
        other configurations or potentials.
    JobInterrupted
        If it was interrupted; answers have been written.
    """
    if not configurations or not teachers:
        raise ForceFieldError("there is nothing to label, or nobody to do it")
    for teacher in teachers:
        teacher.require_usable()
    out = Path(folder)
    limits = limits or LabellingLimits()
    with LabelJournal(out / _JOURNAL, configurations, teachers, with_forces) as journal:
        lanes = [_Lane(teacher, configurations, journal, limits, with_forces)
                 for teacher in teachers]  # fmt: skip
        _work(lanes, processes, len(configurations) * len(teachers), out, quiet)
    given_up = {lane.name: lane.given_up for lane in lanes if lane.given_up}
    labels = _collected(configurations, journal.answers, given_up, with_forces)
    reference = [np.nan if item.energy is None else item.energy for item in configurations]
    labels = labels.without_outliers(np.array(reference), largest_deviation)
    labels.save(out / LABELS)
    return labels


class _Lane:
    """The configurations that one teacher has still before it, and how it fares."""

    def __init__(
        self,
        teacher: Teacher,
        configurations: Sequence[Configuration],
        journal: LabelJournal,
        limits: LabellingLimits,
        with_forces: bool,
    ) -> None:
        self.name = teacher.name
        self.given_up = ""
        self.worker = SupervisedTeacher(teacher, limits, with_forces)
        self._configurations, self._journal, self._limits = configurations, journal, limits
        done = journal.answers[teacher.name]
        self._open = deque(n for n in range(len(configurations)) if n not in done)
        self._lost = 0
        for number in sorted(done):
            self._count(done[number])

    @property
    def done(self) -> int:
        """How many configurations need no more work."""
        open_ones = 0 if self.given_up else len(self._open)
        return len(self._configurations) - open_ones

    @property
    def finished(self) -> bool:
        """Whether all is done, or the teacher is given up."""
        return not self._open or bool(self.given_up)

    def advance(self) -> None:
        """Start a process, if none runs, and give it the next configuration."""
        if self.finished:
            self.worker.close()
        elif self.worker.connection is None:
            self.worker.start()
        elif self.worker.ready:
            self.worker.ask(self._configurations[self._open[0]].crystal)

    def hear(self, answer: Answer | str) -> None:
        """Take what the process said, or the news that it is lost."""
        if isinstance(answer, str):
            self.given_up = answer and f"given up: no calculator: {answer}"
        elif self.worker.asked:
            self._journal.add(self.name, self._open.popleft(), answer)
            self._count(answer)
        else:
            # Lost before it was asked anything: no configuration is to blame.
            self._count(answer)
        self.advance()

    def _count(self, answer: Answer) -> None:
        self._lost = self._lost + 1 if answer.lost else 0
        if self._lost >= self._limits.losses:
            self.given_up = f"given up after {self._lost} lost processes in a row: {answer.reason}"


def _work(lanes: Sequence[_Lane], processes: int, total: int, out: Path, quiet: bool) -> None:
    """Let teachers work until all are finished, so many at a time."""
    waiting = deque(lane for lane in lanes if not lane.finished)
    active: list[_Lane] = []
    try:
        with Interruption() as interruption, watched("labels", show=not quiet) as advance:
            while waiting or active:
                if interruption.requested:
                    raise JobInterrupted(
                        f"interrupted; the labels so far are in {out}: run the same command again"
                    )
                while waiting and len(active) < processes:
                    active.append(waiting.popleft())
                    active[-1].advance()
                _hear(active)
                active = [lane for lane in active if not lane.finished]
                advance(sum(lane.done for lane in lanes), total)
    finally:
        for lane in lanes:
            lane.worker.close()


def _hear(active: Sequence[_Lane]) -> None:
    """Wait a little for answers, and take them."""
    spoken = wait([lane.worker.connection for lane in active if lane.worker.connection], _PATIENCE)
    for lane in active:
        if lane.worker.connection in spoken:
            lane.hear(lane.worker.receive())
        elif time.monotonic() > lane.worker.deadline:
            lane.hear(lane.worker.give_up_waiting())


def _collected(
    configurations: Sequence[Configuration],
    answers: Mapping[str, Mapping[int, Answer]],
    given_up: Mapping[str, str],
    with_forces: bool,
) -> TeacherLabels:
    """Put answers together; they are independent of the order in which they came."""
    elements, compositions = compositions_of(configurations)
    energies = np.full((len(configurations), len(answers)), np.nan)
    forces = [np.full((len(answers), len(item.crystal), 3), np.nan) for item in configurations]
    reasons: dict[tuple[int, int], str] = {}
    for column, (name, own) in enumerate(answers.items()):
        for row in range(len(configurations)):
            answer = own.get(row) or Answer(reason=given_up[name])
            if answer.reason:
                reasons[row, column] = answer.reason
                continue
            energies[row, column] = answer.energy
            if answer.forces is not None:
                forces[row][column] = answer.forces
    return TeacherLabels(
        teachers=tuple(answers),
        ids=tuple(item.id for item in configurations),
        elements=elements,
        compositions=compositions,
        energies=energies,
        forces=tuple(forces) if with_forces else None,
        reasons=reasons,
    )
