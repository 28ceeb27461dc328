"""The process of one teacher: structures in, energies and forces out.

Run as ``python -m madelung.teaching.worker DESCRIPTOR`` by
:class:`madelung.teaching.supervision.SupervisedTeacher`. The teacher is code that may print, hang
or end the process; nothing here relies on its manners.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from madelung.common.outputs import json_text
from madelung.teaching.messages import Answer, crystal_from_message, read_message
from madelung.teaching.teachers import Teacher

__all__ = ["evaluate", "main"]


def evaluate(calculator: Any, atoms: Any, with_forces: bool) -> Answer:
    """Ask an ASE calculator about a structure; whatever it raises becomes a reason.

    Parameters
    ----------
    calculator
        ASE calculator.
    atoms
        ASE ``Atoms``.
    with_forces
        Whether to ask for forces; a calculator that has none is asked for the energy alone.
    """
    from ase.calculators.calculator import PropertyNotImplementedError

    atoms.calc = calculator
    forces = None
    try:
        energy = float(atoms.get_potential_energy())
        if with_forces:
            try:
                forces = np.asarray(atoms.get_forces(), dtype=np.float64)
            except PropertyNotImplementedError:
                forces = None
    # Teachers are other people's code, which raises what it likes.
    except Exception as problem:
        return Answer(reason=text_of(problem))
    if not np.isfinite(energy):
        return Answer(reason="energy not finite")
    if forces is not None and forces.shape != (len(atoms), 3):
        return Answer(reason=f"forces of shape {forces.shape} for {len(atoms)} atoms")
    if forces is not None and not np.isfinite(forces).all():
        return Answer(reason="forces not finite")
    return Answer(energy=energy, forces=forces)


def text_of(problem: BaseException) -> str:
    """Return an error in one short line."""
    words = " ".join(str(problem).split())[:300]
    return f"{type(problem).__name__}: {words}" if words else type(problem).__name__


def main() -> None:
    """Make the calculator that the first message names, then answer until the other end closes."""
    connection = Connection(int(sys.argv[1]))
    _be_silent()
    try:
        settings = read_message(connection.recv_bytes())
        _limit(settings["start_limit"])
        teacher = Teacher(settings["name"], settings["source"])
        problem = ""
        try:
            calculator = teacher.calculator()
        except Exception as error:
            problem = text_of(error)
        connection.send_bytes(json_text({"problem": problem}).encode("utf-8"))
        while not problem:
            _limit(0)
            atoms = crystal_from_message(connection.recv_bytes())
            _limit(settings["time_limit"])
            if not teacher.reusable:
                calculator = teacher.calculator()
            answer = evaluate(calculator, atoms, settings["forces"])
            connection.send_bytes(json_text(answer.as_object()).encode("utf-8"))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _be_silent() -> None:
    """What teachers print would break the display of progress, and is in nobody's way here."""
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _limit(seconds: float) -> None:
    """Let the system end this process if nobody is left to do it; 0 takes the limit away."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 2.0 * seconds + 5.0 if seconds else 0.0)


if __name__ == "__main__":
    main()
