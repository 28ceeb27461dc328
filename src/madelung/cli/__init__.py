"""The command ``madelung``: each command parses, calls one library function and prints."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from madelung.common.errors import MadelungError
from madelung.common.version import __version__

__all__ = ["app", "main"]

# In the order in which they are listed. A command's module is imported when it is called for.
_COMMANDS = {
    "sums": "madelung.cli.sums.command",
    "predict": "madelung.cli.predict",
    "train": "madelung.cli.train",
    "ensemble": "madelung.cli.ensemble",
    "evaluate": "madelung.cli.evaluate",
    "benchmark": "madelung.cli.benchmark",
    "fit": "madelung.cli.fit.command",
    "teach": "madelung.cli.teach",
    "models": "madelung.cli.models",
    "data": "madelung.cli.data",
    "run": "madelung.cli.run",
}


class _Commands(TyperGroup):
    """Commands that are imported one at a time, so that each starts as fast as it can."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in order."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command by its name."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


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
