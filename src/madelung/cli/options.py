"""Options of the commands, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "AsCsv",
    "AsJson",
    "ChargeRule",
    "CrystalFiles",
    "Every",
    "Executor",
    "ExecutorName",
    "MaxAtoms",
    "Output",
    "Plot",
    "PotentialNames",
    "RelativeTolerance",
    "Rows",
    "Strict",
    "Threads",
    "Tolerance",
    "single_command",
]


class ExecutorName(StrEnum):
    """Executors that can be asked for."""

    auto = "auto"
    native = "native"
    torch = "torch"


CrystalFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Crystal files (CIF, POSCAR, extxyz and all that ASE reads), folders of them, or "
        "example:NAME with NAME one of CaF2, CsCl, NaCl, SiO2, SrTiO3, TiO2, ZnS.",
        show_default=False,
    ),
]
PotentialNames = Annotated[
    str,
    typer.Option("--potentials", "-p", metavar="NAMES", help="Names separated by commas."),
]
Tolerance = Annotated[
    float,
    typer.Option("--tolerance", "-t", metavar="NUMBER", help="Absolute error that is allowed."),
]
RelativeTolerance = Annotated[
    float,
    typer.Option(
        metavar="NUMBER",
        help="Error that is allowed relative to the largest sum; the larger of both counts.",
    ),
]
ChargeRule = Annotated[
    str | None,
    typer.Option(
        "--charges",
        "-q",
        metavar="RULE",
        help="Na=1,Cl=-1 or 'oxidation': the file's oxidation numbers, else a guess from the "
        "composition (needs pymatgen-core).",
        show_default="the file's oxidation numbers, if any",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Write a JSON list with one object for each file.")
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Write CSV with one row for each pair of atoms.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="File for the result (.json, .csv or .txt), or a folder for sums.json, sums.csv or "
        "sums.txt. It appears when all is done.",
        show_default="the screen",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="PATH",
        help="Picture of the pair matrices and site potentials (.png, .svg or .pdf), or a folder "
        "for one picture of each crystal.",
        show_default=False,
    ),
]
Rows = Annotated[
    int, typer.Option(min=0, metavar="NUMBER", help="Most rows in a table of pairs; 0 for all.")
]
Every = Annotated[
    bool, typer.Option("--every", help="Take every structure of a file, not the last alone.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first file that cannot be used.")
]
MaxAtoms = Annotated[
    int, typer.Option(min=1, metavar="NUMBER", help="Refuse crystals with more atoms.")
]
Executor = Annotated[ExecutorName, typer.Option(help="What does the sums.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="NUMBER", help="Threads to use.", show_default="all cores"),
]


def single_command(function: Callable[..., Any]) -> typer.Typer:
    """Make an application whose only command is a function; without arguments it shows help."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(no_args_is_help=True)(function)
    return app
