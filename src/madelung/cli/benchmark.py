"""``madelung benchmark``: a task of a public leaderboard, from training to a submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from madelung.cli import options
from madelung.cli.options import single_command
from madelung.training.settings import TrainingSettings, read_settings

if TYPE_CHECKING:
    from madelung.leaderboards.benchmark import BenchmarkResult

__all__ = ["app", "benchmark"]

_HELP = """
Run a benchmark task: train on its official folds, and test each fold once.

Validation crystals are drawn from the training crystals where the task names none. The folder \
then holds predictions.csv, run.json, the files of a submission to the leaderboard, and the runs \
and models of each fold. A benchmark that was stopped, or killed at any moment, goes on with the \
same command.

[bold]Examples[/bold]

  madelung benchmark --list

  madelung benchmark matbench_jdft2d --out jdft2d --members 5 --config settings.yaml

  madelung benchmark matbench_phonons --out phonons --data phonons.jsonl.gz --fold 0 --fold 1
"""
_SETTINGS = TrainingSettings.model_fields


def benchmark(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Name of a task.")] = None,
    out: options.OptionalOut = None,
    config: options.Config = None,
    members: Annotated[
        int, typer.Option(min=1, help="Runs of each fold that predict together.")
    ] = 1,
    data: Annotated[
        Path | None,
        typer.Option(
            help="File or store with the crystals.", show_default="the task's named data set"
        ),
    ] = None,
    fold: Annotated[
        list[int] | None,
        typer.Option(help="Fold to work on now; may be repeated.", show_default="all"),
    ] = None,
    initial: Annotated[str | None, options.setting(_SETTINGS["initial"])] = None,
    seed: Annotated[int | None, options.setting(_SETTINGS["seed"])] = None,
    epochs: Annotated[int | None, options.setting(_SETTINGS["epochs"])] = None,
    threads: Annotated[
        int | None, options.setting(_SETTINGS["threads"], callback=options.bounded)
    ] = None,
    device: Annotated[str | None, options.setting(_SETTINGS["device"])] = None,
    quiet: options.Quiet = False,
    list_tasks: Annotated[bool, typer.Option("--list", help="List the tasks.")] = False,
) -> None:
    from madelung.leaderboards.benchmark import run_benchmark

    if list_tasks:
        _print_tasks()
        return
    if task is None:
        raise typer.BadParameter("name a task; --list shows all", param_hint="TASK")
    if out is None:
        raise typer.BadParameter("name a folder", param_hint="--out")
    given = {
        "initial": initial,
        "seed": seed,
        "epochs": epochs,
        "threads": threads,
        "device": device,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    settings = read_settings(config, changes)
    _print(
        run_benchmark(
            task, out, settings=settings, members=members, data=data, folds=fold or (), quiet=quiet
        )
    )


benchmark.__doc__ = _HELP
app = single_command(benchmark)


def _print_tasks() -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole
    from madelung.leaderboards.tasks import benchmark_tasks

    table = Table(title="benchmark tasks")
    table.add_column("task", overflow="fold")
    table.add_column("unit")
    for title in ("folds", "tested"):
        table.add_column(title, justify="right")
    table.add_column("lowest published MAE", overflow="fold")
    for task in benchmark_tasks().values():
        best = next(iter(task.published.items()), None)
        table.add_row(
            task.name,
            task.unit,
            str(len(task.splits)),
            f"{task.crystals:,}",
            "" if best is None else f"{_mae_text(best[1])} {best[0]}",
        )
    LiteralConsole().print(table)


def _print(result: BenchmarkResult) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    console, unit = LiteralConsole(), result.task.unit
    table = Table(title=f"{result.task.name} ({unit})" if unit else result.task.name)
    for title in ("fold", "crystals", "MAE", "members' MAE", "within 68 %", "within 90 %"):
        table.add_column(title, justify="right")
    for fold in result.folds:
        own = ", ".join(f"{mae:.4g}" for mae in fold.member_errors)
        table.add_row(
            str(fold.predictions.fold),
            str(fold.errors.count),
            f"{fold.errors.mae:.4g}",
            own if len(fold.member_errors) > 1 else "",
            f"{100 * fold.errors.coverage_68:.1f} %",
            f"{100 * fold.errors.coverage_90:.1f} %",
        )
    record = result.record
    if record is not None and len(result.folds) > 1:
        errors = record["errors"]
        table.add_section()
        table.add_row(
            "all",
            str(errors["count"]),
            _mae_text(record["mae"]),
            "",
            f"{100 * errors['coverage_68']:.1f} %",
            f"{100 * errors['coverage_90']:.1f} %",
        )
    console.print(table)
    if record is None:
        left = len(result.task.splits) - len(result.folds)
        console.print(f"{left} folds are left; finished ones are in {result.folder}")
        return
    if record["published"]:
        console.print(_published_table(record, unit))
    if not record["complete"]:
        console.print(
            f"{record['errors']['count']} of the task's {result.task.crystals} crystals were "
            "tested, so that no files of a submission are written"
        )
    files = ", ".join(["predictions.csv", "run.json", *record["submission"]])
    console.print(f"{files}: {result.folder}")


def _published_table(record: dict[str, Any], unit: str) -> Any:
    from rich.table import Table

    own = record["mae"] if len(record["folds"]) > 1 else {"mae": record["mae"]["mean"]}
    rows = [*record["published"].items(), ("this model", {"mae": record["mae"]["mean"], **own})]
    table = Table("model", f"MAE ({unit})" if unit else "MAE", title="published models")
    for name, errors in sorted(rows, key=lambda row: row[1]["mae"]):
        table.add_row(name, _mae_text(errors), style="bold" if name == "this model" else "")
    return table


def _mae_text(errors: dict[str, float]) -> str:
    """A mean absolute error, with its deviation over the folds if there are several."""
    mae = errors["mean"] if "mean" in errors else errors["mae"]
    return f"{mae:.4g} ± {errors['std']:.2g}" if "std" in errors else f"{mae:.4g}"
