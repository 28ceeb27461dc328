"""``madelung teach``: what empirical potentials can teach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from madelung.cli import options

if TYPE_CHECKING:
    from madelung.teaching.labels import TeacherLabels
    from madelung.teaching.proposal import Proposal
    from madelung.teaching.report import TeacherReport
    from madelung.teaching.run_teaching import TeachingResult
    from madelung.teaching.strategies import Method

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Data = Annotated[
    list[str], typer.Argument(metavar="DATA...", help="extxyz files of configurations.")
]
_REASONS_SHOWN = 5
_TEACHERS_SHOWN = 15
_NEXT_SHOWN = 10


@app.callback()
def teach() -> None:
    """Let empirical potentials label configurations, and see which of them is good where."""


_LABEL_HELP = """
Label configurations with energies and forces of empirical potentials, the teachers.

A teacher is a file of a force field (UF3, splines, eam/alloy, eam/fs, meam/spline and what else \
`madelung run` takes), [bold]ase:emt[/bold] for a calculator of ASE, \
[bold]lammps:Ni,Al:COMMANDS[/bold] with commands divided by semicolons, [bold]kim:MODEL[/bold], or \
[bold]python:MODULE:FUNCTION[/bold]; with a name of your own as NAME=TEACHER. Each works in a \
process of its own: one that hangs, dies or fails loses that label alone.

The folder then holds labels.safetensors. A job that was stopped goes on with the same command; \
further teachers may be added.

[bold]Examples[/bold]

  madelung teach label train.extxyz --teacher ase:emt --teacher W=W.eam.alloy --out labels

  madelung teach label Ni.extxyz --teacher "lammps:Ni:pair_style eam/alloy; pair_coeff * * \
Ni.eam.alloy Ni" --out labels --processes 4
"""


@app.command("label", help=_LABEL_HELP, no_args_is_help=True)
def label(
    data: Data,
    out: options.Out,
    teacher: Annotated[
        list[str], typer.Option("--teacher", "-t", metavar="TEACHER", help="May be repeated.")
    ],
    processes: Annotated[int, typer.Option(min=1, help="Teachers at work at a time.")] = 1,
    no_forces: Annotated[bool, typer.Option("--no-forces", help="Energies alone.")] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="For one configuration.")
    ] = 60.0,
    losses: Annotated[
        int, typer.Option(min=1, help="Give a teacher up after so many lost processes in a row.")
    ] = 3,
    largest_deviation: Annotated[
        float,
        typer.Option(metavar="EV", help="Energies farther off than this for an atom are none."),
    ] = 10.0,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.reference.configurations import read_configurations
    from madelung.teaching.labelling import label_configurations
    from madelung.teaching.supervision import LabellingLimits
    from madelung.teaching.teachers import parse_teachers

    labels = label_configurations(
        list(read_configurations(data, bare=True)),
        parse_teachers(teacher),
        out,
        processes=processes,
        with_forces=not no_forces,
        limits=LabellingLimits(time_limit=time_limit, losses=losses),
        largest_deviation=largest_deviation,
        quiet=quiet,
    )
    _print_labels(labels, out)
    if not labels.known.any():
        typer.echo("no teacher has labelled anything; the reasons are above", err=True)
        raise typer.Exit(1)


_REPORT_HELP = """
See which potential is the best where.

LABELS is a folder of `madelung teach label`, or a table of energies (CSV with the columns set, \
i, natoms, E_DFT, and one for each potential). The folder then holds report.json, teachers.csv \
(errors and shares by group), map.csv and map.png: configurations by their structure, coloured by \
the best teacher. With --mixture, pseudo_labels.csv has an energy of a mixture of teachers for \
each configuration, with its standard error.

[bold]Examples[/bold]

  madelung teach report labels train.extxyz --out report

  madelung teach report Ni_eip_energies.csv.gz Ni.extxyz --out report --mixture
