"""The command ``madelung``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from madelung import __version__
from madelung.cli.sums import sums
from madelung.errors import MadelungError

__all__ = ["app", "main"]

app = typer.Typer(
    name="madelung",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(no_args_is_help=True)(sums)


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
    """Complete lattice sums of crystals, with certified errors."""


def main() -> None:
    """Run the command; errors that Madelung raises on purpose become one line on stderr."""
    try:
        app()
    except MadelungError as problem:
        print(f"madelung: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # Whoever read the output has had enough; Python would complain once more when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
