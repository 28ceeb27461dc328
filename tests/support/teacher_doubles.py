"""Teachers that misbehave, and others whose answers are known."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

MARKED = 5
"""Configurations of this number of atoms are those that a teacher fails on."""


class Failing(Calculator):
    """ASE's effective medium theory, but for marked configurations."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, failure: Callable[[], Any]) -> None:
        super().__init__()
        self.failure = failure

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        print("teachers print what they like")
        own = self.atoms.copy()
        own.calc = EMT()
        energy, forces = own.get_potential_energy(), own.get_forces()
        if len(own) == MARKED:
            energy = self.failure()
        self.results = {"energy": energy, "forces": forces}


class EnergyOnly(Calculator):
    """A teacher without forces."""

    implemented_properties = ["energy"]  # noqa: RUF012

    def calculate(self, atoms: Any = None, *rest: Any) -> None:
        super().calculate(atoms, *rest)
        self.results = {"energy": float(self.atoms.get_volume())}


def _raise() -> float:
    raise RuntimeError("lost\natoms")


def hanging() -> Calculator:
    return Failing(lambda: time.sleep(1000.0))


def exiting() -> Calculator:
    return Failing(lambda: os._exit(7))


def segfaulting() -> Calculator:
    return Failing(lambda: os.kill(os.getpid(), signal.SIGSEGV))


def returning_nan() -> Calculator:
    return Failing(lambda: float("nan"))


def raising() -> Calculator:
    return Failing(_raise)


def exploding() -> Calculator:
    return Failing(lambda: 1e22)


def energy_only() -> Calculator:
    return EnergyOnly()


def always_dying() -> Calculator:
    return Dying()


class Dying(Calculator):
    """A teacher that dies of everything."""

    implemented_properties = ["energy"]  # noqa: RUF012

    def calculate(self, *rest: Any) -> None:
        os.abort()


def dying_at_birth() -> Calculator:
    os._exit(3)


def failing_at_birth() -> Calculator:
    raise ValueError("no licence")


def no_calculator() -> object:
    return np.zeros(3)