"""


@app.command("report", help=_REPORT_HELP, no_args_is_help=True)
def report(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Folder or table.")],
    data: Data,
    out: options.Out,
    threshold: Annotated[
        float,
        typer.Option(metavar="EV", help="Error for an atom beyond which the best one is none."),
    ] = 0.1,
    mixture: Annotated[bool, typer.Option("--mixture", help="Fit a mixture of teachers.")] = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.reference.configurations import read_configurations
    from madelung.teaching.report import report_teachers
    from madelung.teaching.sources import read_labels

    configurations = list(read_configurations(data, bare=True))
    found = report_teachers(
        read_labels(labels, configurations), configurations, out,
        threshold=threshold, with_mixture=mixture, quiet=quiet,
    )  # fmt: skip
    _print_report(found)


_TRAIN_HELP = """
Teach a neural force field with what the teachers know.

LABELS is a folder of `madelung teach label`, or a table of energies. Configurations in DATA may \
lack a reference; teachers know of them all the same. The ways are [bold]baseline[/bold] \
(reference alone), [bold]weak[/bold] (a classifier chooses whom to believe), [bold]transfer[/bold] \
(pretrained on all teachers' energies), [bold]both[/bold], and [bold]ours[/bold] (pretrained; then \
a soft mixture of teachers and a UF3, by their calibrated errors). With several fractions of the \
labelled configurations learning curves are drawn. A job that was stopped goes on with the same \
command.

[bold]Examples[/bold]

  madelung teach train labels train.extxyz --out W

  madelung teach train W_eip_energies.csv.gz W.extxyz.xz --out W --method baseline --method ours \
--fraction 0.05 --fraction 0.2 --fraction 1
"""


@app.command("train", help=_TRAIN_HELP, no_args_is_help=True)
def train(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Folder or table.")],
    data: Data,
    out: options.Out,
    method: Annotated[
        list[str] | None, typer.Option(help="May be repeated.", show_default="ours")
    ] = None,
    fraction: Annotated[
        list[float] | None,
        typer.Option(help="Part of the labelled ones; may be repeated.", show_default="1"),
    ] = None,
    labelled_share: Annotated[
        float | None,
        typer.Option(help="Part of those with a reference that may be learnt from."),
    ] = None,
    validation_share: Annotated[float, typer.Option(help="Part that chooses weights.")] = 0.1,
    test_share: options.TestShare = 0.1,
    config: options.Config = None,
    steps: Annotated[int | None, typer.Option(help="Steps of each training.")] = None,
    local: options.Local = False,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.reference.configurations import read_configurations
    from madelung.teaching.run_teaching import TeachingShares, teach_networks
    from madelung.teaching.sources import read_labels
    from madelung.teaching.strategies import read_teaching_settings

    network = {"long_range": False} if local else {}
    changes: dict[str, Any] = {"seed": seed, **({} if steps is None else {"steps": steps})}
    configurations = list(read_configurations(data, bare=True))
    settings = read_teaching_settings(config, {**changes, "network": network}, configurations)
    taught = teach_networks(
        configurations, read_labels(labels, configurations), out, settings,
        methods=cast("list[Method]", method or ["ours"]), fractions=fraction or [1.0],
        shares=TeachingShares(labelled_share, validation_share, test_share), quiet=quiet,
    )  # fmt: skip
    _print_taught(taught)


_NEXT_HELP = """
Choose the configurations to calculate next with the reference method.

LABELS is a folder of `madelung teach label`, or a table of energies; - for none. Of DATA those \
without a reference energy are chosen from: each so that, once it is known, least is left of the \
squared errors of all. Errors are those of a mixture of teachers, or how much the members of an \
ensemble of networks (--force-field) differ; with neither the structure alone decides. The folder \
then holds next.csv and next.extxyz.

[bold]Examples[/bold]

  madelung teach next labels train.extxyz --count 20 --out next

  madelung teach next - train.extxyz new.extxyz --count 20 --force-field potential --out next
"""


@app.command("next", help=_NEXT_HELP, no_args_is_help=True)
def next_configurations(
    labels: Annotated[str, typer.Argument(metavar="LABELS", help="Folder or table; - for none.")],
    data: Data,
    out: options.Out,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many to choose.")],
    force_field: options.OptionalForceField = None,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    from madelung.forcefields.files import load_force_field
    from madelung.forcefields.reference.configurations import read_configurations
    from madelung.teaching.proposal import propose_next
    from madelung.teaching.sources import read_labels

    configurations = list(read_configurations(data, bare=True))
    proposal = propose_next(
        configurations, None if labels == "-" else read_labels(labels, configurations), out,
        count=count, seed=seed, quiet=quiet,
        force_field=None if force_field is None else load_force_field(force_field),
    )  # fmt: skip
    _print_next(proposal)


def _print_labels(labels: TeacherLabels, out: Path) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table(title=f"{len(labels):,} configurations")
    table.add_column("teacher")
    table.add_column("labels", justify="right")
    table.add_column("none", justify="right")
    for name, count in zip(labels.teachers, labels.known.sum(0), strict=True):
        table.add_row(name, f"{count:,}", f"{len(labels) - count:,}")
    console = LiteralConsole()
    console.print(table)
    for (row, column), reason in sorted(labels.reasons.items())[:_REASONS_SHOWN]:
        text = f"no label of {labels.ids[row]} by {labels.teachers[column]}: {reason}"
        console.print(text)
    more = len(labels.reasons) - _REASONS_SHOWN
    if more > 0:
        console.print(f"and {more} more")
    console.print(f"labels: {out}")


def _print_report(found: TeacherReport) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole
    from madelung.teaching.plots import short_name

    rows = [row for row in found.results["errors"] if row["group"] == "all"]
    each = rows.pop()
    rows = sorted(rows, key=lambda row: -row["share"])[:_TEACHERS_SHOWN]
    table = Table(title=f"{found.results['with_reference']:,} configurations")
    table.add_column("teacher")
    for title in ("labels", "RMS (meV/atom)", "median", "best in"):
        table.add_column(title, justify="right")
    for row in (*rows, each):
        table.add_row(
            short_name(row["teacher"]), f"{row['configurations']:,}", _number(row["rms"]),
            _number(row["median"]), f"{100.0 * row['share']:.1f} %",
        )  # fmt: skip
    console = LiteralConsole()
    console.print(table)
    left = len(found.results["teachers"]) - len(rows)
    if left:
        console.print(f"{left} more teachers are in teachers.csv")
    console.print(f"no teacher is good enough for {found.results['none']} configurations")
    if "mixture" in found.results:
        rms = found.results["mixture"]["left_out_rms"]
        console.print(f"mixture, labelled configurations left out: {rms:.2f} meV/atom RMS")
    console.print(f"tables and map: {found.folder}")


def _print_taught(taught: TeachingResult) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table(title="errors on the test part")
    for title in ("way", "labelled", "energy RMSE (meV/atom)", "force RMSE (eV/Å)"):
        table.add_column(title, justify="left" if title == "way" else "right")
    for row in taught.rows:
        table.add_row(
            row["method"], f"{row['labelled']:,}", _number(row["energy_rmse"]),
            _number(row["force_rmse"]),
        )  # fmt: skip
    console = LiteralConsole()
    console.print(table)
    console.print(f"networks, predictions and learning curves: {taught.folder}")


def _print_next(proposal: Proposal) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table(title=f"the next {len(proposal.rows):,} configurations")
    for title in ("id", "score (%)", "group", "why"):
        table.add_column(title, justify="right" if "score" in title else "left")
    for row in proposal.rows[:_NEXT_SHOWN]:
        table.add_row(row["id"], row["score"], row["group"], row["why"])
    console = LiteralConsole()
    console.print(table)
    more = len(proposal.rows) - _NEXT_SHOWN
    if more > 0:
        console.print(f"and {more} more are in next.csv")
    console.print(f"structures to calculate: {proposal.folder / 'next.extxyz'}")


def _number(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.4g}"
