"""Formation energy of a vacancy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.calculations.preparation import crystal_of, prepare_atoms
from madelung.calculations.relax import RelaxationResult, relax
from madelung.calculations.writing import write_structure
from madelung.common.errors import ForceFieldError
from madelung.common.figures import in_style, save_figure, subscripts
from madelung.common.outputs import write_json
from madelung.common.tables import write_rows
from madelung.crystals.crystal import Crystal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VacancyResult", "vacancy_energy"]


@dataclass(frozen=True, eq=False)
class VacancyResult:
    """Energy that it costs to take an atom out of a crystal.

    Parameters
    ----------
    energy
        Formation energy in eV, atoms relaxed at fixed cell.
    unrelaxed_energy
        The same before the atoms have relaxed.
    symbol
        Element that was taken out.
    site
        Its index in the supercell.
    atoms
        Number of atoms of the whole supercell.
    reference
        Energy in eV of the atom in its reservoir.
    relaxation
        Relaxation of the supercell without the atom.
    perfect
        The whole supercell, relaxed.
    """

    energy: float
    unrelaxed_energy: float
    symbol: str
    site: int
    atoms: int
    reference: float
    relaxation: RelaxationResult
    perfect: Crystal

    @property
    def converged(self) -> bool:
        """Whether the atoms came to rest."""
        return self.relaxation.converged

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "job": "vacancy",
            "formula": self.perfect.formula,
            "converged": self.converged,
            "formation_energy_eV": self.energy,
            "unrelaxed_formation_energy_eV": self.unrelaxed_energy,
            "element": self.symbol,
            "site": self.site,
            "atoms": self.atoms,
            "reference_energy_eV": self.reference,
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``vacancy.json``, ``steps.csv``, ``vacancy.extxyz`` and ``vacancy.png``."""
        out = Path(folder)
        write_structure(out / "vacancy.extxyz", self.relaxation.crystal)
        write_rows(out / "steps.csv", self.relaxation.steps)
        save_figure(self.plot(), out / "vacancy.png")
        write_json(out / "vacancy.json", self.as_object())

    @in_style
    def plot(self) -> Figure:
        """Draw energy and largest force while the atoms relax."""
        figure = self.relaxation.plot()
        figure.axes[0].set_title(
            f"{subscripts(self.perfect.formula)} without one {self.symbol}: {self.energy:.3f} eV "
            f"({self.unrelaxed_energy:.3f} eV unrelaxed)"
        )
        return figure


def vacancy_energy(
    structure: Any,
    force_field: Any,
    *,
    site: int = 0,
    smallest: float = 10.0,
    reference: float | None = None,
    relax_first: bool = True,
    force_tolerance: float = 1e-3,
    max_steps: int = 500,
    progress: bool = False,
) -> VacancyResult:
    """Take an atom out of a supercell and relax the others at fixed cell.

    E_f = E(N - 1 atoms) + mu - E(N atoms), with mu the energy of the atom that was taken out.

    Parameters
    ----------
    structure
        Unit cell of the crystal, periodic in three directions.
    force_field
        A force field or an ASE calculator.
    site
        Atom of the unit cell that is taken out, counted from 0.
    smallest
        Smallest distance in Å between the planes of the supercell, and so of a vacancy from its
        images.
    reference
        Energy mu in eV of the atom in its reservoir; for a crystal of one element the energy of
        each of its atoms, if left out.
    relax_first
        Whether cell and atoms are relaxed before.
    force_tolerance, max_steps
        As for :func:`~madelung.relax`.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    ForceFieldError
        If the crystal has several elements and no reference is given, or the site or the
        structure cannot be used.
    """
    unit = prepare_atoms(structure, force_field)
    if not unit.pbc.all():
        raise ForceFieldError("a vacancy needs a structure periodic in three directions")
    if not 0 <= site < len(unit):
        raise ForceFieldError(f"there is no site {site}; the cell has sites 0 to {len(unit) - 1}")
    if reference is None and len(set(unit.numbers)) > 1:
        raise ForceFieldError(
            f"{unit.get_chemical_formula()}: give the energy of a {unit[site].symbol} atom in its "
            "reservoir; it is only known for a crystal of one element"
        )
    options: dict[str, Any] = {"force_tolerance": force_tolerance, "max_steps": max_steps}
    if relax_first:
        rest = relax(unit, unit.calc, cell=True, **options)
        unit.set_cell(rest.crystal.cell)
        unit.set_positions(rest.crystal.positions)
    heights = unit.get_volume() / np.linalg.norm(
        np.cross(np.roll(unit.cell.array, -1, axis=0), np.roll(unit.cell.array, -2, axis=0)), axis=1
    )
    whole = unit.repeat([int(count) for count in np.ceil(smallest / heights)])
    whole.calc = unit.calc
    perfect_energy = float(whole.get_potential_energy())
    mu = perfect_energy / len(whole) if reference is None else reference
    perfect = crystal_of(whole)
    symbol = whole[site].symbol
    del whole[site]
    whole.calc = unit.calc
    unrelaxed = float(whole.get_potential_energy())
    relaxation = relax(whole, unit.calc, progress=progress, **options)
    return VacancyResult(
        energy=relaxation.energy + mu - perfect_energy,
        unrelaxed_energy=unrelaxed + mu - perfect_energy,
        symbol=symbol,
        site=site,
        atoms=len(perfect),
        reference=mu,
        relaxation=relaxation,
        perfect=perfect,
    )
