"""ASE's integrators of molecular dynamics, and the state they carry from step to step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.units import GIGAPASCAL

__all__ = ["DynamicsSettings", "integrator", "integrator_state", "restore_integrator"]

ENSEMBLES = ("nve", "nvt", "npt")
THERMOSTATS = ("langevin", "nose-hoover")


@dataclass(frozen=True)
class DynamicsSettings:
    """How atoms move; a run that goes on must have the settings that it began with.

    Parameters
    ----------
    ensemble
        ``"nve"`` (velocity Verlet), ``"nvt"``, or ``"npt"`` (isotropic, Martyna-Tobias-Klein).
    thermostat
        Of ``"nvt"``: ``"langevin"`` or ``"nose-hoover"`` (a chain of three).
    temperature
        In K; of the thermostat, and of the first velocities where the structure has none.
    pressure
        In GPa, of ``"npt"``.
    time_step
        In fs.
    friction
        In 1/fs, of the Langevin thermostat.
    thermostat_time, barostat_time
        Characteristic times of the Nosé-Hoover chain and of the barostat, in fs.
    seed
        Of velocities and random forces.
    log_every, trajectory_every, checkpoint_every
        Steps between lines of the log, frames of the trajectory, and checkpoints; a trajectory
        every 0 steps is none.
    """

    ensemble: str = "nve"
    thermostat: str = "langevin"
    temperature: float = 300.0
    pressure: float = 0.0
    time_step: float = 1.0
    friction: float = 0.01
    thermostat_time: float = 100.0
    barostat_time: float = 1000.0
    seed: int = 0
    log_every: int = 10
    trajectory_every: int = 100
    checkpoint_every: int = 1000

    def __post_init__(self) -> None:
        """Refuse settings that make no sense.

        Raises
        ------
        ForceFieldError
            With the setting and what it may be.
        """
        if self.ensemble not in ENSEMBLES:
            raise ForceFieldError(f"unknown ensemble {self.ensemble!r}; choose one of {ENSEMBLES}")
        if self.thermostat not in THERMOSTATS:
            raise ForceFieldError(
                f"unknown thermostat {self.thermostat!r}; choose one of {THERMOSTATS}"
            )
        positive = ("time_step", "friction", "thermostat_time", "barostat_time")
        counts = ("log_every", "checkpoint_every")
        for name in positive + counts:
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ForceFieldError(f"{name} must be positive, not {getattr(self, name)}")
        if not (np.isfinite(self.temperature) and self.temperature >= 0.0):
            raise ForceFieldError(f"the temperature must not be negative, not {self.temperature}")
        if self.temperature == 0.0 and self.ensemble != "nve":
            raise ForceFieldError("a thermostat needs a temperature above zero")
        if self.trajectory_every < 0:
            raise ForceFieldError("trajectory_every must not be negative")

    def as_object(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def integrator(atoms: Any, settings: DynamicsSettings, generator: np.random.Generator) -> Any:
    """Return ASE's integrator of an ensemble.

    Raises
    ------
    ForceFieldError
        If the structure has no volume that a barostat could change, or atoms are fixed that the
        thermostat would count as free.
    """
    from ase import units

    _require_counted(atoms)
    step = settings.time_step * units.fs
    if settings.ensemble == "nve":
        from ase.md.verlet import VelocityVerlet

        return VelocityVerlet(atoms, step)
    damping = settings.thermostat_time * units.fs
    chained = settings.ensemble == "npt" or settings.thermostat == "nose-hoover"
    if chained and atoms.constraints:
        raise ForceFieldError(
            "Nosé and Hoover's thermostat counts every atom as free, and some are fixed; take "
            "constant volume with Langevin's thermostat"
        )
    if settings.ensemble == "npt":
        from ase.md.nose_hoover_chain import IsotropicMTKNPT

        if not atoms.pbc.all():
            raise ForceFieldError("constant pressure needs a structure periodic in 3 directions")
        return IsotropicMTKNPT(
            atoms,
            step,
            temperature_K=settings.temperature,
            pressure_au=settings.pressure * GIGAPASCAL,
            tdamp=damping,
            pdamp=settings.barostat_time * units.fs,
        )
    if settings.thermostat == "nose-hoover":
        from ase.md.nose_hoover_chain import NoseHooverChainNVT

        return NoseHooverChainNVT(atoms, step, settings.temperature, damping)
    from ase.md.langevin import Langevin

    return Langevin(
        atoms,
        step,
        temperature_K=settings.temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=generator,
    )


def _require_counted(atoms: Any) -> None:
    """Refuse constraints of which it is not known how many ways to move they take."""
    for constraint in atoms.constraints:
        try:
            constraint.get_removed_dof(atoms)
        except NotImplementedError:
            raise ForceFieldError(
                f"the degrees of freedom that {type(constraint).__name__} takes are not known, so "
                "that there is no temperature; take FixAtoms or FixCartesian, or no constraint"
            ) from None


def integrator_state(dynamics: Any) -> dict[str, Any]:
    """Return all numbers and arrays that an integrator and its thermostats hold.

    Which of them change from step to step is ASE's own affair; all are kept.
    """
    return {
        f"{part}.{name}": np.array(value)
        for part, holder in _holders(dynamics)
        for name, value in vars(holder).items()
        if isinstance(value, int | float | np.ndarray | np.number) and not isinstance(value, bool)
    }


def restore_integrator(dynamics: Any, state: dict[str, Any]) -> None:
    """Give an integrator the numbers and arrays of :func:`integrator_state`."""
    for part, holder in _holders(dynamics):
        for name, value in vars(holder).items():
            key = f"{part}.{name}"
            if key not in state:
                continue
            found = state[key]
            if isinstance(value, np.ndarray):
                setattr(holder, name, np.array(found))
            else:
                setattr(holder, name, type(value)(found.item()))


def _holders(dynamics: Any) -> list[tuple[str, Any]]:
    """The integrator, and the thermostats and barostats that it has."""
    parts = [
        (name, value)
        for name, value in vars(dynamics).items()
        if type(value).__module__.startswith("ase.md.")
    ]
    return [("integrator", dynamics), *parts]
