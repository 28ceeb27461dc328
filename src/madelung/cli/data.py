"""``madelung data``: data sets by name, and stores of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from madelung.cli import options
from madelung.common.outputs import json_text
from madelung.common.text import shown

if TYPE_CHECKING:
    from madelung.data.store import CrystalStore

__all__ = ["app"]

_HELP = """
Find, download and convert data sets of crystals.

A data set is the name of a public one (see 'madelung data list'; a target may follow, as in \
matbench/jdft2d/exfoliation_en), or a file or folder: JSON lines, a folder of structures with a \
CSV of targets, JARVIS's id_prop.csv or JSON, Matbench's JSON, extxyz. Downloads go to \
$MADELUNG_DATA, or to the user's folder for data.

[bold]Examples[/bold]

  madelung data list

  madelung data info example:jarvis

  madelung data import folder/ --out store

  madelung data import matbench/jdft2d matbench_jdft2d.json.gz

  madelung data download jarvis/dft_3d_2021

  madelung data export example:jarvis --out jarvis.jsonl.gz

  madelung data combine mine/ example:jarvis --out both --held-out tested.jsonl
"""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Source = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name, file or folder.")]


@app.command("list")
def list_datasets(as_json: options.AsJson = False) -> None:
    """List the data sets that are known by name."""
    from madelung.data.index import is_store
    from madelung.data.named import data_folder, dataset_names

    entries: list[dict[str, Any]] = [
        {
            "name": dataset.name,
            "description": dataset.description,
            "crystals": dataset.crystals,
            "targets": [{"name": item.name, "unit": item.unit} for item in dataset.targets],
            "split": dataset.split,
            "licence": dataset.licence,
            "here": not dataset.addresses or is_store(data_folder() / dataset.name),
        }
        for dataset in dataset_names()
    ]
    if as_json:
        typer.echo(json_text(entries, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table("name", "crystals", "targets", "split", "licence", "here")
    for entry in entries:
        targets = [f"{item['name']} ({item['unit'] or '1'})" for item in entry["targets"]]
        more = [f"and {len(targets) - 5} more"] if len(targets) > 5 else []
        table.add_row(
            entry["name"],
            f"{entry['crystals']:,}",
            "\n".join(targets[:5] + more),
            entry["split"],
            entry["licence"],
            "yes" if entry["here"] else "no",
        )
    _print(table)


@app.command("info")
def info(source: Source, as_json: options.AsJson = False) -> None:
    """Show what a data set holds: crystals, targets with units and ranges, splits, licence.

    A named data set is not downloaded for it. The checksums of a store are compared.
    """
    from madelung.data.summary import summarise

    found = summarise(source)
    if as_json:
        typer.echo(json_text(found, indent=2, ensure_ascii=False))
    else:
        _print_info(found)


@app.command("import")
def import_file(
    source: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="Name of a public data set, or a file.")
    ],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="File of the named data set.", show_default=False),
    ] = None,
    out: options.OptionalOutStore = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the files with official splits (dft_3d_TARGET.json.zip).",
            show_default="that of the file",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The file holds a part of the named data set.")
    ] = False,
    strict: options.Strict = False,
) -> None:
    """Make the store of a file or folder, or of the file of a named data set."""
    if file is not None:
        from madelung.data.named import import_dataset

        store = import_dataset(
            source, file, folder=out, splits=splits, partial=partial, progress=True, strict=strict
        )
    else:
        from madelung.data.dataset import open_dataset

        if out is None:
            raise typer.BadParameter("name the folder of the store", param_hint="--out")
        store = open_dataset(source, folder=out, progress=True, strict=strict)
    _report(store)


@app.command("download")
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a public data set.")],
    out: options.OptionalOutStore = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Folder on the web that holds the files, tried first.",
            show_default="$MADELUNG_MIRROR",
        ),
    ] = None,
    strict: options.Strict = False,
) -> None:
    """Download a named data set with its official splits."""
    from madelung.data.named import download_dataset

    _report(download_dataset(name, folder=out, mirror=mirror, progress=True, strict=strict))


@app.command("export")
def export(
    source: Source,
    out: options.OutLines,
) -> None:
    """Write a data set as JSON lines."""
    from madelung.data.dataset import export_json_lines, open_dataset

    store = open_dataset(source, progress=True)
    export_json_lines(store, out)
    _report_problems(store)
    typer.echo(f"{len(store):,} crystals in {out}")


@app.command("combine")
def combine(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Names, files or folders.")
    ],
    out: options.OutStore,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Target to take (all without it).", show_default=False),
    ] = None,
    log10: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Target to take the base-10 logarithm of."),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE[@SPLIT]",
            help="Crystals to leave out of training: a whole data set, or val and test of a split.",
        ),
    ] = None,
) -> None:
    """Make one store of several data sets, without training on crystals that are held out.

    Each target gets a split of its own name. Needs pymatgen if something is held out; matches.csv
    in the store then says what matches.
    """
    from madelung.data.combining import combine_sources

    made = combine_sources(
        sources,
        out,
        targets=target,
        log10=log10 or (),
        held_out=held_out or (),
        progress=True,
    )
    for label, counts in made.sources.items():
        typer.echo(
            f"{shown(label)}: {counts['records']:,} of {counts['crystals']:,} crystals, "
            f"{counts['held_out']:,} of them out of training"
        )
    for label, counts in made.held_out.items():
        typer.echo(
            f"held out {shown(label)}: {counts['crystals']:,} crystals match {counts['matched']:,} "
            f"records ({counts['uncompared']:,} pairs could not be compared)"
        )
    _report(made.store)


def _report(store: CrystalStore) -> None:
    _report_problems(store)
    typer.echo(f"{len(store):,} crystals in {store.folder}")


def _report_problems(store: CrystalStore) -> None:
    for problem in store.problems:
        typer.echo(f"not used: {shown(problem)}", err=True)
    if store.problems:
        typer.echo(f"{len(store):,} records used, {len(store.problems):,} problems", err=True)


def _print_info(found: dict[str, Any]) -> None:
    from rich.table import Table

    facts = Table(show_header=False)
    for key in ("name", "description", "crystals", "atoms", "problems", "licence", "source"):
        if found.get(key) not in (None, ""):
            value = found[key]
            facts.add_row(key, f"{value:,}" if isinstance(value, int) else value)
    for key in ("citation", "folder", "fingerprint", "default_target", "default_split"):
        if found.get(key):
            facts.add_row(key.replace("_", " "), found[key])
    targets = Table("target", "unit", "crystals", "least", "mean", "greatest", "description")
    for item in found["targets"]:
        numbers = [
            "" if item.get(key) is None else f"{item[key]:.6g}" for key in ("min", "mean", "max")
        ]
        count = item.get("crystals")
        listed = "" if count is None else f"{count:,}"
        targets.add_row(item["name"], item["unit"], listed, *numbers, item["description"])
    _print(facts, targets)
    if found.get("splits"):
        splits = Table("split", "train", "val", "test")
        for item in found["splits"]:
            splits.add_row(item["name"], *(f"{item[part]:,}" for part in ("train", "val", "test")))
        _print(splits)
    _print_dropped(found)
    if found.get("split"):
        typer.echo(shown(f"splits: {found['split']}"))
    if not found["here"]:
        typer.echo(f"not downloaded: madelung data download {found['name']}")


def _print_dropped(found: dict[str, Any]) -> None:
    for problem in found.get("dropped", ()):
        typer.echo(f"not used: {problem}")
    for item in found["targets"]:
        if item.get("without_value"):
            typer.echo(f"{item['without_value']:,} crystals have no value of {item['name']}")


def _print(*tables: Any) -> None:
    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
    if not console.is_terminal:
        console.width = 200
    for table in tables:
        console.print(table)
