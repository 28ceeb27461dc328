"""``madelung fit meam`` and ``madelung fit eam``: spline potentials."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from madelung.cli.fit.results import print_results

__all__ = ["EAM_HELP", "MEAM_HELP", "splines"]

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
MEAM_HELP = _SPLINES_HELP.format(
    what="a spline MEAM (s-MEAM): a pair term, a density with an angular part, and its embedding",
    file="potential.meam.spline",
    command="meam",
)
EAM_HELP = _SPLINES_HELP.format(
    what="a spline EAM: a pair term, a density that is a sum over neighbours, and its embedding",
    file="potential.eam.alloy",
    command="eam",
)


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
    from madelung.forcefields.reference.reference_data import DataFiles
    from madelung.forcefields.splines.meam import SplineMEAM
    from madelung.forcefields.splines.run_fit import run_meam_fit
    from madelung.forcefields.splines.settings import read_meam_settings

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
