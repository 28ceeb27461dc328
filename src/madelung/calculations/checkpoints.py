"""Checkpoints of molecular dynamics: everything that the next step depends on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file

__all__ = ["Checkpoint", "read_dynamics_checkpoint", "write_dynamics_checkpoint"]

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a run after a step.

    Parameters
    ----------
    step
        Number of steps done.
    settings
        Settings of the run.
    generator
        State of the random numbers.
    lengths
        Bytes that the log and the trajectory had.
    arrays
        Positions, momenta, cell, numbers, pbc, masses, charges and constraints if they are set;
        and, with the prefix ``state:``, what the integrator holds.
    """

    step: int
    settings: dict[str, Any]
    generator: dict[str, Any]
    lengths: dict[str, int]
    arrays: dict[str, Any]

    @property
    def integrator(self) -> dict[str, Any]:
        """What the integrator holds."""
        return {
            name.removeprefix("state:"): value
            for name, value in self.arrays.items()
            if name.startswith("state:")
        }

    def atoms(self) -> Any:
        """Return ASE ``Atoms`` with the momenta."""
        from ase import Atoms

        atoms = Atoms(
            numbers=self.arrays["numbers"],
            positions=self.arrays["positions"],
            cell=self.arrays["cell"],
            pbc=self.arrays["pbc"],
            masses=self.arrays.get("masses"),
            momenta=self.arrays["momenta"],
        )
        if "charges" in self.arrays:
            atoms.set_initial_charges(self.arrays["charges"])
        if "constraints" in self.arrays:
            from ase.constraints import dict2constraint
            from ase.io.jsonio import decode

            kept = decode(str(self.arrays["constraints"]))
            atoms.set_constraint([dict2constraint(one) for one in kept])
        return atoms


def arrays_of(atoms: Any, integrator: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays of a checkpoint.

    Raises
    ------
    ForceFieldError
        If the atoms have a constraint that cannot be written.
    """
    arrays = {
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "momenta": atoms.get_momenta(),
    }
    if atoms.has("initial_charges"):
        arrays["charges"] = atoms.get_initial_charges()
    if atoms.has("masses"):
        arrays["masses"] = atoms.get_masses()
    if atoms.constraints:
        arrays["constraints"] = np.array(_encoded(atoms.constraints))
    return arrays | {f"state:{name}": value for name, value in integrator.items()}


def _encoded(constraints: Sequence[Any]) -> str:
    from ase.constraints import dict2constraint
    from ase.io.jsonio import decode, encode

    try:
        text: str = encode([one.todict() for one in constraints])
        for one in decode(text):
            dict2constraint(one)
    # Constraints that ASE cannot write fail each in its own way.
    except Exception:
        names = ", ".join(sorted({type(one).__name__ for one in constraints}))
        raise ForceFieldError(
            f"one of the constraints {names} cannot be kept in a checkpoint, and would be lost as "
            "the run goes on; take FixAtoms or FixCartesian"
        ) from None
    return text


def write_dynamics_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that appears when it is whole."""
    head = {
        "version": _VERSION,
        "step": checkpoint.step,
        "settings": checkpoint.settings,
        "generator": checkpoint.generator,
        "lengths": checkpoint.lengths,
    }
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, head=np.array(json_text(head)), **checkpoint.arrays)


def read_dynamics_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    ForceFieldError
        If it is damaged, or of a newer program.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(str(arrays.pop("head")))
        if head["version"] != _VERSION:
            raise ForceFieldError(f"{path}: a checkpoint of version {head['version']}")
        return Checkpoint(
            _count(head["step"]),
            dict(head["settings"]),
            dict(head["generator"]),
            {_plain_name(name): _count(length) for name, length in head["lengths"].items()},
            arrays,
        )
    except ForceFieldError:
        raise
    # What stands in a file may be of any kind and size.
    except Exception as error:
        raise ForceFieldError(f"{path}: no checkpoint that can be read ({error})") from None


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} where a count stands")
    return value


def _plain_name(name: str) -> str:
    """Refuse names of files that lie elsewhere than the checkpoint."""
    if name in ("", ".", "..") or name != os.path.basename(name) or "\0" in name:
        raise ValueError(f"{name!r} is no file of the folder")
    return name
