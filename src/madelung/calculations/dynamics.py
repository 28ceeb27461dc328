"""Molecular dynamics that can be stopped and goes on as if it had not been."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from madelung.calculations.checkpoints import (
    Checkpoint,
    arrays_of,
    read_dynamics_checkpoint,
    write_dynamics_checkpoint,
)
from madelung.calculations.integrators import (
    DynamicsSettings,
    degrees_of_freedom,
    integrator,
    integrator_state,
    restore_integrator,
)
from madelung.calculations.preparation import calculator_of, crystal_of, prepare_atoms
from madelung.calculations.writing import write_structure
from madelung.common.errors import ForceFieldError
from madelung.common.figures import (
    BLUE,
    GREY,
    ORANGE,
    in_style,
    new_figure,
    save_figure,
    subscripts,
)
from madelung.common.interruption import Interruption
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import require_replaceable, whole_file, write_json
from madelung.common.progress import watched
from madelung.common.resuming import require_same_job
from madelung.common.units import BOLTZMANN_CONSTANT, GIGAPASCAL, MILLIELECTRONVOLTS
from madelung.crystals.crystal import Crystal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DynamicsResult", "DynamicsSettings", "run_dynamics"]

CHECKPOINT, LOG, TRAJECTORY = "checkpoint.npz", "log.csv", "trajectory.extxyz"
_COLUMNS = (
    "step", "time_fs", "potential_eV", "kinetic_eV", "conserved_eV", "temperature_K",
    "volume_A3", "pressure_GPa",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DynamicsResult:
    """A run of molecular dynamics.

    Parameters
    ----------
    crystal
        The structure at the end.
    steps
        Steps done, those before an interruption included.
    finished
        Whether all steps that were asked for are done.
    log
        Lines of the log: ``step``, ``time_fs``, ``potential_eV``, ``kinetic_eV``,
        ``conserved_eV`` (what the equations of motion conserve; NaN for the Langevin thermostat,
        where nothing is), ``temperature_K``, ``volume_A3`` (NaN without a cell) and
        ``pressure_GPa`` (with the ideal gas's part).
    settings
        Settings of the run.
    """

    crystal: Crystal
    steps: int
    finished: bool
    log: Sequence[Mapping[str, float]]
    settings: DynamicsSettings

    def column(self, name: str) -> Any:
        """Return a column of the log as an array."""
        return np.array([row[name] for row in self.log], dtype=np.float64)

    @property
    def drift(self) -> float:
        """Slope of the conserved energy over time in meV/atom/ps; NaN where nothing is."""
        energies, times = self.column("conserved_eV"), self.column("time_fs")
        if len(times) < 2 or np.isnan(energies).any():
            return float("nan")
        slope = np.polyfit(times - times.mean(), energies - energies[0], 1)[0]
        return float(slope * 1e6 / len(self.crystal))

    @property
    def mean_temperature(self) -> float:
        """Mean temperature of the second half of the log, in K."""
        return float(self.column("temperature_K")[len(self.log) // 2 :].mean())

    def as_object(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "job": "md",
            "formula": self.crystal.formula,
            "finished": self.finished,
            "steps": self.steps,
            "time_ps": self.steps * self.settings.time_step * 1e-3,
            "energy_drift_meV_per_atom_per_ps": self.drift,
            "mean_temperature_K_of_second_half": self.mean_temperature,
            "settings": self.settings.as_object(),
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``md.json``, ``md.png`` and ``final.extxyz`` beside the log and the trajectory."""
        out = Path(folder)
        write_structure(out / "final.extxyz", self.crystal)
        save_figure(self.plot(), out / "md.png")
        write_json(out / "md.json", self.as_object())

    @in_style
    def plot(self) -> Figure:
        """Draw temperature and conserved (or else potential) energy over time."""
        figure = new_figure(5.0, 4.4)
        upper, lower = figure.subplots(2, 1, sharex=True)
        times = 1e-3 * self.column("time_fs")
        upper.plot(times, self.column("temperature_K"), color=BLUE)
        upper.set(ylabel="temperature (K)")
        upper.set_title(
            f"{subscripts(self.crystal.formula)}, {len(self.crystal)} atoms, "
            f"{self.settings.ensemble.upper()}"
        )
        if self.settings.ensemble != "nve":
            wanted = self.settings.temperature
            upper.axhline(wanted, color=GREY, linewidth=0.8, label=f"thermostat: {wanted:g} K")
            upper.legend()
        name = "potential" if np.isnan(self.column("conserved_eV")).any() else "conserved"
        energies = self.column(f"{name}_eV") / len(self.crystal)
        lower.plot(times, MILLIELECTRONVOLTS * (energies - energies[0]), color=ORANGE)
        lower.set(xlabel="time (ps)", ylabel=f"{name} energy\nabove the first (meV/atom)")
        return figure


@alone_in_folder
def run_dynamics(
    structure: Any,
    force_field: Any,
    folder: str | os.PathLike[str],
    *,
    steps: int,
    settings: DynamicsSettings | None = None,
    resume: bool = False,
    progress: bool = False,
) -> DynamicsResult:
    """Let the atoms of a structure move.

    Parameters
    ----------
    structure
        Whatever :func:`madelung.as_crystals` takes; ASE ``Atoms`` with momenta start with
        these, others with Maxwell and Boltzmann's at the temperature, at rest as a whole. Not
        looked at when a run goes on.
    force_field
        A force field or an ASE calculator. A run goes on bit for bit as if it had not been
        stopped if the same atoms always get the same forces.
    folder
        Where ``log.csv``, ``trajectory.extxyz`` and ``checkpoint.npz`` are written while it runs.
    steps
        Steps in all, those before an interruption included.
    settings
        Ensemble, temperature, time step and the like.
    resume
        Whether to go on from the folder's checkpoint, if there is one.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    DynamicsResult
        After SIGINT or SIGTERM it comes at the end of the present step, not finished, with a
        checkpoint in the folder.

    Raises
    ------
    ForceFieldError
        If the folder has a checkpoint and ``resume`` was not asked for, if the settings are not
        those of the checkpoint, or if the force field refuses the structure on its way.
    """
    chosen = DynamicsSettings() if settings is None else settings
    run = _Run(Path(folder), chosen)
    if run.checkpoint_path.exists():
        if not resume:
            raise ForceFieldError(
                f"{run.folder} holds a run already; let it go on (resume), or choose another folder"
            )
        run.go_on(force_field)
    else:
        run.start(prepare_atoms(structure, force_field))
    with Interruption() as interruption, watched("moving", show=progress) as advance:
        while run.step < steps and not interruption.requested:
            run.advance()
            advance(run.step, steps)
        run.keep()
    return DynamicsResult(
        crystal_of(run.atoms), run.step, run.step >= steps, tuple(run.read_log()), chosen
    )


def _cut(path: Path, length: int) -> None:
    """Take away what was written to a file after its run's checkpoint."""
    require_replaceable(path)
    if not path.exists() or path.stat().st_size < length:
        raise ForceFieldError(f"{path} is shorter than when the checkpoint was written")
    os.truncate(path, length)


class _Run:
    """A run and its files."""

    def __init__(self, folder: Path, settings: DynamicsSettings) -> None:
        self.folder, self.settings = folder, settings
        self.checkpoint_path = folder / CHECKPOINT
        self.generator = np.random.default_rng(settings.seed)
        self.step = 0
        self.atoms: Any = None
        self.dynamics: Any = None

    @cached_property
    def freedom(self) -> int:
        """Degrees of freedom, by which temperature is told."""
        return degrees_of_freedom(self.atoms, self.settings)

    def start(self, atoms: Any) -> None:
        """Begin with velocities of the temperature."""
        if not atoms.has("momenta"):
            atoms.set_momenta(_momenta(atoms, self.settings.temperature, self.generator))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.atoms = atoms
        self.dynamics = integrator(atoms, self.settings, self.generator)
        with whole_file(self.folder / LOG) as temporary:
            temporary.write_text(",".join(_COLUMNS) + "\n", encoding="utf-8")
        with whole_file(self.folder / TRAJECTORY):
            pass
        self.write()
        self.keep()

    def go_on(self, force_field: Any) -> None:
        """Take everything from the checkpoint."""
        checkpoint = read_dynamics_checkpoint(self.checkpoint_path)
        require_same_job(
            {"settings": checkpoint.settings},
            {"settings": self.settings.as_object()},
            self.folder,
            ForceFieldError,
            defaults=DynamicsSettings().as_object(),
        )
        try:
            self.generator.bit_generator.state = checkpoint.generator
            self.step = checkpoint.step
            self.atoms = checkpoint.atoms()
            self.atoms.calc = calculator_of(force_field)
            self.dynamics = integrator(self.atoms, self.settings, self.generator)
            restore_integrator(self.dynamics, checkpoint.integrator)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise ForceFieldError(
                f"{self.checkpoint_path}: no checkpoint that a run can go on from ({problem!r})"
            ) from None
        if set(checkpoint.lengths) != {LOG, TRAJECTORY}:
            named = ", ".join(sorted(checkpoint.lengths)) or "none"
            raise ForceFieldError(
                f"{self.checkpoint_path}: is of other files than a run's: {named}"
            )
        for name, length in checkpoint.lengths.items():
            _cut(self.folder / name, length)

    def advance(self) -> None:
        """Do one step, and write what is due."""
        self.dynamics.step()
        self.step += 1
        self.write()
        if self.step % self.settings.checkpoint_every == 0:
            self.keep()

    def write(self) -> None:
        """Write a line of the log and a frame of the trajectory if they are due."""
        if self.step % self.settings.log_every == 0:
            row = self._log_row()
            with (self.folder / LOG).open("a", encoding="utf-8") as stream:
                stream.write(",".join(repr(row[name]) for name in _COLUMNS) + "\n")
        every = self.settings.trajectory_every
        if every and self.step % every == 0:
            from ase.io.extxyz import write_xyz

            # What the calculator has to say of these atoms goes along with them.
            self.atoms.get_forces()
            self.atoms.info["step"] = self.step
            with (self.folder / TRAJECTORY).open("a", encoding="utf-8") as stream:
                write_xyz(stream, [self.atoms])

    def keep(self) -> None:
        """Write a checkpoint."""
        lengths = {name: (self.folder / name).stat().st_size for name in (LOG, TRAJECTORY)}
        write_dynamics_checkpoint(
            self.checkpoint_path,
            Checkpoint(
                self.step,
                self.settings.as_object(),
                dict(self.generator.bit_generator.state),
                lengths,
                arrays_of(self.atoms, integrator_state(self.dynamics)),
            ),
        )

    def read_log(self) -> list[dict[str, float]]:
        """Return the lines of the log so far."""
        with (self.folder / LOG).open(encoding="utf-8") as stream:
            return [
                {name: float(value) for name, value in row.items()}
                for row in csv.DictReader(stream)
            ]

    def _log_row(self) -> dict[str, float]:
        atoms, nan = self.atoms, float("nan")
        potential = float(atoms.get_potential_energy())
        kinetic = float(atoms.get_kinetic_energy())
        conserved = nan
        if self.settings.ensemble == "nve":
            conserved = potential + kinetic
        elif hasattr(self.dynamics, "get_conserved_energy"):
            conserved = float(self.dynamics.get_conserved_energy())
        periodic = bool(atoms.pbc.all())
        return {
            "step": self.step,
            "time_fs": self.step * self.settings.time_step,
            "potential_eV": potential,
            "kinetic_eV": kinetic,
            "conserved_eV": conserved,
            "temperature_K": 2.0 * kinetic / (BOLTZMANN_CONSTANT * self.freedom),
            "volume_A3": float(atoms.get_volume()) if periodic else nan,
            "pressure_GPa": _pressure(atoms) if periodic else nan,
        }


def _momenta(atoms: Any, temperature: float, generator: np.random.Generator) -> Any:
    """Maxwell and Boltzmann's momenta; those of the whole are taken away, mass by mass."""
    masses = atoms.get_masses()[:, None]
    spreads = np.sqrt(masses * BOLTZMANN_CONSTANT * temperature)
    momenta = generator.standard_normal((len(atoms), 3)) * spreads
    return momenta - masses * momenta.sum(axis=0) / masses.sum()


def _pressure(atoms: Any) -> float:
    stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
    return float(-np.trace(stress) / 3.0 / GIGAPASCAL)
