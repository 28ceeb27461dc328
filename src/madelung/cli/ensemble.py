"""``madelung ensemble``: one model of several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from madelung.cli import options
from madelung.cli.options import single_command

if TYPE_CHECKING:
    from madelung.training.ensembles import EnsembleResult

__all__ = ["app", "ensemble"]

_HELP = """
Make one model of several runs.

Each RUN is a folder that 'madelung train' has finished, or a model, by its folder or name: an \
ensemble counts as its members. The runs differ in their seeds (--seed), perhaps in the settings \
of the graph, and share their data, test crystals (--split-seed, where these are drawn) and the \
size of the network; they may take turns with their validation crystals (--validation-parts). The \
model predicts the median of the mixture of their distributions; where \
they disagree its uncertainty is larger. The folder then holds model/, predictions.csv and \
results.json.

[bold]Examples[/bold]

  madelung ensemble run-0 run-1 run-2 --out together

  madelung ensemble run-* --out together --dataset matbench/jdft2d

  madelung ensemble together run-3 --out larger
"""


def ensemble(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or models.")
    ],
    out: options.Out,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="What the runs were trained on.",
            show_default="the first run's",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name on the card.", show_default="the first run's")
    ] = "",
    purpose: Annotated[
        str,
        typer.Option(
            help="On the card: what the model may be used for.", show_default="the first run's"
        ),
    ] = "",
    half: Annotated[
        bool,
        typer.Option("--half", help="Round the weights to half precision: half the space."),
    ] = False,
) -> None:
    from madelung.training.ensembles import ensemble_runs

    result = ensemble_runs(runs, out, dataset=dataset, name=name, purpose=purpose, half=half)
    _print(result)


ensemble.__doc__ = _HELP
app = single_command(ensemble)


def _print(result: EnsembleResult) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
    table = Table(title=f"{len(result.member_errors)} members")
    table.add_column("target", overflow="fold")
    table.add_column("part")
    for title in ("crystals", "MAE", "members' MAE", "within 68 %", "within 90 %"):
        table.add_column(title, justify="right")
    units = {card.name: card.unit for card in result.model.card.targets}
    for part, targets in result.errors.items():
        for name, errors in targets.items():
            known = [errors[name]["mae"] for errors in result.member_errors if errors.get(name)]
            own = ", ".join(f"{mae:.4g}" for mae in known) if part == "test" else ""
            table.add_row(
                name,
                "validation" if part == "val" else part,
                str(errors.count),
                f"{errors.mae:.4g} {units[name]}",
                own,
                f"{100 * errors.coverage_68:.1f} %",
                f"{100 * errors.coverage_90:.1f} %",
            )
    console.print(table)
    console.print(f"model, predictions and results: {result.folder}")
