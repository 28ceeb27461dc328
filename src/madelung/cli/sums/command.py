"""``madelung sums``: complete lattice sums of the crystals in files."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from madelung.cli import options
from madelung.cli.options import single_command
from madelung.common.errors import PotentialError
from madelung.sums.names import potential_usages

if TYPE_CHECKING:
    from madelung.sums.files import FileSums
    from madelung.sums.names import NamedPotential

__all__ = ["app", "sums"]

# More crystals than this are listed with one line each.
_MOST_TABLES = 10

# Rich breaks the lines of a paragraph where they are broken here, so each is one line.
_HELP = """
Sum pair potentials over all images of an infinite crystal, for every pair of its atoms.

Each sum comes with a certificate: a bound on its absolute error. Where charges are known \
(given here, or as oxidation numbers in the file) site potentials, the electrostatic energy and \
the Madelung constant follow. CSV has one row for each pair of atoms. Units: eV, Å, e, V.

[bold]Potentials[/bold]

POTENTIALS

[bold]Examples[/bold]

  madelung sums NaCl.cif

  madelung sums example:NaCl example:TiO2 --plot pictures/

  madelung sums POSCAR --potentials coulomb,yukawa:0.5,r12 --tolerance 1e-12

  madelung sums NaCl.cif --charges Na=1,Cl=-1

  madelung sums folder/ --csv --out sums.csv

  madelung sums NaCl.cif --json | python -m json.tool
""".replace(
    "POTENTIALS",
    "\n\n".join(f"  {usage:<33} {formula}" for usage, formula in potential_usages()),
)


def sums(
    files: options.CrystalFiles,
    potentials: options.PotentialNames = "coulomb,london,pauli:3.0",
    tolerance: options.Tolerance = 1e-8,
    relative_tolerance: options.RelativeTolerance = 0.0,
    charges: options.ChargeRule = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    out: options.OutFile = None,
    plot: options.Plot = None,
    rows: options.Rows = 30,
    format: options.Format = None,
    every: options.Every = False,
    strict: options.Strict = False,
    max_atoms: options.MaxAtoms = 4000,
    executor: options.Executor = options.ExecutorName.auto,
    threads: options.Threads = None,
) -> None:
    from madelung.cli.files import choose_form, example_paths, open_output, with_progress
    from madelung.cli.sums.report import Pictures, SumsOutput
    from madelung.data.crystal_files import find_sources, iterate_sources
    from madelung.sums.files import sum_items

    _check_tolerances(tolerance, relative_tolerance)
    named = _parse_potentials(potentials)
    rule = _parse_charges(charges)
    examples = example_paths(files)
    paths = find_sources(examples.get(file, file) for file in files)
    form = choose_form(as_json, as_csv, out)
    entries = sum_items(
        iterate_sources(paths, format=format, every=every),
        [item.potential for item in named],
        charges=rule,
        max_atoms=max_atoms,
        tolerance=tolerance,
        relative_tolerance=relative_tolerance,
        executor=executor.value,
        threads=threads,
    )
    pictures = None if plot is None else Pictures(plot, named, single=len(paths) == 1)
    with ExitStack() as stack:
        stream = stack.enter_context(open_output(out, form))
        report = SumsOutput(form, stream, named, rows, many=len(paths) > _MOST_TABLES)
        for entry in with_progress(entries, len(paths), quiet=stream is sys.stdout):
            if entry.problem is not None and strict:
                raise entry.problem
            shown = _named_as_given(entry, examples)
            report.add(shown)
            if pictures is not None and shown.crystal is not None:
                pictures.add(shown)
        report.close()
    report.conclude()


sums.__doc__ = _HELP
app = single_command(sums)


def _check_tolerances(tolerance: float, relative_tolerance: float) -> None:
    # Written so that NaN is refused too.
    if not (
        tolerance >= 0.0 and relative_tolerance >= 0.0 and tolerance + relative_tolerance > 0.0
    ):
        raise typer.BadParameter(
            "--tolerance and --relative-tolerance must not be negative, and one must be positive"
        )


def _parse_potentials(text: str) -> list[NamedPotential]:
    from madelung.sums.names import potentials_from_names

    try:
        return potentials_from_names(text)
    except PotentialError as problem:
        raise typer.BadParameter(str(problem), param_hint="--potentials") from None


def _parse_charges(text: str | None) -> dict[str, float] | str | None:
    if text is None or text.strip().lower() == "oxidation":
        return None if text is None else "oxidation"
    charges = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        symbol, _, number = item.partition("=")
        try:
            charges[symbol.strip()] = float(number)
        except ValueError:
            raise typer.BadParameter(
                f"{item!r} is no charge; write Na=1,Cl=-1 or oxidation", param_hint="--charges"
            ) from None
    return charges


def _named_as_given(entry: FileSums, examples: dict[str, Path]) -> FileSums:
    for name, path in examples.items():
        if entry.file == str(path) and entry.crystal is not None:
            return replace(entry, file=name, crystal=replace(entry.crystal, source=name))
    return entry
