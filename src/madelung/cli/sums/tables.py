"""Tables of complete sums for people to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from madelung.common.text import shown
from madelung.crystals.crystal import Crystal
from madelung.sums.electrostatics import Electrostatics
from madelung.sums.files import FileSums
from madelung.sums.formatting import bound_text, value_text

__all__ = ["SummaryTable", "print_crystal"]

# Pairs whose distances (Å) and sums (relative) differ by less are shown as one row.
_SAME_DISTANCE = 1e-5
_SAME_VALUE = 1e-6
_GROUPED_PAIRS = 20_000


def print_crystal(console: Console, entry: FileSums, titles: Sequence[str], rows: int) -> None:
    """Print the table of one crystal: pairs with their sums, then electrostatics.

    Parameters
    ----------
    console
        Where to print.
    entry
        Sums of one crystal, without a problem.
    titles
        Titles of the potentials, with units.
    rows
        Most rows to print; 0 for all.
    """
    crystal = entry.crystal
    assert crystal is not None
    count = f"{len(crystal)} atom{'s' if len(crystal) > 1 else ''}"
    heading = f"{crystal.formula}, {count}, {crystal.volume:.3f} Å³"
    console.print(Text.assemble(("\n" + heading, "bold"), shown(f"  {entry.source}")))
    console.print(_pair_table(entry, titles, rows))
    if entry.reached is not None and not entry.reached.all():
        unreached = [title for title, ok in zip(titles, entry.reached, strict=True) if not ok]
        console.print(f"tolerance not reached in double precision: {', '.join(unreached)}")
    for text in crystal.warnings:
        console.print(f"warning: {text}", highlight=False, soft_wrap=True)
    if entry.electrostatics is not None:
        console.print(_site_table(crystal, entry.electrostatics))
        for line in _energy_lines(crystal, entry.electrostatics):
            console.print(line, highlight=False)


class SummaryTable:
    """One line for each crystal, printed as the crystals come.

    Parameters
    ----------
    console
        Where to print.
    titles
        Titles of the potentials, with units.
    """

    def __init__(self, console: Console, titles: Sequence[str]) -> None:
        self._console = console
        self._titles = titles
        self._started = False

    def add(self, entry: FileSums) -> None:
        """Print the line of one crystal, and before the first the heading."""
        assert entry.crystal is not None and entry.certificate is not None
        if not self._started:
            bounds = " ".join(f"{title[:14]:>14}" for title in self._titles)
            self._console.print(
                f"{'formula':<16}{'atoms':>6} {'Madelung':>13} {bounds}  file\n"
                f"{'':<22} {'constant':>13} {'(bounds on the errors)':<{len(bounds)}}",
                style="bold",
                highlight=False,
                soft_wrap=True,
            )
            self._started = True
        constant = _madelung_text(entry.electrostatics)
        bounds = " ".join(f"{bound_text(bound):>14}" for bound in entry.certificate)
        self._console.print(
            f"{entry.crystal.formula:<16}{len(entry.crystal):>6} {constant:>13} {bounds}  "
            f"{entry.source}" + "".join(f"\n  warning: {text}" for text in entry.crystal.warnings),
            highlight=False,
            soft_wrap=True,
        )


def _madelung_text(result: Electrostatics | None) -> str:
    if result is None or result.madelung_constant is None or result.madelung_certificate is None:
        return "-"
    return value_text(result.madelung_constant, result.madelung_certificate)


def _pair_table(entry: FileSums, titles: Sequence[str], rows: int) -> Table:
    crystal, values, certificate = entry.crystal, entry.values, entry.certificate
    assert crystal is not None and values is not None and certificate is not None
    assert entry.distances is not None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, justify in (("pair", "left"), ("count", "right"), ("distance (Å)", "right")):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    groups, left_out = _pair_groups(crystal, values, entry.distances)
    shown = groups if rows == 0 else groups[:rows]
    for i, j, distance, count in shown:
        symbols = crystal.symbols
        pair = f"{symbols[i]}-{symbols[j]}" + (" (same atom)" if i == j else "")
        sums = [
            value_text(float(matrix[i, j]), float(bound))
            for matrix, bound in zip(values, certificate, strict=True)
        ]
        table.add_row(pair, str(count), f"{distance:.4f}", *sums)
    hidden = sum(count for *_, count in groups[len(shown) :]) + left_out
    if hidden:
        blank = [""] * len(titles)
        table.add_row(f"... {hidden} more pairs (--rows 0, --csv or --json)", "", "", *blank)
    bounds = [f"± {bound_text(bound)}" for bound in certificate]
    table.add_section()
    table.add_row("certificate", "", "", *bounds, style="dim")
    return table


def _pair_groups(
    crystal: Crystal, values: NDArray[np.float64], shortest: NDArray[np.float64]
) -> tuple[list[tuple[int, int, float, int]], int]:
    """Group the pairs i <= j that agree in species, distance and sums.

    Returns
    -------
    groups : list of (i, j, distance, count)
        One pair of each group, by distance.
    left_out : int
        Number of pairs beyond the shortest ones that are grouped.
    """
    first, second = np.triu_indices(len(crystal))
    distances = shortest[first, second]
    nearest = np.argsort(distances, kind="stable")[:_GROUPED_PAIRS]
    first, second, distances = first[nearest], second[nearest], distances[nearest]
    species = np.sort(np.stack([crystal.numbers[first], crystal.numbers[second]]), axis=0)
    keys = [_clusters(distances, _SAME_DISTANCE), *species, (first == second).astype(np.int64)]
    for matrix in values:
        scale = float(np.abs(matrix).max())
        keys.append(_clusters(matrix[first, second], _SAME_VALUE * scale))
    _, index, counts = np.unique(np.stack(keys), axis=1, return_index=True, return_counts=True)
    groups = [
        (int(first[at]), int(second[at]), float(distances[at]), int(count))
        for at, count in zip(index, counts, strict=True)
    ]
    total = len(crystal) * (len(crystal) + 1) // 2
    return groups, total - len(nearest)


def _clusters(values: NDArray[np.float64], gap: float) -> NDArray[np.int64]:
    """Number the values so that those closer than a gap get the same number, ascending."""
    order = np.argsort(values, kind="stable")
    labels = np.empty(len(values), dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > gap)])
    return labels


def _site_table(crystal: Crystal, result: Electrostatics) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("site", "count", "charge (e)", "potential (V)"):
        table.add_column(title, justify="left" if title == "site" else "right", no_wrap=True)
    scale = float(np.abs(result.site_potentials).max())
    keys = np.stack(
        [
            crystal.numbers,
            _clusters(result.charges, _SAME_VALUE),
            _clusters(result.site_potentials, _SAME_VALUE * scale),
        ]
    )
    _, index, counts = np.unique(keys, axis=1, return_index=True, return_counts=True)
    for at, count in zip(index, counts, strict=True):
        potential = value_text(float(result.site_potentials[at]), result.site_certificate)
        charge = f"{result.charges[at]:+g}"
        table.add_row(crystal.symbols[at], str(count), charge, potential)
    return table


def _energy_lines(crystal: Crystal, result: Electrostatics) -> list[str]:
    energy = value_text(result.energy, result.energy_certificate)
    per_formula = value_text(result.energy / result.formula_units, result.energy_certificate)
    lines = [f"electrostatic energy   {energy} eV per cell, {per_formula} eV per formula unit"]
    if result.madelung_constant is not None and result.madelung_certificate is not None:
        constant = value_text(result.madelung_constant, result.madelung_certificate)
        lines.append(
            f"Madelung constant      {constant} ± {bound_text(result.madelung_certificate)}   "
            f"(energy per formula unit x {result.nearest_distance:.5f} Å, unit charge "
            f"{result.unit_charge:g})"
        )
    if not result.is_neutral:
        lines.append(
            f"net charge {result.net_charge:+g} e per cell: a uniform neutralising background is "
            "included"
        )
    return lines
