"""``madelung fit neural``: a neural force field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["HELP", "neural"]

HELP = """
Train a neural force field: message passing between near atoms, and, unless --local is given, \
Coulomb and dispersion energies that are complete sums over the crystal.

DATA are extxyz files, compressed or not, with energies, forces and perhaps stresses. The folder \
then holds potential/, which all commands take as a force field, results.json, predictions.csv, \
and pictures of errors and of the course. A fit that was stopped goes on with the same command and \
--resume, and ends with the same weights. Several members give an uncertainty.

[bold]Examples[/bold]

  madelung fit neural train.extxyz --test test.extxyz --out Ni --local

  madelung fit neural salt.extxyz --out NaCl --members 3 --epochs 200
"""


def neural(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Files to learn from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the fit.")],
    test: Annotated[
        list[str] | None, typer.Option(help="File that is only tested on; may be repeated.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Part of DATA that is only tested on.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the division, of weights and order.")] = 0,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML or JSON file of settings.")
    ] = None,
    initial: Annotated[
        Path | None, typer.Option(help="Neural force field to start from.", show_default="none")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="No charges and no dispersion; for metals.")
    ] = False,
    cutoff: Annotated[float | None, typer.Option(help="Reach of a layer in Å.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers.")] = None,
    features: Annotated[int | None, typer.Option(help="Features of an atom.")] = None,
    members: Annotated[int | None, typer.Option(help="Networks of the ensemble.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the configurations.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Configurations of a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a fit that was stopped.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    from madelung.cli.fit.results import print_results
    from madelung.forcefields.neural.fit_settings import read_neural_settings
    from madelung.forcefields.neural.run_fit import run_neural_fit
    from madelung.forcefields.reference.reference_data import DataFiles

    files = DataFiles(tuple(data), tuple(test or ()), test_share, seed)
    network = {"cutoff": cutoff, "layers": layers, "features": features}
    course = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    changes: dict[str, Any] = {
        "network": {**_given(network), **({"long_range": False} if local else {})},
        "course": {**_given(course), "seed": seed},
        **_given({"members": members, "initial": None if initial is None else str(initial)}),
    }
    settings = read_neural_settings(config, changes, files.training)
    job = run_neural_fit(files, out, settings, resume=resume, quiet=quiet)
    if job.results:
        title = f"neural force field, {job.results['parameters']:,} parameters"
        print_results(f"{title}, {job.results['seconds']:.0f} s", job.results, job.folder)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
