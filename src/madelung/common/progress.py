"""Progress of long jobs, for a person who is watching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from madelung.common.text import shown

__all__ = ["Advance", "counted", "watched"]

Item = TypeVar("Item")


class Advance(Protocol):
    """Says how far a job is."""

    def __call__(self, done: float, total: float | None = None) -> None:
        """Say how much is done, and of how much if that is known."""


@contextmanager
def watched(what: str, *, show: bool, in_bytes: bool = False) -> Iterator[Advance]:
    """Show a bar on stderr while the block runs, if it is wanted and stderr is a terminal.

    Yields
    ------
    Advance
        To be called with what is done so far.
    """
    if show:
        from madelung.common.terminal import LiteralConsole

        console = LiteralConsole(stderr=True)
        show = console.is_terminal
    if not show:
        yield lambda done, total=None: None
        return
    from rich import progress

    amount: progress.ProgressColumn = (
        progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn()
    )
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        amount,
    )
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(shown(what), total=None)

        def advance(done: float, total: float | None = None) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def counted(items: Iterable[Item], what: str, *, show: bool) -> Iterator[Item]:
    """Pass items on, and show how many there were so far."""
    with watched(what, show=show) as advance:
        for number, item in enumerate(items, start=1):
            yield item
            advance(number)
