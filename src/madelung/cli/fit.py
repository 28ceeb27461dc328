"""``madelung fit``: force fields from reference energies and forces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from madelung.cli.fit_neural import HELP, neural
from madelung.cli.fit_results import number, print_results

if TYPE_CHECKING:
    from madelung.forcefields.uf3.sweep import SweepTrial

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


app.command("neural", help=HELP, no_args_is_help=True)(neural)


@app.callback()
def fit() -> None:
    """Fit a force field to reference energies, forces and stresses."""


_UF3_HELP = """
Fit an ultra-fast force field: splines of two and of three distances, by linear least squares.

DATA are extxyz files, compressed or not, with energies, forces and perhaps stresses. The folder \
then holds potential.json, potential.uf3 for LAMMPS, results.json, predictions.csv, and pictures \
of V2 and V3 with the data behind them, of errors, and of how they fall with data. A fit that was \
stopped goes on with the same command and --resume.

With --sweep, ranges and numbers of intervals are searched for instead: error in cross-validation \
against time for an atom. The folder then holds sweep.csv, sweep.png and best.json, which --config \
takes. A sweep that was stopped goes on with the same command.

[bold]Examples[/bold]

  madelung fit uf3 tungsten.extxyz.xz --out W --test-share 0.2

  madelung fit uf3 train.extxyz --test test.extxyz --out Ni --three-body 1.5:5:8,8,16

  madelung fit uf3 train.extxyz --out search --sweep 30

  madelung fit uf3 train.extxyz --out Ni --config search/best.json
"""


@app.command("uf3", help=_UF3_HELP, no_args_is_help=True)
def uf3(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Files to learn from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the fit.")],
    test: Annotated[
        list[str] | None, typer.Option(help="File that is only tested on; may be repeated.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Part of DATA that is only tested on.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the division of the data.")] = 0,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML or JSON file of settings.")
    ] = None,
    two_body: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:MAX:N",
            help="Distances of pairs in Å, and number of intervals.",
            show_default="1.5:5.5:25",
        ),
    ] = None,
    three_body: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:MAX:L,M,N",
            help="Distances from the centre of a triplet in Å, and intervals of its three "
            "distances; 'none' for a pair potential.",
            show_default="1.5:4.25:10,10,20",
        ),
    ] = None,
    kappa: Annotated[
        float | None, typer.Option(help="Weight of energies; forces have the rest.")
    ] = None,
    stress_weight: Annotated[
        float | None, typer.Option(help="Weight of stresses beside that of energies and forces.")
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose weights and penalties by cross-validation.")
    ] = False,
    sweep: Annotated[
        int, typer.Option(min=0, metavar="TRIALS", help="Search for settings, in so many trials.")
    ] = 0,
    sweep_configurations: Annotated[
        int, typer.Option(min=2, help="Configurations that a trial learns from.")
    ] = 200,
    threads: Annotated[int, typer.Option(min=1, help="Threads to use.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a fit that was stopped.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    from madelung.forcefields.fit_settings import read_uf3_settings
    from madelung.forcefields.reference_data import DataFiles
    from madelung.forcefields.uf3.job import run_uf3_fit

    files = DataFiles(tuple(data), tuple(test or ()), test_share, seed)
    changes = {
        "two_body": two_body,
        "three_body": three_body,
        "kappa": kappa,
        "stress_weight": stress_weight,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    settings = read_uf3_settings(config, named, files.training)
    if sweep:
        from madelung.forcefields.uf3.sweep import sweep_uf3

        trials = sweep_uf3(
            files, out, settings, trials=sweep, configurations=sweep_configurations,
            threads=threads, quiet=quiet,
        )  # fmt: skip
        _print_sweep(trials, out)
        return
    job = run_uf3_fit(files, out, settings, tune=tune, threads=threads, resume=resume, quiet=quiet)
    title = f"UF3, {job.results['coefficients']} coefficients, {job.results['seconds']:.0f} s"
    print_results(title, job.results, job.folder)


_SPLINES_HELP = """
Fit {what}.

