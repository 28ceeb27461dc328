"""Files that a command is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

__all__ = ["EXAMPLE_PREFIX", "choose_form", "example_paths"]

EXAMPLE_PREFIX = "example:"
"""What stands before the name of a crystal that comes with the package."""


def example_paths(files: Sequence[str]) -> dict[str, Path]:
    """Return the paths of the examples that are asked for, by the name they are asked by."""
    from madelung.examples import example_path

    return {
        file: example_path(file.removeprefix(EXAMPLE_PREFIX))
        for file in files
        if file.startswith(EXAMPLE_PREFIX)
    }


def choose_form(as_json: bool, as_csv: bool, output: Path | None) -> str:
    """Return the form of the output: "json", "csv" or "txt"."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    suffix = "" if output is None else output.suffix.lower()
    if as_json or (suffix == ".json" and not as_csv):
        return "json"
    return "csv" if as_csv or suffix == ".csv" else "txt"
