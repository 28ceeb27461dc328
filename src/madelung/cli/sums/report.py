"""Where the results of a job over many crystals go: screen, files and pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from madelung.cli.files import EXAMPLE_PREFIX, report_problems
from madelung.common.terminal import LiteralConsole

if TYPE_CHECKING:
    from madelung.cli.sums.tables import SummaryTable
    from madelung.cli.sums.writers import Writer
    from madelung.sums.files import FileSums
    from madelung.sums.names import NamedPotential

__all__ = ["Pictures", "SumsOutput"]

_PIPED_WIDTH = 200


@dataclass
class SumsOutput:
    """Passes results on, and counts what went well and what did not.

    Parameters
    ----------
    form
        ``"json"``, ``"csv"`` or ``"txt"``.
    stream
        Where to write.
    named
        The potentials, in the order of the sums.
    rows
        Most rows of a table of pairs; 0 for all.
    many
        Whether to print one line for each crystal instead of tables.
    """

    form: str
    stream: TextIO
    named: Sequence[NamedPotential]
    rows: int
    many: bool
    done: int = 0
    unreached: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        from madelung.cli.sums.writers import CsvWriter, JsonWriter

        self._writer: Writer | None = None
        self._summary: SummaryTable | None = None
        if self.form == "json":
            self._writer = JsonWriter(self.stream, self.named)
        elif self.form == "csv":
            self._writer = CsvWriter(self.stream, self.named)
        else:
            self._console = LiteralConsole(file=self.stream)
            if not self._console.is_terminal:
                self._console.width = _PIPED_WIDTH

    def add(self, entry: FileSums) -> None:
        """Write one crystal, or remember what was wrong with it."""
        if entry.problem is None:
            self.done += 1
            self.unreached += not (entry.reached is not None and entry.reached.all())
        else:
            self.problems.append(str(entry.problem))
        if self._writer is not None:
            self._writer.add(entry)
        elif entry.problem is None:
            self._print(entry)

    def _print(self, entry: FileSums) -> None:
        from madelung.cli.sums.tables import SummaryTable, print_crystal

        titles = [item.title for item in self.named]
        if not self.many:
            print_crystal(self._console, entry, titles, self.rows)
            return
        if self._summary is None:
            self._summary = SummaryTable(self._console, titles)
        self._summary.add(entry)

    def close(self) -> None:
        """End the output."""
        if self._writer is not None:
            self._writer.close()

    def conclude(self) -> None:
        """SumsOutput what could not be used; the exit code is 1 if nothing could."""
        if self.unreached:
            print(
                f"{self.unreached} crystals did not reach the tolerance in double precision; "
                "their certificates say what was reached",
                file=sys.stderr,
            )
        report_problems(self.done, self.problems, "summed")


class Pictures:
    """Draws one picture for each crystal.

    Parameters
    ----------
    target
        A file, or a folder (a name without a suffix). Several crystals whose target is a file get
        files of their own beside it, ``target-NAME.png``.
    named
        The potentials, in the order of the sums.
    single
        Whether there is only one file of crystals.
    """

    def __init__(self, target: Path, named: Sequence[NamedPotential], single: bool) -> None:
        self._folder = target if target.suffix == "" else target.parent
        self._pattern = (
            "{name}.png" if target.suffix == "" else f"{target.stem}-{{name}}{target.suffix}"
        )
        self._only = target if single and target.suffix else None
        self._titles = [item.title for item in named]
        self._used: dict[str, int] = {}

    def add(self, entry: FileSums) -> None:
        """Draw one crystal."""
        from madelung.common.figures import save_figure
        from madelung.sums.plots import plot_sums

        assert entry.crystal is not None and entry.values is not None
        figure = plot_sums(
            entry.crystal, entry.values, self._titles, entry.certificate, entry.electrostatics
        )
        try:
            save_figure(figure, self._path(entry.file))
        except ValueError as problem:
            raise typer.BadParameter(str(problem), param_hint="--plot") from None

    def _path(self, file: str) -> Path:
        name = Path(file.removeprefix(EXAMPLE_PREFIX)).name.split(".")[0]
        count = self._used.get(name, 0)
        self._used[name] = count + 1
        if self._only is not None and count == 0:
            return self._only
        numbered = name if count == 0 else f"{name}-{count + 1}"
        return self._folder / self._pattern.format(name=numbered)
