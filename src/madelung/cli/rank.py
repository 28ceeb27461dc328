"""``madelung rank``: candidate crystals of a molecule in the order of their stability."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madelung.cli import options
from madelung.common.outputs import json_text
from madelung.common.text import shown

__all__ = ["app"]

_HELP = """
Order the candidate crystals of a molecule by their stability.

Each shape of the molecule is calculated once by density-functional theory (PySCF); charges and \
dispersion are summed over the infinite crystals. A job that was stopped goes on with --resume.

[bold]Examples[/bold]

  madelung rank candidates/ --out ranking

  madelung rank candidates.extxyz --experimental form-1 --out ranking
"""

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich", help=_HELP
)


@app.command(help=_HELP, no_args_is_help=True)
def rank(
    candidates: Annotated[
        list[Path],
        typer.Argument(
            metavar="CANDIDATES...", help="Relaxed crystals: files, folders, extxyz of many frames."
        ),
    ],
    out: options.Out,
    basis: Annotated[str, typer.Option(metavar="NAME", help="Basis of molecules.")] = "def2-svpd",
    experimental: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Candidate that is known as a crystal; may be repeated."),
    ] = None,
    threads: options.Threads = None,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    from madelung.common.machine import available_cores
    from madelung.polymorphs.job import rank_candidates, ranking_lines
    from madelung.polymorphs.pyscf_monomers import PyscfMonomers

    found = rank_candidates(
        candidates,
        out,
        engine=PyscfMonomers(basis=basis, threads=threads or available_cores()),
        experimental=experimental or (),
        resume=resume,
        quiet=quiet,
    )
    for problem in found.problems:
        typer.echo(shown(f"left out: {problem}"), err=True)
    if as_json:
        typer.echo(json_text(list(found.rows), indent=2))
        return
    for line in ranking_lines(found):
        typer.echo(shown(line))
    typer.echo(f"written to {out}")
