"""What ``madelung fit`` prints at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["number", "print_results"]


def print_results(title: str, results: dict[str, Any], folder: Path) -> None:
    """Print the errors of a fit, what was left out, and where the files are.

    Parameters
    ----------
    title
        Above the table.
    results
        What stands in ``results.json``.
    folder
        Folder of the fit.
    """
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    console = LiteralConsole()
    table = Table(title=title)
    table.add_column("part")
    for heading in ("configurations", "energy RMSE (meV/atom)", "force RMSE (eV/Å)"):
        table.add_column(heading, justify="right")
    for part, errors in results["errors"].items():
        table.add_row(
            part,
            f"{errors['configurations']:,}",
            number(errors.get("energy_rmse"), 2),
            number(errors.get("force_rmse"), 3),
        )
    console.print(table)
    if results["skipped"]:
        first = f": {results['problems'][0]}" if results["problems"] else ""
        console.print(f"{results['skipped']} configurations were left out{first}")
    if "warning" in results:
        console.print(f"warning: {results['warning']}")
    if "lammps" in results:
        console.print(f"no file for LAMMPS: {results['lammps']}")
    console.print(f"potential, errors and pictures: {folder}")


def number(value: Any, digits: int) -> str:
    """Return a number with so many digits; nothing if there is none."""
    return "" if value is None or value != value else f"{value:.{digits}f}"
