"""``madelung phonons compare`` and ``fit``: phonons that somebody has calculated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madelung.cli import options
from madelung.cli.phonons.crystals import Supercell
from madelung.common.locks import alone_in_folder
from madelung.common.outputs import json_text

__all__ = ["COMPARE_HELP", "FIT_HELP", "compare", "fit"]

COMPARE_HELP = """
Draw predicted bands over those of a calculation, and say how far they are apart.

[bold]Examples[/bold]

  madelung phonons compare phonopy_params.yaml --out compared

  madelung phonons compare FORCE_SETS --unit-cell POSCAR --supercell 2 2 2 --out compared
"""
FIT_HELP = """
Make force constants of displacements and forces, and say what they are worth.

[bold]Examples[/bold]

  madelung phonons fit phonopy_params.yaml --out fitted

  madelung phonons fit displaced.extxyz --unit-cell POSCAR --out fitted

  madelung phonons fit FORCE_SETS --unit-cell POSCAR --supercell 2 2 2 --born BORN --out fitted
"""

Reference = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="phonopy_params.yaml, phonopy.yaml, FORCE_SETS, FORCE_CONSTANTS, or extxyz frames "
        "of displaced supercells with forces.",
    ),
]
Cell = Annotated[
    Path | None,
    typer.Option(
        "--unit-cell", metavar="FILE", help="The unit cell, for files that do not say it."
    ),
]
Born = Annotated[
    Path | None, typer.Option(metavar="FILE", help="BORN, for the non-analytical term.")
]


@alone_in_folder
def compare(
    reference: Reference,
    out: options.Out,
    cell: Cell = None,
    supercell: Supercell = None,
    model: options.ModelName = "phonons",
    as_json: options.AsJson = False,
) -> None:
    from madelung.phonons.calculated import read_calculated
    from madelung.phonons.comparison import compared
    from madelung.phonons.loading import load_phonon_model
    from madelung.phonons.prediction import Phonons
    from madelung.phonons.report import write_bands

    true = Phonons(read_calculated(reference, unit_cell=cell, supercell=supercell))
    found = load_phonon_model(model).predict(true.crystal)
    errors = compared(found, true)
    write_bands(found, out, reference=true, title=true.crystal.formula)
    if as_json:
        typer.echo(json_text(errors, indent=2))
        return
    for name, value in errors.items():
        typer.echo(f"{name.replace('_', ' ')}: {value:.3f}")
    typer.echo(f"written to {out}")


@alone_in_folder
def fit(
    reference: Reference,
    out: options.Out,
    cell: Cell = None,
    supercell: Supercell = None,
    born: Born = None,
    as_json: options.AsJson = False,
) -> None:
    from madelung.phonons.calculated import read_calculated
    from madelung.phonons.prediction import Phonons
    from madelung.phonons.report import summary_line, summary_row, write_bands

    harmonic = read_calculated(reference, unit_cell=cell, supercell=supercell, born=born)
    found = Phonons(harmonic)
    row = summary_row(str(reference), found.crystal.formula, found)
    write_bands(found, out, dipoles=harmonic.born is not None, title=found.crystal.formula)
    typer.echo(json_text(row, indent=2) if as_json else summary_line(row))
