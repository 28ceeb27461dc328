"""``madelung fit``: force fields from reference energies and forces."""

from __future__ import annotations

import typer

from madelung.cli.fit import neural, splines, uf3

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def fit() -> None:
    """Fit a force field to reference energies, forces and stresses."""


app.command("uf3", help=uf3.HELP, no_args_is_help=True)(uf3.uf3)
app.command("meam", help=splines.MEAM_HELP, no_args_is_help=True)(splines.splines)
app.command("eam", help=splines.EAM_HELP, no_args_is_help=True)(splines.splines)
app.command("neural", help=neural.HELP, no_args_is_help=True)(neural.neural)
