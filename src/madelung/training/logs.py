"""What a run says while it goes on: a progress line, a CSV file and TensorBoard."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import write_rows
from madelung.learning.checkpoints import Progress
from madelung.training.preparation import Preparation
from madelung.training.settings import TrainingSettings

__all__ = ["HISTORY_FILE", "TrainingLog"]

HISTORY_FILE = "history.csv"
SETTINGS_FILE = "settings.json"
TENSORBOARD_FOLDER = "tensorboard"
_LOGGER = logging.getLogger("madelung")


class TrainingLog:
    """Reports steps and epochs.

    Parameters
    ----------
    folder
        Folder of the run.
    prepared
        What the run starts from.
    settings
        Its settings.
    quiet
        Whether to show nothing on the screen.
    """

    def __init__(
        self, folder: Path, prepared: Preparation, settings: TrainingSettings, quiet: bool
    ) -> None:
        self._folder = folder
        self._prepared = prepared
        self._settings = settings
        self._quiet = quiet
        self._speaks = True
        self._rows: list[dict[str, Any]] = []
        self._bar: Any = None
        self._board: Any = None

    @contextmanager
    def open(self, progress: Progress, speaks: bool) -> Iterator[None]:
        """Start reporting where a run is; only the first process speaks and writes."""
        self._speaks = speaks
        self._rows = list(progress.history)
        if not speaks:
            yield
            return
        with whole_file(self._folder / SETTINGS_FILE) as temporary:
            content = self._settings.model_dump(mode="json")
            temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
        with ExitStack() as stack:
            self._board = _open_board(self._folder / TENSORBOARD_FOLDER, progress.epoch)
            if self._board is not None:
                stack.callback(self._board.close)
            if not self._quiet:
                self._introduce()
                self._bar = stack.enter_context(_progress_bar())
                self._task = self._bar.add_task("", total=None)
            yield

    def step(self, progress: Progress, steps_of_epoch: int) -> None:
        """Show that a step is done."""
        if self._bar is None:
            return
        total = self._settings.epochs * steps_of_epoch
        loss = progress.loss_sum / max(progress.loss_count, 1.0)
        text = f"epoch {progress.epoch + 1}/{self._settings.epochs}  loss {loss:.4f}{self._last()}"
        self._bar.update(self._task, completed=progress.step, total=total, description=text)

    def epoch(self, row: dict[str, Any]) -> None:
        """Write down an epoch."""
        self._rows.append(row)
        if not self._speaks:
            return
        write_rows(self._folder / HISTORY_FILE, self._rows)
        if self._board is not None:
            for name, value in row.items():
                if name != "epoch":
                    self._board.add_scalar(name, value, row["epoch"])

    def _last(self) -> str:
        if not self._rows:
            return ""
        row = self._rows[-1]
        names = (name for name in row if name.startswith("val "))
        return "  " + "  ".join(f"{name} {row[name]:.4g}" for name in names)

    def _introduce(self) -> None:
        from madelung.common.terminal import LiteralConsole

        counts = self._prepared.card.training["crystals"]
        console = LiteralConsole(stderr=True)
        console.print(
            f"learning {', '.join(self._prepared.membership.targets)} from {counts['train']} "
            f"crystals, choosing by {counts['val']}, testing on {counts['test']}"
        )
        for line in self._prepared.left_out[:10]:
            console.print(f"left out: {line}")
        if self._prepared.left_out:
            console.print(f"{len(self._prepared.left_out)} crystals left out")


def _progress_bar() -> Any:
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from madelung.common.terminal import LiteralConsole

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=LiteralConsole(stderr=True),
    )


def _open_board(folder: Path, epoch: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _LOGGER.info("tensorboard is not installed; history.csv has the same numbers")
        return None
    # Rows of epochs after the checkpoint, written before a run was killed, are replaced.
    return SummaryWriter(str(folder), purge_step=epoch + 1)
