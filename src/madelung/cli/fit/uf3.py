"""``madelung fit uf3``: an ultra-fast force field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from madelung.cli import options
from madelung.cli.fit.data import data_files
from madelung.cli.fit.results import number, print_results
from madelung.forcefields.uf3.settings import UF3Settings, read_uf3_settings

if TYPE_CHECKING:
    from madelung.forcefields.uf3.sweep import SweepTrial

__all__ = ["HELP", "uf3"]

_SETTINGS = UF3Settings.model_fields

HELP = """
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


def uf3(
    data: options.LearningFiles,
    out: options.Out,
    test: options.TestFiles = None,
    test_share: options.TestShare = 0.0,
    seed: options.Seed = 0,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    virial_key: options.VirialKey = None,
    group_weight: options.GroupWeights = None,
    config: options.Config = None,
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
    kappa: Annotated[float | None, options.setting(_SETTINGS["kappa"])] = None,
    stress_weight: Annotated[float | None, options.setting(_SETTINGS["stress_weight"])] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose weights and penalties by cross-validation.")
    ] = False,
    sweep: Annotated[
        int, typer.Option(min=0, metavar="TRIALS", help="Search for settings, in so many trials.")
    ] = 0,
    sweep_configurations: Annotated[
        int, typer.Option(min=2, help="Configurations that a trial learns from.")
    ] = 200,
    threads: options.FewThreads = 1,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.reference.frame_values import Keys
    from madelung.forcefields.uf3.run_fit import run_uf3_fit

    keys = Keys(energy_key, forces_key, stress_key, virial_key)
    files = data_files(data, test, test_share, seed, keys, group_weight)
    changes = {
        "two_body": two_body,
        "three_body": three_body,
        "kappa": kappa,
        "stress_weight": stress_weight,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    settings = read_uf3_settings(config, named, files)
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


def _print_sweep(trials: list[SweepTrial], out: Path) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
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
    console.print(f"all trials, the picture and the best settings: {out}")
