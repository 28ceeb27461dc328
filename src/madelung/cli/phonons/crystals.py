"""``madelung phonons FILE…``: one line for each crystal, and pictures of one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from madelung.cli import options
from madelung.common.outputs import json_text
from madelung.common.tables import TableWriter
from madelung.common.text import shown

if TYPE_CHECKING:
    from madelung.crystals.crystal import Crystal
    from madelung.phonons.prediction import Phonons

__all__ = ["HELP", "Supercell", "Temperatures", "phonons", "temperature_range"]

HELP = """
Say of crystals whether they are stable, and what their phonons are worth at 300 K.

Numbers after ± are half-widths of intervals that held 90 % of the true values of validation \
crystals. With --force-field the phonons are those of a force field, by displacements.

[bold]Examples[/bold]

  madelung phonons example:NaCl --json

  madelung phonons x.cif --out ph --bands --dos --temperatures 0:1000:10 --nac

  madelung phonons x.cif --out ph --supercell 4 4 4 --write phonopy,born

  madelung phonons POSCAR --force-field copper.json --out ph --bands
"""
_LARGEST = 300

Supercell = Annotated[
    tuple[int, int, int] | None,
    typer.Option(
        metavar="N N N",
        help="Supercell of the primitive cell, for files and displacements.",
        show_default="chosen by length",
    ),
]
Temperatures = Annotated[
    str | None,
    typer.Option(metavar="FIRST:LAST:STEP", help="Thermodynamics at these temperatures in K."),
]


def phonons(
    files: options.CrystalFiles,
    model: options.ModelName = "phonons",
    force_field: options.OptionalForceField = None,
    out: options.OutFile = None,
    bands: Annotated[bool, typer.Option("--bands", help="Bands of the one crystal.")] = False,
    dos: Annotated[bool, typer.Option("--dos", help="Density of states beside them.")] = False,
    nac: Annotated[
        bool,
        typer.Option("--nac", help="With the Born charges of an insulator (LO-TO splitting)."),
    ] = False,
    temperatures: Temperatures = None,
    supercell: Supercell = None,
    write: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="Files for phonopy, divided by commas: phonopy, force-constants, force-sets, "
            "born.",
        ),
    ] = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    format: options.Format = None,
    every: options.Every = False,
    strict: options.Strict = False,
    max_atoms: options.MaxAtoms = _LARGEST,
    threads: options.Threads = None,
) -> None:
    from madelung.cli.files import choose_form, example_paths, open_output, with_progress
    from madelung.common.machine import available_cores, torch_threads
    from madelung.data.crystal_files import find_sources, iterate_sources

    details = bands or dos or nac or temperatures is not None or write is not None
    if details and (out is None or out.suffix != ""):
        raise typer.BadParameter("name a folder for pictures and files", param_hint="--out")
    degrees = None if temperatures is None else temperature_range(temperatures)
    examples = example_paths(files)
    given = {str(path): name for name, path in examples.items()}
    paths = find_sources(examples.get(file, file) for file in files)
    find = _source(model, force_field, supercell)
    entries = iterate_sources(paths, format=format, every=every)
    form = choose_form(as_json, as_csv, out)
    with torch_threads(threads or available_cores()), open_output(out, form, "phonons") as stream:
        rows = _Rows(form, stream)
        for file, crystal in with_progress(entries, len(paths), quiet=stream is sys.stdout):
            row, found = _row(given.get(str(file), str(file)), crystal, find, max_atoms)
            if strict and "error" in row:
                raise row["problem"]
            rows.add(row)
            if details and found is not None and out is not None:
                folder = out if len(paths) == 1 else out / f"{rows.done:04d}-{row['formula']}"
                _write(found, folder, row["formula"], (bands, dos, nac), degrees, supercell, write)
        rows.close()
    rows.conclude()


def _source(
    model: str, force_field: Path | None, supercell: tuple[int, int, int] | None
) -> Callable[[Crystal], Phonons]:
    """What finds the phonons of a crystal."""
    if force_field is None:
        from madelung.phonons.loading import load_phonon_model

        return load_phonon_model(model).predict
    from madelung.forcefields.files import load_force_field
    from madelung.phonons.displacements import phonons_of_force_field

    field = load_force_field(force_field)
    return lambda crystal: phonons_of_force_field(crystal, field, supercell, quiet=False)


def _row(
    name: str, crystal: Any, find: Callable[[Crystal], Phonons], max_atoms: int
) -> tuple[dict[str, Any], Phonons | None]:
    """The row of a crystal, or what is wrong with it."""
    import numpy as np

    from madelung.common.errors import MadelungError, PhononError
    from madelung.phonons.report import summary_row

    try:
        if isinstance(crystal, MadelungError):
            raise crystal
        if len(crystal) > max_atoms:
            raise PhononError(
                f"{name}: {len(crystal)} atoms; --max-atoms allows {max_atoms}, as time grows with "
                "the third power"
            )
        found = find(crystal)
        return summary_row(name, crystal.formula, found), found
    except MadelungError as problem:
        return {"file": name, "error": str(problem), "problem": problem}, None
    except np.linalg.LinAlgError as problem:
        error = PhononError(f"{name}: its dynamical matrices have no eigenvalues ({problem})")
        return {"file": name, "error": str(error), "problem": error}, None


def _write(
    found: Phonons,
    folder: Path,
    formula: str,
    wanted: tuple[bool, bool, bool],
    degrees: list[float] | None,
    supercell: tuple[int, int, int] | None,
    write: str | None,
) -> None:
    """Write what was asked for of one crystal."""
    import numpy as np

    from madelung.phonons.files import write_phonopy
    from madelung.phonons.report import write_bands, write_thermodynamics

    folder.mkdir(parents=True, exist_ok=True)
    bands, dos, nac = wanted
    multiples = None if supercell is None else np.diag(supercell)
    if bands or dos or nac:
        write_bands(found, folder, dipoles=nac, density=dos, title=formula, multiples=multiples)
    if degrees is not None:
        write_thermodynamics(found, folder, degrees, title=formula)
    if write is not None:
        write_phonopy(found.harmonic, folder, found.supercell(multiples), write.split(","))


def temperature_range(text: str) -> list[float]:
    """Return the numbers of FIRST:LAST:STEP, or one number."""
    import numpy as np

    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) == 1:
            return parts
        first, last, step = parts
        if step <= 0.0 or last < first or first < 0.0 or (last - first) / step > 100_000:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write FIRST:LAST:STEP in K, such as 0:1000:10", param_hint="--temperatures"
        ) from None
    return [float(value) for value in np.arange(first, last + step / 2.0, step)]


class _Rows:
    """Writes rows as they come, and counts what could not be used."""

    def __init__(self, form: str, stream: TextIO) -> None:
        from madelung.phonons.report import SUMMARY_COLUMNS

        self._form, self._stream = form, stream
        self._columns = (*SUMMARY_COLUMNS, "error")
        self._separator = "[\n"
        self._table = TableWriter(stream)
        self._problems: list[str] = []
        self.done = 0
        if form == "csv":
            self._table.writerow(self._columns)

    def add(self, row: dict[str, Any]) -> None:
        """Write one crystal."""
        from madelung.phonons.report import summary_line

        row = {name: value for name, value in row.items() if name != "problem"}
        if "error" in row:
            self._problems.append(row["error"])
        else:
            self.done += 1
        if self._form == "json":
            self._stream.write(self._separator + json_text(row, ensure_ascii=False))
            self._separator = ",\n"
        elif self._form == "csv":
            flat = row | {"warnings": "; ".join(row.get("warnings", []))}
            self._table.writerow([flat.get(column, "") for column in self._columns])
        elif "error" not in row:
            self._stream.write(shown(summary_line(row)) + "\n")

    def close(self) -> None:
        """End the output."""
        if self._form == "json":
            self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def conclude(self) -> None:
        """Report what could not be used; the exit code is 1 if nothing could."""
        from madelung.cli.files import report_problems

        report_problems(self.done, self._problems, "calculated")
