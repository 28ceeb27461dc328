"""``madelung phonons``: crystals in files, or one of its further commands."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from madelung.cli.phonons import crystals, expansion, references, training

__all__ = ["app"]

_HELP = """
Phonons of crystals: stability, bands, thermodynamics, each with its interval.

[bold]Examples[/bold]

  madelung phonons example:NaCl

  madelung phonons folder/ --csv --out phonons.csv

  madelung phonons x.cif --out ph --bands --dos --temperatures 0:1000:10

Options are listed by [bold]madelung phonons of --help[/bold]; "of" may be left out before files.
"""
_DEFAULT = "of"


class _FilesOrCommand(TyperGroup):
    """A group in which what is no command is a file of the first one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command before arguments that begin with no command."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FilesOrCommand,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=_HELP,
)
app.command(_DEFAULT, help=crystals.HELP, no_args_is_help=True)(crystals.phonons)
app.command("compare", help=references.COMPARE_HELP, no_args_is_help=True)(references.compare)
app.command("fit", help=references.FIT_HELP, no_args_is_help=True)(references.fit)
app.command("expansion", help=expansion.HELP, no_args_is_help=True)(expansion.expansion)
app.command("train", help=training.TRAIN_HELP, no_args_is_help=True)(training.train)
app.command("evaluate", help=training.EVALUATE_HELP, no_args_is_help=True)(training.evaluate)
