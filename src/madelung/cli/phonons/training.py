"""``madelung phonons train`` and ``evaluate``: models of phonons of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madelung.cli import options
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text

__all__ = ["EVALUATE_HELP", "TRAIN_HELP", "evaluate", "train"]

TRAIN_HELP = """
Train a model of phonons on shards of force sets.

Member k of the ensemble has the seed SEED + k. What is in the folder is gone on with by --resume.

[bold]Examples[/bold]

  madelung phonons train phonondb_rest_*.npz.xz --held-out-compositions held_out.json --out run

  madelung phonons train phonondb_rest_*.npz.xz --held-out-compositions held_out.json --out run \
--resume
"""
EVALUATE_HELP = """
Compare a model of phonons with the force constants of shards.

[bold]Examples[/bold]

  madelung phonons evaluate phonondb_test.npz.xz --out results
"""

Shards = Annotated[
    list[Path], typer.Argument(metavar="SHARD", help="Compact force sets (.npz.xz).")
]


def train(
    shards: Shards,
    out: options.Out,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out-compositions",
            metavar="FILE",
            help="JSON with compositions that are not learnt from.",
        ),
    ] = None,
    members: Annotated[
        int, typer.Option("--networks", min=1, max=100, help="Networks of the ensemble.")
    ] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the crystals.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals of a step.")] = 8,
    learning_rate: Annotated[
        float, typer.Option(min=1e-9, help="Highest rate of the one-cycle course.")
    ] = 3e-3,
    features: Annotated[int, typer.Option(min=1, help="Length of all feature vectors.")] = 96,
    layers: Annotated[int, typer.Option(min=1, help="Message-passing layers.")] = 3,
    channels: Annotated[int, typer.Option(min=0, help="Local channels of each degree.")] = 8,
    most_atoms: Annotated[
        int,
        typer.Option(min=1, help="Crystals with more atoms in the primitive cell are left out."),
    ] = 80,
    dipoles: Annotated[
        bool, typer.Option("--dipoles/--no-dipoles", help="Whether screened charges interact.")
    ] = False,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--initial-model",
            metavar="FOLDER",
            help="Model to start from.",
            show_default="random weights",
        ),
    ] = None,
    seed: options.Seed = 0,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.models.harmonic_settings import HarmonicSettings
    from madelung.phonons.compositions import read_held_out
    from madelung.phonons.course import PhononCourse
    from madelung.phonons.train import train_phonons

    model = train_phonons(
        shards,
        out,
        network=HarmonicSettings(
            features=features, layers=layers, channels=channels, dipoles=dipoles
        ),
        course=PhononCourse(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
        ),
        members=members,
        held_out=sorted(read_held_out(held_out or [])),
        most_atoms=most_atoms,
        initial=initial,
        resume=resume,
        quiet=quiet,
    )
    typer.echo(json_text(model.card.validation, indent=2))
    typer.echo(f"written to {out}/model")


@alone_in_folder
def evaluate(
    shards: Shards,
    out: options.OptionalOut = None,
    model: options.ModelName = "phonons",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    from itertools import chain

    from madelung.common.outputs import write_json
    from madelung.common.progress import watched
    from madelung.common.tables import write_rows
    from madelung.phonons.calibration import Calibration
    from madelung.phonons.evaluation import evaluate_phonons
    from madelung.phonons.loading import load_phonon_model
    from madelung.phonons.report import evaluation_report
    from madelung.phonons.shards import read_shard

    loaded = load_phonon_model(model)
    references = chain.from_iterable(read_shard(path) for path in shards)
    with watched("crystals", show=not quiet) as advance:
        evaluation = evaluate_phonons(loaded.predict, references, advance)
    for problem in evaluation.problems:
        typer.echo(f"not used: {problem}", err=True)
    given = loaded.card.calibration
    report = evaluation_report(evaluation, Calibration.model_validate(given) if given else None)
    if out is not None:
        write_rows(out / "predictions.csv", evaluation.rows())
        write_json(out / "results.json", report)
    if as_json:
        typer.echo(json_text(report, indent=2))
        return
    for name, value in report["errors"].items():
        typer.echo(f"{name.replace('_', ' ')}: {value:.3f}")
    for name, value in report.get("within_90", {}).items():
        typer.echo(f"within the 90 % interval, {name.replace('_', ' ')}: {100 * value:.1f} %")
