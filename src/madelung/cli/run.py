"""``madelung run``: what is done with a force field."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from madelung.cli import options
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text

if TYPE_CHECKING:
    from madelung.crystals.crystal import Crystal
    from madelung.forcefields.interface import ForceField

__all__ = ["app"]

_HELP = """
Relax a crystal, find its elastic constants or its equation of state, make a vacancy, let it move.

The force field is a file that Madelung or LAMMPS can read. Each job writes JSON, a table and a \
picture to a folder. Units: eV, Å, GPa, K, fs.

[bold]Examples[/bold]

  madelung run relax POSCAR --force-field argon.json --cell --out relaxed

  madelung run elastic relaxed/relaxed.extxyz --force-field argon.json --out elastic --json

  madelung run md POSCAR --force-field argon.json --ensemble nvt --temperature 40 --steps 2000 \
--out run
"""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    no_args_is_help=True,
    help=_HELP,
)

Structure = Annotated[
    str,
    typer.Argument(
        metavar="STRUCTURE", help="Crystal file or example:NAME; the last structure of a file."
    ),
]
ForceTolerance = Annotated[
    float, typer.Option(metavar="NUMBER", help="Largest force at rest, in eV/Å.")
]
MaxSteps = Annotated[int, typer.Option(min=1, help="Most steps of a relaxation.")]
ClampedAtoms = Annotated[
    bool, typer.Option("--clamped", help="Do not relax the atoms of strained crystals.")
]
Unrelaxed = Annotated[
    bool, typer.Option("--as-given", help="Do not relax cell and atoms before the job.")
]


class OptimiserName(StrEnum):
    """Optimisers that can be asked for."""

    bfgs = "bfgs"
    fire = "fire"


class EnsembleName(StrEnum):
    """Ensembles that can be asked for."""

    nve = "nve"
    nvt = "nvt"
    npt = "npt"


class ThermostatName(StrEnum):
    """Thermostats that can be asked for."""

    langevin = "langevin"
    nose_hoover = "nose-hoover"


class _Result(Protocol):
    def as_object(self) -> dict[str, Any]: ...

    def save(self, folder: Path) -> None: ...


@app.command()
@alone_in_folder
def relax(
    structure: Structure,
    force_field: options.ForceFieldPath,
    out: options.Out,
    cell: Annotated[bool, typer.Option("--cell", help="Relax the cell as well.")] = False,
    pressure: options.Pressure = 0.0,
    force_tolerance: ForceTolerance = 1e-3,
    max_steps: MaxSteps = 500,
    optimiser: Annotated[
        OptimiserName, typer.Option(help="FIRE is slower and survives bad starts.")
    ] = OptimiserName.bfgs,
    as_json: options.AsJson = False,
) -> None:
    """Move the atoms, and the cell if wanted, to the nearest minimum of the energy."""
    from madelung.calculations.relax import relax as job

    if pressure != 0.0 and not cell:
        raise typer.BadParameter(
            "a pressure acts on the cell; add --cell, or leave the pressure out",
            param_hint="--pressure",
        )
    crystal, field = _subjects(structure, force_field)
    result = job(
        _with_constraints(structure, crystal),
        field,
        cell=cell,
        pressure=pressure,
        force_tolerance=force_tolerance,
        max_steps=max_steps,
        optimiser=optimiser.value,
        progress=True,
    )
    _finish(result, out, as_json)


@app.command()
@alone_in_folder
def elastic(
    structure: Structure,
    force_field: options.ForceFieldPath,
    out: options.Out,
    strain: Annotated[
        float, typer.Option(metavar="NUMBER", help="Larger of both strains; the other is half.")
    ] = 2e-3,
    clamped: ClampedAtoms = False,
    as_given: Unrelaxed = False,
    force_tolerance: ForceTolerance = 1e-4,
    max_steps: MaxSteps = 500,
    as_json: options.AsJson = False,
) -> None:
    """Elastic constants from the stress of strained crystals."""
    from madelung.calculations.elastic import elastic_constants

    crystal, field = _subjects(structure, force_field)
    result = elastic_constants(
        crystal,
        field,
        strain=strain,
        relax_first=not as_given,
        relax_atoms=not clamped,
        force_tolerance=force_tolerance,
        max_steps=max_steps,
        progress=True,
    )
    _finish(result, out, as_json)


@app.command()
@alone_in_folder
def eos(
    structure: Structure,
    force_field: options.ForceFieldPath,
    out: options.Out,
    span: Annotated[
        float, typer.Option(metavar="NUMBER", help="Volumes from 1 - SPAN to 1 + SPAN.")
    ] = 0.06,
    points: Annotated[int, typer.Option(min=5, help="Number of volumes.")] = 9,
    clamped: ClampedAtoms = False,
    shape: Annotated[
        bool, typer.Option("--shape", help="Relax the shape of the cell at each volume.")
    ] = False,
    force_tolerance: ForceTolerance = 1e-3,
    max_steps: MaxSteps = 500,
    as_json: options.AsJson = False,
) -> None:
    """Energy over volume, and Birch and Murnaghan's V0, B0 and B0' with their errors."""
    from madelung.calculations.equation_of_state import equation_of_state

    crystal, field = _subjects(structure, force_field)
    result = equation_of_state(
        crystal,
        field,
        span=span,
        points=points,
        relax_atoms=not clamped,
        relax_shape=shape,
        force_tolerance=force_tolerance,
        max_steps=max_steps,
        progress=True,
    )
    _finish(result, out, as_json)


@app.command()
@alone_in_folder
def vacancy(
    structure: Structure,
    force_field: options.ForceFieldPath,
    out: options.Out,
    site: Annotated[int, typer.Option(min=0, help="Atom that is taken out, counted from 0.")] = 0,
    smallest: Annotated[
        float, typer.Option(metavar="A", help="Smallest height of the supercell in Å.")
    ] = 10.0,
    reference: Annotated[
        float | None,
        typer.Option(
            metavar="EV",
            help="Energy of the atom in its reservoir.",
            show_default="that of an atom of the crystal, if it has one element",
        ),
    ] = None,
    as_given: Unrelaxed = False,
    force_tolerance: ForceTolerance = 1e-3,
    max_steps: MaxSteps = 500,
    as_json: options.AsJson = False,
) -> None:
    """Formation energy of a vacancy."""
    from madelung.calculations.vacancy import vacancy_energy

    crystal, field = _subjects(structure, force_field)
    result = vacancy_energy(
        crystal,
        field,
        site=site,
        smallest=smallest,
        reference=reference,
        relax_first=not as_given,
        force_tolerance=force_tolerance,
        max_steps=max_steps,
        progress=True,
    )
    _finish(result, out, as_json)


@app.command()
@alone_in_folder
def md(
    structure: Structure,
    force_field: options.ForceFieldPath,
    out: options.Out,
    steps: Annotated[int, typer.Option(min=0, help="Steps in all, with those before --resume.")],
    ensemble: Annotated[EnsembleName, typer.Option(help="What is constant.")] = EnsembleName.nve,
    thermostat: Annotated[ThermostatName, typer.Option(help="For nvt.")] = ThermostatName.langevin,
    temperature: Annotated[float, typer.Option(metavar="K", help="Temperature.")] = 300.0,
    pressure: options.Pressure = 0.0,
    time_step: Annotated[float, typer.Option(metavar="FS", help="Time step.")] = 1.0,
    friction: Annotated[float, typer.Option(metavar="1/FS", help="For Langevin.")] = 0.01,
    seed: options.Seed = 0,
    log_every: Annotated[int, typer.Option(min=1, help="Steps between lines of the log.")] = 10,
    trajectory_every: Annotated[
        int, typer.Option(min=0, help="Steps between frames; 0 for none.")
    ] = 100,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Cells along each direction.")] = 1,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
) -> None:
    """Molecular dynamics, which can be interrupted and goes on bit for bit the same."""
    from madelung.calculations.dynamics import DynamicsSettings, run_dynamics

    if pressure != 0.0 and ensemble != EnsembleName.npt:
        raise typer.BadParameter(
            "a pressure acts on the cell; add --ensemble npt, or leave the pressure out",
            param_hint="--pressure",
        )
    crystal, field = _subjects(structure, force_field)
    settings = DynamicsSettings(
        ensemble=ensemble.value,
        thermostat=thermostat.value,
        temperature=temperature,
        pressure=pressure,
        time_step=time_step,
        friction=friction,
        seed=seed,
        log_every=log_every,
        trajectory_every=trajectory_every,
        checkpoint_every=checkpoint_every,
    )
    atoms = _with_constraints(structure, crystal)
    result = run_dynamics(
        atoms.repeat(repeat) if repeat > 1 else atoms,
        field,
        out,
        steps=steps,
        settings=settings,
        resume=resume,
        progress=True,
    )
    _finish(result, out, as_json)


def _subjects(structure: str, force_field: Path) -> tuple[Crystal, ForceField]:
    from madelung.cli.files import example_paths
    from madelung.crystals.reading.files import read
    from madelung.forcefields.files import load_force_field

    path = example_paths([structure]).get(structure, structure)
    return read(path), load_force_field(force_field)


def _with_constraints(structure: str, crystal: Crystal) -> Any:
    """Return a structure with the atoms fixed that its file fixes."""
    from madelung.calculations.preparation import constraints_in

    if not Path(structure).is_file():
        return crystal
    atoms = constraints_in(structure, crystal)
    return crystal if atoms is None else atoms


def _finish(result: _Result, out: Path, as_json: bool) -> None:
    """Write and print a result; one that is not what was asked for ends with status 1."""
    from madelung.common.outputs import plain

    result.save(out)
    content = plain(result.as_object())
    if as_json:
        typer.echo(json_text(content, indent=2))
    else:
        _print(content, out)
    if content.get("converged") is False:
        typer.echo("the relaxation has not converged; allow more steps: --max-steps", err=True)
        raise typer.Exit(1)
    if content.get("finished") is False:
        typer.echo("interrupted; run the same command with --resume to go on", err=True)
        raise typer.Exit(1)


def _print(content: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table(title=f"{content.pop('job')}, {content['formula']}", show_header=False)
    for name, value in content.items():
        table.add_row(name.replace("_", " "), _text(value))
    console = LiteralConsole()
    console.print(table)
    console.print(f"written to {out}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        # What is zero but for rounding is shown as zero.
        least = 1e-9 * max(abs(number) for row in value for number in row)
        chopped = [[0.0 if abs(number) < least else number for number in row] for row in value]
        return "\n".join(" ".join(f"{number:8.4g}" for number in row) for row in chopped)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return "not known" if value is None else str(value)