Energies are fitted up to a shift for each atom. Several random starts are improved on some of the \
configurations, and the best ones polished on all; a part that is held back chooses between them. \
The folder then holds {file} for LAMMPS, potential.json, report.json, results.json, \
predictions.csv, and pictures of the functions and the errors. A fit that was stopped goes on with \
the same command and --resume.

[bold]Examples[/bold]

  madelung fit {command} train.extxyz --out Ni --cutoff 5 --starts 2

  madelung fit {command} train.extxyz --test test.extxyz --out Ni --config settings.yaml
"""
_MEAM_HELP = _SPLINES_HELP.format(
    what="a spline MEAM (s-MEAM): a pair term, a density with an angular part, and its embedding",
    file="potential.meam.spline",
    command="meam",
)
_EAM_HELP = _SPLINES_HELP.format(
    what="a spline EAM: a pair term, a density that is a sum over neighbours, and its embedding",
    file="potential.eam.alloy",
    command="eam",
)


@app.command("meam", help=_MEAM_HELP, no_args_is_help=True)
@app.command("eam", help=_EAM_HELP, no_args_is_help=True)
def splines(
    context: typer.Context,
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Files to learn from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the fit.")],
    test: Annotated[
        list[str] | None, typer.Option(help="File that is only tested on; may be repeated.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Part of DATA that is only tested on.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the division and of the starts.")] = 0,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML or JSON file of settings.")
    ] = None,
    initial: Annotated[
        Path | None, typer.Option(help="Potential to begin from.", show_default="random ones")
    ] = None,
    cutoff: Annotated[
        float | None, typer.Option(help="Where the pair term and the density end, in Å.")
    ] = None,
    starts: Annotated[int | None, typer.Option(help="Random starts.")] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Steps of the last stage, on all configurations.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Starts that run side by side.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a fit that was stopped.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    from madelung.forcefields.files import load_force_field
    from madelung.forcefields.fit_settings import read_meam_settings
    from madelung.forcefields.reference_data import DataFiles
    from madelung.forcefields.splines.job import run_meam_fit
    from madelung.forcefields.splines.meam import SplineMEAM

    files = DataFiles(tuple(data), tuple(test or ()), test_share, seed)
    changes: dict[str, Any] = {
        "cutoff": cutoff, "starts": starts, "iterations": iterations, "threads": threads,
        "seed": seed,
    }  # fmt: skip
    named = {name: value for name, value in changes.items() if value is not None}
    if context.info_name == "eam":
        named["angular"] = False
    settings = read_meam_settings(config, named, files.training)
    first = None if initial is None else load_force_field(initial)
    if first is not None and not isinstance(first, SplineMEAM):
        raise typer.BadParameter(
            "this is no file of a fitted spline MEAM or EAM", param_hint="--initial"
        )
    job = run_meam_fit(
        files, out, settings, initial=first, resume=resume,
        progress=None if quiet else lambda line: print(line, file=sys.stderr),
    )  # fmt: skip
    kind = "spline MEAM" if settings.angular else "spline EAM"
    print_results(f"{kind}, {job.fit.parameters} parameters", job.results, job.folder)


def _print_sweep(trials: list[SweepTrial], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"{len(trials)} trials; none is better and faster than these")
    names = ("trial", "energy (meV/atom)", "force (eV/Å)", "µs an atom", "coefficients", "ranges")
    for title in names:
        table.add_column(title, justify="right")
    for trial in sorted(trials, key=lambda item: item.microseconds):
        if trial.efficient:
            settings = trial.settings
            triplets = settings.three_body
            table.add_row(
                str(trial.number),
                number(trial.energy_rmse, 2),
                number(trial.force_rmse, 3),
                f"{trial.microseconds:.2f}",
                f"{trial.coefficients:,}",
                f"{settings.two_body.maximum:g} Å"
                + (f", {triplets.maximum:g} Å" if triplets else ""),
            )
    console.print(table)
    console.print(f"all trials, the picture and the best settings: {out}", markup=False)
