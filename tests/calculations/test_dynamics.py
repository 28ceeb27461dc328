"""Molecular dynamics: stopped and resumed runs, conserved energies, temperatures."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms, FixCartesian
from force_fields import SmoothPairs

from madelung.calculations.dynamics import DynamicsSettings, run_dynamics
from madelung.calculations.integrators import integrator, integrator_state
from madelung.calculations.preparation import calculator_of
from madelung.common.errors import ForceFieldError
from madelung.common.units import BOLTZMANN_CONSTANT
from madelung.crystals.crystal import Crystal
from madelung.forcefields.interface import Evaluation

FORCE_FIELD = SmoothPairs(numbers=(18,), epsilon=0.0104, sigma=3.4, onset=6.0, end=8.0)
SETTINGS = DynamicsSettings(
    temperature=40.0, time_step=2.0, log_every=5, trajectory_every=20, checkpoint_every=37
)
ENSEMBLES = [
    SETTINGS,
    replace(SETTINGS, ensemble="nvt"),
    replace(SETTINGS, ensemble="nvt", thermostat="nose-hoover"),
    replace(SETTINGS, ensemble="npt", pressure=0.05),
]
NAMES = ["nve", "langevin", "nose-hoover", "npt"]


def argon(repeat: int = 1) -> Atoms:
    return bulk("Ar", "fcc", a=5.3, cubic=True) * (repeat, repeat, repeat)


@dataclass(frozen=True)
class Interrupted(SmoothPairs):
    """Does something when it is asked a number of times."""

    calls: tuple[int, ...] = ()

    def _evaluate(self, crystal: Crystal) -> Evaluation:
        counter.append(1)
        if len(counter) == 90:
            self.happen()
        return super()._evaluate(crystal)

    def happen(self) -> None:
        raise NotImplementedError


counter: list[int] = []


@dataclass(frozen=True)
class Failing(Interrupted):
    def happen(self) -> None:
        raise ForceFieldError("out of range")


@dataclass(frozen=True)
class Signalled(Interrupted):
    def happen(self) -> None:
        signal.raise_signal(signal.SIGINT)


def same_kind(kind: type[Interrupted]) -> Interrupted:
    counter.clear()
    return kind(numbers=(18,), epsilon=0.0104, sigma=3.4, onset=6.0, end=8.0)


def assert_same_folders(one: Path, other: Path) -> None:
    for name in ("log.csv", "trajectory.extxyz"):
        assert (one / name).read_text() == (other / name).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("settings", ENSEMBLES, ids=NAMES)
def test_a_resumed_run_is_the_same_bit_for_bit(settings: DynamicsSettings, tmp_path: Path) -> None:
    whole = run_dynamics(argon(), FORCE_FIELD, tmp_path / "a", steps=120, settings=settings)
    part = run_dynamics(argon(), FORCE_FIELD, tmp_path / "b", steps=63, settings=settings)
    assert part.steps == 63 and part.finished
    result = run_dynamics(
        argon(), FORCE_FIELD, tmp_path / "b", steps=120, settings=settings, resume=True
    )
    np.testing.assert_array_equal(result.crystal.positions, whole.crystal.positions)
    np.testing.assert_array_equal(result.crystal.cell, whole.crystal.cell)
    assert_same_folders(tmp_path / "a", tmp_path / "b")
    assert result.drift == whole.drift or settings.thermostat == "langevin"
    assert len(ase.io.read(tmp_path / "b" / "trajectory.extxyz", ":")) == 7


@pytest.mark.slow
@pytest.mark.parametrize("settings", ENSEMBLES, ids=NAMES)
def test_a_run_that_failed_goes_on_from_its_last_checkpoint(
    settings: DynamicsSettings, tmp_path: Path
) -> None:
    run_dynamics(argon(), FORCE_FIELD, tmp_path / "a", steps=100, settings=settings)
    with pytest.raises(ForceFieldError, match="out of range"):
        run_dynamics(argon(), same_kind(Failing), tmp_path / "b", steps=100, settings=settings)
    result = run_dynamics(
        argon(), FORCE_FIELD, tmp_path / "b", steps=100, settings=settings, resume=True
    )
    assert result.finished
    assert_same_folders(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("left", [[], ["log.csv"], ["log.csv", "trajectory.extxyz"]])
def test_a_run_that_left_no_checkpoint_begins_anew(left: list[str], tmp_path: Path) -> None:
    run_dynamics(argon(), FORCE_FIELD, tmp_path / "a", steps=20, settings=SETTINGS)
    (tmp_path / "b").mkdir()
    for name in left:
        whole = (tmp_path / "a" / name).read_text()
        (tmp_path / "b" / name).write_text(whole[: len(whole) // 2])
    result = run_dynamics(
        argon(), FORCE_FIELD, tmp_path / "b", steps=20, settings=SETTINGS, resume=True
    )
    assert result.finished and result.steps == 20
    assert_same_folders(tmp_path / "a", tmp_path / "b")


def test_a_signal_ends_the_run_at_a_step(tmp_path: Path) -> None:
    run_dynamics(argon(), FORCE_FIELD, tmp_path / "a", steps=100, settings=SETTINGS)
    stopped = run_dynamics(
        argon(), same_kind(Signalled), tmp_path / "b", steps=100, settings=SETTINGS
    )
    assert not stopped.finished and 80 < stopped.steps < 95
    run_dynamics(argon(), FORCE_FIELD, tmp_path / "b", steps=100, settings=SETTINGS, resume=True)
    assert_same_folders(tmp_path / "a", tmp_path / "b")


@pytest.mark.slow
def test_energy_is_conserved_to_second_order(tmp_path: Path) -> None:
    spreads = []
    for step in (4.0, 2.0):
        settings = replace(SETTINGS, time_step=step, log_every=1, trajectory_every=0)
        folder = tmp_path / str(step)
        result = run_dynamics(
            argon(), FORCE_FIELD, folder, steps=int(800 / step), settings=settings
        )
        spreads.append(np.std(result.column("conserved_eV")))
        assert abs(result.drift) < 0.05
    assert spreads[0] / spreads[1] == pytest.approx(4.0, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ENSEMBLES[1:], ids=NAMES[1:])
def test_thermostats_reach_their_temperature(settings: DynamicsSettings, tmp_path: Path) -> None:
    """96 degrees of freedom, and ten independent times or more."""
    short = replace(FORCE_FIELD, onset=4.2, end=5.2)
    faster = replace(settings, friction=0.1, thermostat_time=50.0, trajectory_every=0, time_step=5)
    result = run_dynamics(argon(2), short, tmp_path, steps=500, settings=faster)
    assert result.mean_temperature == pytest.approx(40.0, rel=0.25)
    if settings.ensemble == "npt":
        assert np.mean(result.column("pressure_GPa")[50:]) == pytest.approx(0.05, abs=0.05)
    if settings.thermostat == "nose-hoover":
        assert abs(result.drift) < 0.5


@pytest.mark.parametrize(
    ("constraint", "freedom"),
    [(None, 9), (FixAtoms([0]), 9), (FixCartesian([0, 1], (True, True, False)), 7)],
    ids=["free", "atom", "coordinates"],
)
def test_the_chain_counts_what_can_move(tmp_path: Path, constraint: Any, freedom: int) -> None:
    """The mean of the sum of p²/m is kT for each way to move: else the chain does not rest.

    (M. E. Tuckerman, Statistical Mechanics, 2010, section 4.10: three ways less where the whole
    is at rest.)
    """
    atoms = argon()
    atoms.set_constraint(constraint)
    settings = replace(
        SETTINGS, ensemble="nvt", thermostat="nose-hoover", thermostat_time=50.0, log_every=1,
        trajectory_every=0, time_step=5.0, checkpoint_every=10_000,
    )  # fmt: skip
    short = replace(FORCE_FIELD, onset=4.2, end=5.2)
    result = run_dynamics(atoms, short, tmp_path, steps=800, settings=settings)
    mean = 2.0 * result.column("kinetic_eV").mean() / (BOLTZMANN_CONSTANT * 40.0)
    assert mean == pytest.approx(freedom, rel=0.04)
    assert result.column("temperature_K").mean() == pytest.approx(40.0, rel=0.04)


def test_a_barostat_counts_what_can_move() -> None:
    settings = ENSEMBLES[3]
    atoms = argon()
    atoms.calc = calculator_of(FORCE_FIELD)
    dynamics = integrator(atoms, settings, np.random.default_rng(0))
    assert integrator_state(dynamics)["_thermostat._num_atoms_global"] == 3.0
    assert integrator_state(dynamics)["integrator._num_atoms_global"] == 3.0


@pytest.mark.slow
@pytest.mark.pictures
def test_velocities_masses_and_results(tmp_path: Path) -> None:
    atoms = argon()
    atoms.set_masses([40.0, 36.0, 40.0, 38.0])
    atoms.set_momenta(np.random.default_rng(1).normal(size=(4, 3)))
    kinetic = atoms.get_kinetic_energy()
    result = run_dynamics(atoms, FORCE_FIELD, tmp_path, steps=40, settings=SETTINGS)
    assert result.log[0]["kinetic_eV"] == kinetic
    result.save(tmp_path)
    written = json.loads((tmp_path / "md.json").read_text())
    assert written["steps"] == 40 and written["settings"]["ensemble"] == "nve"
    assert (tmp_path / "md.png").exists() and (tmp_path / "final.extxyz").exists()
    frame = ase.io.read(tmp_path / "trajectory.extxyz", -1)
    np.testing.assert_allclose(frame.positions, result.crystal.positions, atol=1e-7)
    # float() as the log writes it gives back every bit.
    assert result.log[-1]["potential_eV"] == pytest.approx(frame.get_potential_energy(), abs=1e-7)


def test_a_molecule_moves(tmp_path: Path) -> None:
    cluster = Atoms("Ar3", [[0, 0, 0], [3.8, 0, 0], [0, 3.8, 0]])
    result = run_dynamics(cluster, FORCE_FIELD, tmp_path, steps=10, settings=SETTINGS)
    assert np.isnan(result.column("pressure_GPa")).all()
    with pytest.raises(ForceFieldError, match="periodic in 3"):
        run_dynamics(cluster, FORCE_FIELD, tmp_path / "b", steps=1, settings=ENSEMBLES[3])


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    run_dynamics(argon(), FORCE_FIELD, tmp_path, steps=5, settings=SETTINGS)
    with pytest.raises(ForceFieldError, match="holds a run already"):
        run_dynamics(argon(), FORCE_FIELD, tmp_path, steps=9, settings=SETTINGS)
    other = replace(SETTINGS, time_step=1.0)
    with pytest.raises(ForceFieldError, match=r"time_step was 2\.0 and is 1\.0"):
        run_dynamics(argon(), FORCE_FIELD, tmp_path, steps=9, settings=other, resume=True)
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(ForceFieldError, match="shorter than"):
        run_dynamics(argon(), FORCE_FIELD, tmp_path, steps=9, settings=SETTINGS, resume=True)
    (tmp_path / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(ForceFieldError, match="no checkpoint"):
        run_dynamics(argon(), FORCE_FIELD, tmp_path, steps=9, settings=SETTINGS, resume=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ensemble": "nph"},
        {"thermostat": "x"},
        {"time_step": 0.0},
        {"temperature": -1.0},
        {"temperature": 0.0, "ensemble": "nvt"},
        {"trajectory_every": -1},
        {"log_every": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ForceFieldError):
        DynamicsSettings(**wrong)  # type: ignore[arg-type]


def test_a_checkpoint_cannot_name_other_files(tmp_path: Path) -> None:

    from madelung.calculations.checkpoints import read_dynamics_checkpoint

    other = tmp_path / "precious"
    other.write_text("precious")
    head = {"version": 1, "step": 1, "settings": {}, "generator": {}}
    for lengths in (
        {str(other): 0},
        {"../precious": 0},
        {"..": 0},
        {"log.csv": -1},
        {"log.csv": 1.5},
    ):
        path = tmp_path / "checkpoint.npz"
        with path.open("wb") as stream:
            np.savez(stream, head=np.array(json.dumps({**head, "lengths": lengths})))
        with pytest.raises(ForceFieldError, match="no checkpoint that can be read"):
            read_dynamics_checkpoint(path)
    assert other.read_text() == "precious"
