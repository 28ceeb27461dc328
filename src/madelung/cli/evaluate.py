"""``madelung evaluate``: errors of a model on crystals whose values are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from madelung.cli import options
from madelung.cli.options import single_command
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text

if TYPE_CHECKING:
    from madelung.training.report import EvaluationReport

__all__ = ["app", "evaluate"]

_HELP = """
Compare a model with the known values of a data set.

Shows the mean absolute and root-mean-square error, R², a bootstrap interval, how often the true \
value is within the stated uncertainty, the worst crystals, and, where the crystals are those of a \
published test, the errors of published models on them. A folder (--out) gets JSON, CSV and the \
picture of errors.

[bold]Examples[/bold]

  madelung evaluate formation-energy example:jarvis

  madelung evaluate run example:jarvis --part val --out evaluation

  madelung evaluate band-gap folder/ --column band_gap --json
"""


@alone_in_folder
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or folder of a model.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="As for 'madelung train'.")],
    target: options.ModelTarget = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column of the data set that holds the model's target.",
            show_default="the target's name",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Named split.", show_default="the target's, if any"),
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="PART", help="train, val, test, or all of it.")
    ] = "test",
    out: options.OptionalOut = None,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> None:
    from madelung.cli.files import list_dropped
    from madelung.data.dataset import open_dataset
    from madelung.models.shipped import load
    from madelung.training.report import evaluate_dataset, save_report

    if part not in ("train", "val", "test", "all"):
        raise typer.BadParameter("choose train, val, test or all", param_hint="--part")
    loaded, store = load(model), open_dataset(dataset)
    list_dropped(store.problems)
    report = evaluate_dataset(
        loaded, store, target=target, column=column, split=split, part=part, threads=threads
    )
    list_dropped([f"{name}: {text}" for name, text in report.problems.items()], "crystals")
    if out is not None:
        save_report(report, out)
    if as_json:
        typer.echo(json_text(report.as_object(), indent=2))
    else:
        _print(report, out)


evaluate.__doc__ = _HELP
app = single_command(evaluate)


def _print(report: EvaluationReport, out: Path | None) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    errors, console = report.errors, LiteralConsole()
    low, high = errors.mae_interval
    title = report.target
    if report.column not in ("", report.target):
        title += f" (column {report.column})"
    table = Table(title=f"{title}, {errors.count} crystals", show_header=False)
    table.add_row("MAE", f"{errors.mae:.4g} {report.unit} (95 %: {low:.4g} to {high:.4g})")
    table.add_row("RMSE", f"{errors.rmse:.4g} {report.unit}")
    table.add_row("R²", f"{errors.r2:.4f}")
    table.add_row("error of the mean (MAD)", f"{errors.mad:.4g} {report.unit}")
    table.add_row("within the 68 % interval", f"{100 * errors.coverage_68:.1f} %")
    table.add_row("within the 90 % interval", f"{100 * errors.coverage_90:.1f} %")
    console.print(table)
    if report.published:
        rows = sorted(
            [*report.published.items(), ("this model", errors.mae)], key=lambda row: row[1]
        )
        others = Table("model", f"MAE ({report.unit})", title="the same crystals, others' models")
        for name, mae in rows:
            others.add_row(name, f"{mae:.4g}", style="bold" if name == "this model" else "")
        console.print(others)
    worst = Table("crystal", "true", "predicted", "± 68 %", "novelty", title="largest errors")
    for row in report.worst:
        worst.add_row(
            row["id"], f"{row['truth']:.4g}", f"{row['prediction']:.4g}",
            f"{row['uncertainty']:.2g}", f"{row['novelty']:.2f}",
        )  # fmt: skip
    console.print(worst)
    if report.seen_in_training:
        count = report.seen_crystals or errors.count
        console.print(
            f"{count} of these {errors.count} crystals were used to train the model or to choose "
            "its best epoch, or are copies of such crystals.",
            style="bold",
        )
    if out is not None:
        console.print(f"written to {out}")
