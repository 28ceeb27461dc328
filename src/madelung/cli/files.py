"""Files that a command is given."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

import typer

from madelung.common.errors import CrystalError
from madelung.common.terminal import LiteralConsole
from madelung.common.text import shown

__all__ = [
    "EXAMPLE_PREFIX",
    "Entry",
    "choose_form",
    "example_paths",
    "list_dropped",
    "open_output",
    "report_problems",
    "with_progress",
]

_SHOWN_DROPPED = 50
_SUFFIXES = ("", ".json", ".csv", ".txt")

EXAMPLE_PREFIX = "example:"
"""What stands before the name of a crystal that comes with the package."""


def example_paths(files: Sequence[str]) -> dict[str, Path]:
    """Return the paths of the examples that are asked for, by the name they are asked by."""
    from madelung.crystals.examples import example_path

    return {
        file: example_path(file.removeprefix(EXAMPLE_PREFIX))
        for file in files
        if file.startswith(EXAMPLE_PREFIX)
    }


def choose_form(as_json: bool, as_csv: bool, output: Path | None) -> str:
    """Return the form of the output: "json", "csv" or "txt"."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    suffix = "" if output is None or output.is_dir() else output.suffix.lower()
    if suffix not in _SUFFIXES:
        raise typer.BadParameter(
            f"{output}: results are written as .json, .csv or .txt, or into a folder",
            param_hint="--out",
        )
    if as_json or (suffix == ".json" and not as_csv):
        return "json"
    return "csv" if as_csv or suffix == ".csv" else "txt"


Entry = TypeVar("Entry")


def report_problems(done: int, problems: Sequence[str], what: str) -> None:
    """List on stderr what could not be used.

    Parameters
    ----------
    done
        Crystals that went well.
    problems
        What was wrong with the others.
    what
        What was done with the crystals, for the count at the end.

    Raises
    ------
    CrystalError
        If there was no crystal at all.
    typer.Exit
        With exit code 1 if none went well.
    """
    for text in problems:
        print(f"not used: {shown(text)}", file=sys.stderr)
    total = done + len(problems)
    if problems and total > 1:
        print(f"{done} of {total} crystals {what}, {len(problems)} not used", file=sys.stderr)
    if total == 0:
        raise CrystalError("no files found; name crystal files or folders that hold them")
    if done == 0:
        raise typer.Exit(1)


def list_dropped(problems: Sequence[str], what: str = "records") -> None:
    """List on stderr what of a data set is not used, each with its reason, and how many."""
    for text in problems[:_SHOWN_DROPPED]:
        print(f"not used: {text}", file=sys.stderr)
    if problems:
        more = len(problems) - _SHOWN_DROPPED
        rest = f" ({more} more than listed; 'madelung data info' lists all)" if more > 0 else ""
        print(f"{len(problems)} {what} not used{rest}", file=sys.stderr)


@contextmanager
def open_output(output: Path | None, form: str, stem: str = "sums") -> Iterator[TextIO]:
    """Open the output, a file that appears when all is written, or the screen.

    In a folder the file is called by the stem and the form.
    """
    if output is None:
        yield sys.stdout
        return
    from madelung.common.outputs import whole_file

    is_folder = output.is_dir() or output.suffix == ""
    path = output / f"{stem}.{form}" if is_folder else output
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        yield stream


def with_progress(entries: Iterable[Entry], files: int, *, quiet: bool) -> Iterator[Entry]:
    """Show on stderr how far a long job is, if a person is watching and nothing else is printed."""
    console = LiteralConsole(stderr=True)
    if files < 2 or not console.is_terminal or (quiet and sys.stdout.isatty()):
        yield from entries
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("crystals", total=files)
        for entry in entries:
            progress.advance(task)
            yield entry
