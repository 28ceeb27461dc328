"""ASE's integrators of molecular dynamics, and the state they carry from step to step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from madelung.common.errors import ForceFieldError
from madelung.common.units import GIGAPASCAL

__all__ = [
    "DynamicsSettings",
    "degrees_of_freedom",
    "integrator",
    "integrator_state",
    "restore_integrator",
]

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
        if self.pressure != 0.0 and self.ensemble != "npt":
            raise ForceFieldError("a pressure acts on the cell, which npt alone changes")
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
        If the structure has no volume that a barostat could change, or constraints are there that
        the equations of motion do not keep.
    """
    from ase import units

    _require_counted(atoms)
    step = settings.time_step * units.fs
    if settings.ensemble == "nve":
        from ase.md.verlet import VelocityVerlet

        return VelocityVerlet(atoms, step)
    damping = settings.thermostat_time * units.fs
    if settings.ensemble == "npt":
        return _barostat(atoms, step, settings, damping)
    if settings.thermostat == "nose-hoover":
        _require_coordinates(atoms)
        dynamics = _chain()(atoms, step, settings.temperature, damping)
        return _counting(dynamics, degrees_of_freedom(atoms, settings), damping)
    from ase.md.langevin import Langevin

    return Langevin(
        atoms,
        step,
        temperature_K=settings.temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=generator,
    )


def _barostat(atoms: Any, step: float, settings: DynamicsSettings, damping: float) -> Any:
    """Martyna, Tobias and Klein's isotropic barostat."""
    from ase import units
    from ase.md.nose_hoover_chain import IsotropicMTKNPT

    if not atoms.pbc.all():
        raise ForceFieldError("constant pressure needs a structure periodic in 3 directions")
    if atoms.constraints:
        raise ForceFieldError(
            "constant pressure moves every atom with the cell, and some are fixed; take "
            "constant volume (nvt)"
        )
    dynamics = IsotropicMTKNPT(
        atoms,
        step,
        temperature_K=settings.temperature,
        pressure_au=settings.pressure * GIGAPASCAL,
        tdamp=damping,
        pdamp=settings.barostat_time * units.fs,
    )
    return _counting(dynamics, degrees_of_freedom(atoms, settings), damping)


def degrees_of_freedom(atoms: Any, settings: DynamicsSettings) -> int:
    """Return the number of ways to move that have kT/2 each.

    Those that constraints take do not count; nor does, along each axis in which nothing is fixed,
    that of the whole if it is at rest, since forces do not move it. (Langevin's forces do.)

    Parameters
    ----------
    atoms
        ASE ``Atoms`` with their momenta.
    settings
        Ensemble and thermostat.
    """
    count = int(atoms.get_number_of_degrees_of_freedom())
    if settings.ensemble == "nvt" and settings.thermostat == "langevin":
        return count
    momenta = atoms.get_momenta()
    resting = np.abs(momenta.sum(axis=0)) <= 1e-8 * np.abs(momenta).sum()
    for constraint in atoms.constraints:
        # FixCartesian masks the axes that it fixes; others may hold the whole along any.
        masked = type(constraint).__name__ == "FixCartesian"
        resting &= ~np.asarray(constraint.mask if masked else True, dtype=bool)
    return max(count - int(resting.sum()), 1)


def _chain() -> Any:
    """ASE's chain, in which fixed atoms gather no momentum that the thermostat would see."""
    from ase.md.nose_hoover_chain import NoseHooverChainNVT

    class FixingChain(NoseHooverChainNVT):
        def _get_forces(self) -> Any:
            self._update_atoms()
            return self.atoms.get_forces()

    return FixingChain


def _counting(dynamics: Any, freedom: int, damping: float) -> Any:
    """Let Nosé and Hoover's chain, and the barostat, count degrees of freedom for what they are.

    ASE takes three for each of N atoms; N is what its equations hold, here a third of the number.
    """
    thermostat = dynamics._thermostat
    thermostat._num_atoms_global = freedom / 3.0
    thermostat._Q[0] = freedom * thermostat._kT * damping**2
    if hasattr(dynamics, "_num_atoms_global"):
        dynamics._num_atoms_global = freedom / 3.0
    return dynamics


def _require_coordinates(atoms: Any) -> None:
    """Refuse constraints other than fixed coordinates: the chain would not keep them."""
    for constraint in atoms.constraints:
        name = type(constraint).__name__
        if name not in ("FixAtoms", "FixCartesian"):
            raise ForceFieldError(
                f"Nosé and Hoover's thermostat does not keep {name}; take Langevin's"
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
