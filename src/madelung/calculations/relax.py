"""Relaxation: positions, and the cell if wanted, at the nearest minimum of the energy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.calculations.preparation import crystal_of, prepare_atoms
from madelung.calculations.writing import write_structure
from madelung.common.axes import integer_ticks, log_scale, twin_axes
from madelung.common.errors import ForceFieldError
from madelung.common.figures import BLUE, ORANGE, in_style, new_figure, save_figure, subscripts
from madelung.common.outputs import write_json
from madelung.common.progress import watched
from madelung.common.tables import write_rows
from madelung.common.units import GIGAPASCAL, MILLIELECTRONVOLTS
from madelung.crystals.crystal import Crystal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RelaxationResult", "relax"]

OPTIMISERS = ("bfgs", "fire")
# Largest force in eV/Å that is but rounding.
_NO_FORCE = 1e-10


@dataclass(frozen=True, eq=False)
class RelaxationResult:
    """A relaxed structure.

    Parameters
    ----------
    crystal
        The structure.
    energy
        In eV.
    forces
        (n, 3) in eV/Å.
    stress
        (3, 3) in eV/Å³, None if the structure is not periodic in three directions.
    converged
        Whether forces (and stress) became as small as asked for.
    steps
        One mapping for each step: ``step``, ``energy`` in eV, ``largest_force`` in eV/Å, ``volume``
        in Å³.
    """

    crystal: Crystal
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None
    converged: bool
    steps: tuple[dict[str, float], ...]

    @property
    def largest_force(self) -> float:
        """Length of the largest force in eV/Å."""
        return float(np.linalg.norm(self.forces, axis=1).max())

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds; stress in GPa."""
        return {
            "job": "relax",
            "formula": self.crystal.formula,
            "converged": self.converged,
            "steps": len(self.steps) - 1,
            "energy_eV": self.energy,
            "energy_eV_per_atom": self.energy / len(self.crystal),
            "largest_force_eV_per_A": self.largest_force,
            "stress_GPa": None if self.stress is None else self.stress / GIGAPASCAL,
            "volume_A3": self.crystal.volume if self.crystal.pbc.all() else None,
            "cell_A": self.crystal.cell,
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``relax.json``, ``steps.csv``, ``relaxed.extxyz`` and ``relax.png``."""
        out = Path(folder)
        write_structure(out / "relaxed.extxyz", self.crystal)
        write_rows(out / "steps.csv", self.steps)
        save_figure(self.plot(), out / "relax.png")
        write_json(out / "relax.json", self.as_object())

    @in_style
    def plot(self) -> Figure:
        """Draw energy and largest force over the steps."""
        figure = new_figure(5.2, 3.4)
        axes = figure.subplots()
        steps = [row["step"] for row in self.steps]
        energies = np.array([row["energy"] for row in self.steps]) / len(self.crystal)
        axes.plot(steps, MILLIELECTRONVOLTS * (energies - energies[-1]), color=BLUE, marker=".")
        axes.set(xlabel="step", ylabel="energy above the last (meV/atom)")
        integer_ticks(axes.xaxis)
        forces = np.array([row["largest_force"] for row in self.steps])
        title = f"relaxation of {subscripts(self.crystal.formula)}"
        if (forces < _NO_FORCE).all():
            axes.set_title(f"{title}: the forces are zero by symmetry")
            return figure
        axes.set_title(title)
        right = twin_axes(axes, BLUE, ORANGE)
        # Rounding alone would stretch the scale over many decades.
        right.plot(steps, np.where(forces < _NO_FORCE, np.nan, forces), ".-", color=ORANGE)
        right.set(ylabel="largest force (eV/Å)")
        log_scale(right.yaxis)
        return figure


def relax(
    structure: Any,
    force_field: Any,
    *,
    cell: bool = False,
    fixed_volume: bool = False,
    pressure: float = 0.0,
    force_tolerance: float = 1e-3,
    max_steps: int = 500,
    optimiser: str = "bfgs",
    progress: bool = False,
) -> RelaxationResult:
    """Move the atoms, and the cell if wanted, to the nearest minimum of the energy.

    Parameters
    ----------
    structure
        Whatever :func:`madelung.as_crystals` takes.
    force_field
        A force field or an ASE calculator.
    cell
        Whether to relax the cell as well, with ASE's ``FrechetCellFilter``.
    fixed_volume
        Whether the cell keeps its volume and relaxes its shape alone.
    pressure
        Pressure on the cell in GPa.
    force_tolerance
        Largest force that is allowed at the end, in eV/Å. With the cell, the gradient with respect
        to a logarithmic strain, divided by the number of atoms, must be below it too, in eV.
    max_steps
        Steps after which to give up; the result says that it has not converged.
    optimiser
        ``"bfgs"``, or ``"fire"``, which is slower and survives bad starts.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    RelaxationResult

    Raises
    ------
    ForceFieldError
        If the structure cannot be relaxed in this way, or the force field refuses it.
    """
    atoms = prepare_atoms(structure, force_field)
    if optimiser not in OPTIMISERS:
        raise ForceFieldError(f"unknown optimiser {optimiser!r}; choose one of {OPTIMISERS}")
    if cell and not atoms.pbc.all():
        raise ForceFieldError(
            "only the cell of a structure that is periodic in three directions can be relaxed"
        )
    rows: list[dict[str, float]] = []

    def record() -> None:
        forces = np.linalg.norm(atoms.get_forces(), axis=1)
        rows.append(
            {
                "step": float(len(rows)),
                "energy": float(atoms.get_potential_energy()),
                "largest_force": float(forces.max()),
                "volume": float(atoms.get_volume()) if atoms.pbc.all() else 0.0,
            }
        )

    with watched("relaxing", show=progress) as advance:
        converged = _descend(
            _moved(atoms, cell, fixed_volume, pressure),
            optimiser,
            force_tolerance,
            max_steps,
            record,
            advance,
        )
    periodic = bool(atoms.pbc.all())
    return RelaxationResult(
        crystal=crystal_of(atoms),
        energy=float(atoms.get_potential_energy()),
        forces=np.array(atoms.get_forces()),
        stress=np.array(atoms.get_stress(voigt=False)) if periodic else None,
        converged=converged,
        steps=tuple(rows),
    )


def _moved(atoms: Any, cell: bool, fixed_volume: bool, pressure: float) -> Any:
    """What the optimiser moves: the atoms, or the atoms and the cell."""
    if not cell:
        return atoms
    from ase.filters import FrechetCellFilter

    return FrechetCellFilter(
        atoms, scalar_pressure=pressure * GIGAPASCAL, constant_volume=fixed_volume
    )


def _descend(
    moved: Any,
    optimiser: str,
    tolerance: float,
    max_steps: int,
    record: Callable[[], None],
    advance: Any,
) -> bool:
    from ase.optimize import BFGS, FIRE

    kind = BFGS if optimiser == "bfgs" else FIRE
    search = kind(moved, logfile=None)
    converged = False
    for number, done in enumerate(search.irun(fmax=tolerance, steps=max_steps)):
        record()
        advance(number)
        converged = bool(done)
    return converged
