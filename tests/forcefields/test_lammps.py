"""Force fields in LAMMPS; where it is not installed, what LAMMPS said once, and a double of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase.stress import full_3x3_to_voigt_6_stress
from lammps_machine import needs_lammps
from lammps_neural_results import (
    ELEMENTS,
    RESULTS,
    force_field,
    machine_of,
    run_lammps,
    structures,
)

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import Evaluation
from madelung.forcefields.lammps import acting_in_lammps
from madelung.forcefields.neural.potential import NeuralForceField

LOW = np.array([-1.0, 2.0, 3.0])
"""Lower corner of the box of the double, in Å."""


class DoubleOfLammps:
    """What LAMMPS's Python object gives and takes, for one structure."""

    def __init__(self, crystal: Crystal, **settings: Any) -> None:
        self.crystal = crystal
        self.settings = {"world_size": 1, "ntypes": 2, "units": "metal"} | settings
        self.commands: list[str] = []
        self.energy, self.energies, self.virial = 0.0, [0.0], [0.0]
        self.stopped = False
        types = np.array([ELEMENTS.index(symbol) + 1 for symbol in crystal.symbols])
        self.numpy = SimpleNamespace(extract_atom={"type": types}.__getitem__)

    def extract_setting(self, name: str) -> Any:
        return self.settings[name]

    extract_global = extract_setting

    def extract_box(self) -> tuple[Any, ...]:
        cell = self.crystal.cell
        tilts = cell[1, 0], cell[2, 1], cell[2, 0]
        periodic = self.crystal.pbc.astype(int).tolist()
        return LOW.tolist(), (LOW + np.diag(cell)).tolist(), *tilts, periodic, 0

    def command(self, text: str) -> None:
        self.commands.append(text)

    def force_timeout(self) -> None:
        self.stopped = True

    def set_fix_external_callback(self, name: str, callback: Callable[..., None]) -> None:
        self.callback = callback

    def fix_external_set_energy_global(self, name: str, energy: float) -> None:
        self.energy = energy

    def fix_external_set_energy_peratom(self, name: str, energies: list[float]) -> None:
        self.energies = energies

    def fix_external_set_virial_global(self, name: str, virial: list[float]) -> None:
        self.virial = virial

    def step(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        positions = self.crystal.positions + LOW
        forces = np.zeros_like(positions)
        self.callback(None, 7, len(forces), np.arange(len(forces)) + 1, positions, forces)
        return forces


@pytest.mark.parametrize("name", ["crystal", "slab"])
def test_lammps_is_given_what_it_once_said(name: str) -> None:
    expected, crystal = json.loads(RESULTS.read_text())[name], structures()[name]
    machine = DoubleOfLammps(crystal)
    with acting_in_lammps(machine, force_field(long_range=False), ELEMENTS):
        forces = machine.step()
    assert machine.energy == pytest.approx(expected["energy"], rel=1e-9)
    np.testing.assert_allclose(machine.energies, expected["energies"], rtol=1e-9)
    np.testing.assert_allclose(forces, expected["forces"], atol=1e-9)
    volume = abs(np.linalg.det(crystal.cell))
    # xx, yy, zz, xy, xz, yz of virials with the sign of a pressure.
    stress = -np.array(machine.virial)[[0, 1, 2, 5, 4, 3]] / volume
    np.testing.assert_allclose(stress, expected["stress"], rtol=1e-6, atol=1e-10)
    assert machine.commands[0].startswith("fix madelung all external")
    assert machine.commands[-1] == "unfix madelung"


@needs_lammps
@pytest.mark.parametrize("long_range", [False, True])
def test_lammps_has_the_energies_forces_and_stress(long_range: bool) -> None:
    acting = force_field(long_range=long_range)
    for name, crystal in structures().items():
        if long_range and name == "slab":
            continue
        found, expected = run_lammps(crystal, acting), acting.evaluate(crystal)
        assert found["energy"] == pytest.approx(expected.energy, rel=1e-12)
        np.testing.assert_allclose(found["energies"], expected.energies, rtol=1e-10)
        np.testing.assert_allclose(found["forces"], expected.forces, atol=1e-10)
        stress = full_3x3_to_voigt_6_stress(expected.virial) / abs(np.linalg.det(crystal.cell))
        np.testing.assert_allclose(found["stress"], stress, rtol=1e-6, atol=1e-10)


@pytest.mark.slow
@needs_lammps
def test_lammps_conserves_the_energy() -> None:
    machine = machine_of(structures()["crystal"])
    machine.commands_string(
        "velocity all create 3000 5\nfix move all nve\ntimestep 0.0002\n"
        "neigh_modify every 1 check no\nthermo_style custom step etotal ke"
    )
    energies = []
    with acting_in_lammps(machine, force_field(long_range=False), ELEMENTS):
        for _ in range(10):
            machine.command("run 10")
            energies.append(machine.get_thermo("etotal"))
        kinetic = machine.get_thermo("ke")
    assert np.ptp(energies) < 1e-3 * kinetic
    machine.close()


class FailingForceField(NeuralForceField):
    """One that fails at its fourth evaluation."""

    count = 0
    problem: BaseException = ForceFieldError("atoms coincide")

    def evaluate(self, structure: Any) -> Evaluation:
        self.count += 1
        if self.count > 3:
            raise self.problem
        return super().evaluate(structure)


@needs_lammps
@pytest.mark.parametrize("problem", [ForceFieldError("atoms coincide"), KeyboardInterrupt()])
@pytest.mark.parametrize("command", ["run 50", "minimize 0 0 50 100"])
def test_a_failure_stops_lammps_and_is_raised(problem: BaseException, command: str) -> None:
    acting = FailingForceField(force_field(long_range=False).models)
    acting.problem = problem
    machine = machine_of(structures()["crystal"])
    machine.command("fix move all nve")
    with (
        pytest.raises(type(problem)) as found,
        acting_in_lammps(machine, acting, ELEMENTS),
    ):
        machine.command(command)
    assert found.value is problem
    assert machine.extract_global("ntimestep") <= 13
    assert acting.count == 4
    machine.close()


def test_after_a_failure_forces_are_no_numbers() -> None:
    machine = DoubleOfLammps(structures()["crystal"])
    acting = FailingForceField(force_field(long_range=False).models)
    acting.count = 3
    with (
        pytest.raises(ForceFieldError, match="atoms coincide") as found,
        acting_in_lammps(machine, acting, ELEMENTS),
    ):
        assert np.isnan(machine.step()).all()
        assert machine.stopped
        assert np.isnan(machine.step()).all()
    assert found.value.__notes__ == ["This was at step 7 of LAMMPS."]
    assert acting.count == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "elements", "message"),
    [
        ({"world_size": 2}, ELEMENTS, "2 processes"),
        ({"units": "real"}, ELEMENTS, "units metal"),
        ({}, ("Na",), "2 types of atoms"),
        ({}, ("Na", "K"), "not for K"),
    ],
)
def test_what_it_cannot_do_is_said(
    settings: dict[str, Any], elements: tuple[str, ...], message: str
) -> None:
    machine = DoubleOfLammps(structures()["crystal"], **settings)
    acting = force_field(long_range=False)
    with (
        pytest.raises(ForceFieldError, match=message),
        acting_in_lammps(machine, acting, elements),
    ):
        pass
    assert not machine.commands
