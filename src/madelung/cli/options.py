"""Options of the commands, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = [
    "SETTINGS",
    "AsCsv",
    "AsJson",
    "ChargeRule",
    "Config",
    "CrystalFiles",
    "EnergyKey",
    "Every",
    "Executor",
    "ExecutorName",
    "FewThreads",
    "ForceFieldPath",
    "ForcesKey",
    "Format",
    "GroupWeights",
    "Initial",
    "LearningFiles",
    "Local",
    "MaxAtoms",
    "ModelTarget",
    "OptionalForceField",
    "OptionalOut",
    "OptionalOutStore",
    "Out",
    "OutFile",
    "OutLines",
    "OutStore",
    "Plot",
    "PotentialNames",
    "Pressure",
    "Quiet",
    "RelativeTolerance",
    "Resume",
    "Rows",
    "Seed",
    "StressKey",
    "Strict",
    "TestFiles",
    "TestShare",
    "Threads",
    "Tolerance",
    "VirialKey",
    "Workers",
    "bounded",
    "setting",
    "single_command",
]


SETTINGS = "Settings"
"""Panel of options that change settings."""


class ExecutorName(StrEnum):
    """Executors that can be asked for."""

    auto = "auto"
    native = "native"
    torch = "torch"


CrystalFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Crystal files (CIF, POSCAR, extxyz and all that ASE reads), folders of them, data "
        "sets (.jsonl, stores), of which every crystal is taken, or "
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
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Write CSV instead of text.")]
_OUT: tuple[str, str, str] = ("--out", "--output", "-o")
_OUT_FOLDER = typer.Option(*_OUT, metavar="FOLDER", help="Folder for the results.")
Out = Annotated[Path, _OUT_FOLDER]
OptionalOut = Annotated[Path | None, _OUT_FOLDER]
OutFile = Annotated[
    Path | None,
    typer.Option(
        *_OUT,
        metavar="PATH",
        help="File for the result (.json, .csv or .txt), or a folder. It appears when all is done.",
        show_default="the screen",
    ),
]
_OUT_STORE_HELP = "Folder of the store, which appears when all is written."
OutStore = Annotated[Path, typer.Option(*_OUT, metavar="STORE", help=_OUT_STORE_HELP)]
OptionalOutStore = Annotated[
    Path | None,
    typer.Option(
        *_OUT,
        metavar="STORE",
        help=_OUT_STORE_HELP,
        show_default="the data folder, for a name",
    ),
]
OutLines = Annotated[
    Path, typer.Option(*_OUT, metavar="FILE", help="File to write (.jsonl, .jsonl.gz).")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML or JSON file of settings; options go before it."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a job that was stopped.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed of all that is drawn at random.")
]
LearningFiles = Annotated[
    list[str], typer.Argument(metavar="DATA...", help="extxyz files to learn from.")
]
TestFiles = Annotated[
    list[str] | None,
    typer.Option("--test", help="File that is only tested on; may be repeated."),
]
_KEYS = "Names in the files"
_USUAL = "the usual ones"


def _key(name: str, what: str) -> Any:
    return typer.Option(
        f"--{name}-key", metavar="NAME", help=what, show_default=_USUAL, rich_help_panel=_KEYS
    )


EnergyKey = Annotated[str | None, _key("energy", "Of the energy in eV.")]
ForcesKey = Annotated[str | None, _key("forces", "Of the forces in eV/Å.")]
StressKey = Annotated[str | None, _key("stress", "Of the stress in eV/Å³, positive under tension.")]
VirialKey = Annotated[str | None, _key("virial", "Of the virial in eV, -V times the stress.")]
GroupWeights = Annotated[
    list[str] | None,
    typer.Option(
        "--group-weight",
        metavar="GROUP=NUMBER",
        help="What errors of configurations of a group (config_type) count; may be repeated.",
        show_default="1",
    ),
]
TestShare = Annotated[
    float, typer.Option(min=0.0, max=0.9, help="Part of DATA that is only tested on.")
]
Initial = Annotated[
    Path | None, typer.Option(help="Force field to start from.", show_default="none")
]
Local = Annotated[bool, typer.Option("--local", help="No charges and no dispersion; for metals.")]
_FORCE_FIELD = typer.Option(
    "--force-field", "-f", metavar="PATH", help="File or folder of the force field."
)
ForceFieldPath = Annotated[Path, _FORCE_FIELD]
OptionalForceField = Annotated[Path | None, _FORCE_FIELD]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH",
        help="A name that 'madelung models' lists, or the folder of a model or training run.",
    ),
]
ModelTarget = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="Which of the model's targets.",
        show_default="the one the model's name stands for, or its first",
    ),
]
Pressure = Annotated[
    float, typer.Option(metavar="GPA", help="Pressure in GPa, where the cell may change.")
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
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Format of the files: cif, json, or ASE's name (vasp, extxyz).",
        show_default="told from name and content",
    ),
]
Every = Annotated[
    bool, typer.Option("--every", help="Take every structure of a file, not the last alone.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first file or record that cannot be used.")
]
MaxAtoms = Annotated[
    int, typer.Option(min=1, metavar="NUMBER", help="Refuse crystals with more atoms.")
]
Executor = Annotated[ExecutorName, typer.Option(help="What does the sums.")]
_THREADS_HELP = "Threads to use."


def bounded(value: int | None) -> int | None:
    """Refuse numbers of threads or processes that would only get in each other's way."""
    from madelung.common.machine import available_cores, most_threads

    if value is not None and value > most_threads():
        raise typer.BadParameter(
            f"{value} are too many for {available_cores()} cores; give at most {most_threads()}"
        )
    return value


Threads = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="NUMBER", help=_THREADS_HELP, show_default="all cores", callback=bounded
    ),
]
FewThreads = Annotated[
    int, typer.Option(min=1, metavar="NUMBER", help=_THREADS_HELP, callback=bounded)
]
Workers = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="NUMBER",
        help="Processes to use, for many crystals; they share the threads.",
        callback=bounded,
    ),
]


def setting(
    field: FieldInfo,
    *names: str,
    metavar: str | None = None,
    callback: Callable[[Any], Any] | None = None,
) -> Any:
    """Return the option of a setting: its help is what the setting's field says of it.

    The option has no default of its own, so that a configuration file keeps its say.

    Parameters
    ----------
    field
        Of the settings.
    names, metavar, callback
        Of the option, where they do not follow from the name of the parameter.
    """
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    shown = ",".join(default) if isinstance(default, tuple) else default
    text = field.description or ""
    if shown not in (None, ""):
        text += f" [dim]\\[default: {shown}][/dim]"
    return typer.Option(
        *names, help=text, metavar=metavar, show_default=False, rich_help_panel=SETTINGS,
        callback=callback,
    )  # fmt: skip


def single_command(function: Callable[..., Any]) -> typer.Typer:
    """Make an application whose only command is a function; without arguments it shows help."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(no_args_is_help=True)(function)
    return app
