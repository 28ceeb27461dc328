"""Teachers: potentials by name, and how a process makes an ASE calculator of each."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madelung.common.errors import ForceFieldError
from madelung.crystals.elements import ATOMIC_NUMBERS
from madelung.forcefields.files import load_force_field

__all__ = ["Teacher", "parse_teacher", "parse_teachers"]

_NAMED = re.compile(r"(?P<name>[\w.+-]+)=(?P<source>.+)", re.DOTALL)
_PREFIXES = ("ase", "lammps", "kim", "python")


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
        """``"ase"``, ``"lammps"``, ``"kim"``, ``"python"`` or ``"file"``."""
        prefix = self.source.partition(":")[0]
        return prefix if prefix in _PREFIXES and ":" in self.source else "file"

    @property
    def argument(self) -> str:
        """The source without its prefix."""
        return self.source if self.kind == "file" else self.source.partition(":")[2]

    @property
    def reusable(self) -> bool:
        """Whether one calculator serves for structure after structure.

        ASE's calculator for LAMMPS, once closed, makes no atoms for the next one.
        """
        return self.kind != "lammps"

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
            raise ForceFieldError(
                f"teacher {self.name}: {self.source} cannot be read ({problem.strerror})"
            ) from None
        return digest.hexdigest()

    def require_usable(self) -> None:
        """Make sure, without making a calculator, that what it needs is there.

        Raises
        ------
        ForceFieldError
            If a file, a package or a name is missing.
        """
        if self.kind == "file":
            _ = self.digest
            load_force_field(self.source)
        elif self.kind == "ase":
            _ase_class(self)
            _ase_parameters(self)
        elif self.kind == "lammps":
            _lammps_parts(self)
            self._require_module("lammps", "LAMMPS's Python module; see docs.lammps.org")
        elif self.kind == "kim":
            self._require_module("kimpy", "kimpy and the KIM API; see openkim.org")
        else:
            module, _, function = self.argument.partition(":")
            if not module or not function.isidentifier():
                raise ForceFieldError(
                    f"teacher {self.name}: {self.source!r} must be python:MODULE:FUNCTION"
                )
            self._require_module(module, f"a module {module} on Python's search path")

    def calculator(self) -> Any:
        """Make the ASE calculator; asked for in a process that may die of it.

        Raises
        ------
        ForceFieldError
            If something is missing, or what was made is no calculator.
        """
        self.require_usable()
        if self.kind == "file":
            from madelung.forcefields.calculator import ForceFieldCalculator

            return ForceFieldCalculator(load_force_field(self.source))
        if self.kind == "ase":
            return _ase_class(self)(**_ase_parameters(self))
        if self.kind == "lammps":
            from ase.calculators.lammpslib import LAMMPSlib

            elements, commands = _lammps_parts(self)
            types = {symbol: number for number, symbol in enumerate(elements, start=1)}
            return LAMMPSlib(lmpcmds=commands, atom_types=types, keep_alive=False)
        if self.kind == "kim":
            from ase.calculators.kim import KIM

            return KIM(self.argument)
        module, _, function = self.argument.partition(":")
        made = getattr(importlib.import_module(module), function)()
        if not hasattr(made, "get_potential_energy"):
            raise ForceFieldError(
                f"teacher {self.name}: {self.argument} returned {type(made).__name__!r}, which is "
                "no ASE calculator"
            )
        return made

    def _require_module(self, module: str, what: str) -> None:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            raise ForceFieldError(
                f"teacher {self.name}: Python cannot find {module!r}; {self.kind}: needs {what}"
            )


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
