"""The command ``madelung``: each command parses, calls one library function and prints."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from madelung.common.errors import MadelungError
from madelung.common.version import __version__

__all__ = ["app", "main"]

# In the order in which they are listed: where each command is, and the first line of its help. A
# command's module is imported when it is called for, and so none by the list of all.
_COMMANDS = {
    "sums": (
        "madelung.cli.sums.command",
        "Sum pair potentials over all images of an infinite crystal, for every pair of its atoms.",
    ),
    "predict": ("madelung.cli.predict", "Predict a property of crystals, with its uncertainty."),
    "train": ("madelung.cli.train", "Train a model on crystals with known properties."),
    "ensemble": ("madelung.cli.ensemble", "Make one model of several runs."),
    "evaluate": ("madelung.cli.evaluate", "Compare a model with the known values of a data set."),
    "benchmark": (
        "madelung.cli.benchmark",
        "Run a benchmark task: train on its official folds, and test each fold once.",
    ),
    "fit": (
        "madelung.cli.fit.command",
        "Fit a force field to reference energies, forces and stresses.",
    ),
    "teach": (
        "madelung.cli.teach",
        "Let empirical potentials label configurations, and see which of them is good where.",
    ),
    "models": (
        "madelung.cli.models",
        "List the models that come with Madelung, or show the card of one.",
    ),
    "data": ("madelung.cli.data", "Find, download and convert data sets of crystals."),
    "run": (
        "madelung.cli.run",
        "Relax a crystal, find its elastic constants or its "
        "equation of state, make a vacancy, let it move.",
    ),
}


class _Commands(TyperGroup):
    """Commands that are imported one at a time, so that each starts as fast as it can."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in order."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command by its name."""
        if cmd_name not in _COMMANDS:
            return None
        place, summary = _COMMANDS[cmd_name]
        if self._listing:
            return TyperCommand(cmd_name, help=summary)
        module = importlib.import_module(place)
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, for which their first lines are enough."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


app = typer.Typer(
    cls=_Commands,
    name="madelung",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"madelung {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Complete lattice sums of crystals, with certified errors, and properties learnt from them."""


def main() -> None:
    """Run the command; errors that Madelung raises on purpose become one line on stderr."""
    try:
        app(prog_name="madelung")
    except MadelungError as problem:
        print(f"madelung: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # Whoever read the output has had enough; Python would complain once more when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
