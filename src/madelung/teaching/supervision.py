"""A teacher in a process of its own, which may hang or die without harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text
from madelung.crystals.crystal import Crystal
from madelung.teaching.messages import Answer, message_of, read_message
from madelung.teaching.teachers import Teacher

__all__ = ["LabellingLimits", "SupervisedTeacher"]


@dataclass(frozen=True)
class LabellingLimits:
    """What a teacher may take.

    Parameters
    ----------
    time_limit
        Seconds for one configuration; the process is then killed.
    start_limit
        Seconds until a new process has made its calculator.
    losses
        So many processes lost in a row, and the teacher is given up.
    """

    time_limit: float = 60.0
    start_limit: float = 120.0
    losses: int = 3


class SupervisedTeacher:
    """One process at a time that works for a teacher.

    Parameters
    ----------
    teacher
        Whom it works for.
    limits
        Limits of time.
    with_forces
        Whether to ask for forces.

    Attributes
    ----------
    ready
        Whether its calculator is there.
    asked
        Whether the last process started was asked about a structure.
    """

    def __init__(self, teacher: Teacher, limits: LabellingLimits, with_forces: bool) -> None:
        self.teacher = teacher
        self._limits = limits
        self._with_forces = with_forces
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._deadline = float("inf")
        self.ready = False
        self.asked = False

    @property
    def connection(self) -> Connection | None:
        """Where the next message comes from; None while no process runs."""
        return self._connection

    @property
    def deadline(self) -> float:
        """When the process is late, in seconds of ``time.monotonic``."""
        return self._deadline

    def start(self) -> None:
        """Start a process, which then says whether its calculator is ready."""
        ours, theirs = Pipe()
        self._process = subprocess.Popen(
            # -P: the folder that the process starts in is no place to import from.
            [sys.executable, "-P", "-m", "madelung.teaching.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=_environment(),
            # Signals of the terminal are for the job, which ends its processes itself.
            start_new_session=True,
        )
        theirs.close()
        self._connection, self.ready, self.asked = ours, False, False
        settings = {
            "name": self.teacher.name,
            "source": self.teacher.source,
            "forces": self._with_forces,
            "time_limit": self._limits.time_limit,
            "start_limit": self._limits.start_limit,
        }
        self._send(json_text(settings).encode("utf-8"), self._limits.start_limit)

    def ask(self, crystal: Crystal) -> None:
        """Send a structure to a process that is ready."""
        self.asked = True
        self._send(message_of(crystal), self._limits.time_limit)

    def _send(self, message: bytes, seconds: float) -> None:
        assert self._connection is not None
        # Whoever has died meanwhile is noticed when the answer is read.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send_bytes(message)
        self._deadline = time.monotonic() + seconds

    def receive(self) -> Answer | str:
        """Read the message that has come, or what the loss of the process says.

        Returns
        -------
        Answer or str
            A text after :meth:`start`: empty if the calculator is ready, else why there is none.
        """
        assert self._connection is not None
        try:
            content = read_message(self._connection.recv_bytes())
        except (EOFError, OSError, ForceFieldError):
            return self._lost(self._end())
        self._deadline = float("inf")
        if not self.ready:
            self.ready = not content["problem"]
            return str(content["problem"])
        return Answer.from_object(content)

    def give_up_waiting(self) -> Answer:
        """Kill a process that is late."""
        seconds = self._limits.time_limit if self.ready else self._limits.start_limit
        self.close()
        return self._lost(f"hung: no answer within {seconds:g} s")

    def _lost(self, reason: str) -> Answer:
        return Answer(reason=reason, lost=True)

    def _end(self) -> str:
        """Return how the process has ended."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5.0)
        code = self._process.returncode
        self.close()
        if code is None:
            return "died: the process closed its connection"
        if code < 0:
            with suppress(ValueError):
                return f"died: {signal.Signals(-code).name}"
        return f"died: exit status {code}"

    def close(self) -> None:
        """End the process, and all that it has started."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = self._connection = None
        self._deadline, self.ready = float("inf"), False


def _environment() -> dict[str, str]:
    """The search path of this process, and one thread, since teachers work side by side.

    The current folder, which Python puts first by itself (``python -m``, ``python -c``), is left
    out: a file ``numpy.py`` in it is nobody's wish. Named in PYTHONPATH it stays.
    """
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    here = os.getcwd()
    paths = [path for path in sys.path if path and (path != here or path in named)]
    return {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
