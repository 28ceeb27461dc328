"""``madelung fit meam`` and ``madelung fit eam``: spline potentials."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from madelung.cli import options
from madelung.cli.fit.data import data_files
from madelung.cli.fit.results import print_results
from madelung.forcefields.splines.settings import SplineMEAMSettings, read_meam_settings

__all__ = ["EAM_HELP", "MEAM_HELP", "splines"]

_SETTINGS = SplineMEAMSettings.model_fields

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
    initial: options.Initial = None,
    cutoff: Annotated[float | None, options.setting(_SETTINGS["cutoff"])] = None,
    starts: Annotated[int | None, options.setting(_SETTINGS["starts"])] = None,
    iterations: Annotated[int | None, options.setting(_SETTINGS["iterations"])] = None,
    threads: Annotated[
        int | None, options.setting(_SETTINGS["threads"], callback=options.bounded)
    ] = None,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.files import load_force_field
    from madelung.forcefields.reference.frame_values import Keys
    from madelung.forcefields.splines.meam import SplineMEAM
    from madelung.forcefields.splines.run_fit import run_meam_fit

    keys = Keys(energy_key, forces_key, stress_key, virial_key)
    files = data_files(data, test, test_share, seed, keys, group_weight)
    changes: dict[str, Any] = {
        "cutoff": cutoff, "starts": starts, "iterations": iterations, "threads": threads,
        "seed": seed,
    }  # fmt: skip
    named = {name: value for name, value in changes.items() if value is not None}
    if context.info_name == "eam":
        named["angular"] = False
    settings = read_meam_settings(config, named, files)
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
