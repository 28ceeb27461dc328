"""``madelung phonons expansion``: quasi-harmonic thermal expansion in a force field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madelung.cli import options
from madelung.cli.phonons.crystals import Supercell, Temperatures, temperature_range
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text
from madelung.common.text import shown

__all__ = ["HELP", "expansion"]

HELP = """
Thermal expansion, bulk modulus, heat capacity at constant pressure and Grüneisen parameters.

Phonons of a force field at several volumes, in the quasi-harmonic approximation. The shape of the \
cell is kept: the expansion of crystals that are not cubic is that of their volume.

[bold]Examples[/bold]

  madelung phonons expansion POSCAR --force-field copper.json --out expansion

  madelung phonons expansion x.cif --force-field ff.json --temperatures 0:600:10 --out x
"""
_RANGE = "0:800:20"


@alone_in_folder
def expansion(
    structure: Annotated[
        str, typer.Argument(metavar="FILE", help="One crystal, near its volume of least energy.")
    ],
    force_field: options.ForceFieldPath,
    out: options.Out,
    temperatures: Temperatures = _RANGE,
    supercell: Supercell = None,
    strains: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Changes of all lengths, divided by commas; at least five.",
            show_default="-0.03,-0.02,…,0.04",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    from madelung.cli.files import example_paths
    from madelung.forcefields.files import load_force_field
    from madelung.phonons.expansion import expansion_line, write_expansion
    from madelung.phonons.quasi_harmonic import STRAINS, quasi_harmonic

    path = example_paths([structure]).get(structure, Path(structure))
    found = quasi_harmonic(
        path,
        load_force_field(force_field),
        strains=STRAINS if strains is None else _numbers(strains),
        supercell=supercell,
        temperatures=temperature_range(temperatures or _RANGE),
        quiet=False,
    )
    row = write_expansion(found, out, structure, title=found.formula)
    if as_json:
        typer.echo(json_text(row, indent=2))
        return
    typer.echo(shown(expansion_line(row)))
    typer.echo(f"written to {out}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write numbers divided by commas, such as -0.02,-0.01,0,0.01,0.02",
            param_hint="--strains",
        ) from None
