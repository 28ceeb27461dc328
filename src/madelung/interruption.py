"""Interruption of training where its state can be kept."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from madelung.errors import MadelungError
from madelung.interruption import Interruption as _Interruption

__all__ = ["Interruption", "JobInterrupted"]


class JobInterrupted(MadelungError):
    """A job was interrupted and can go on from its checkpoint."""


class Interruption(_Interruption):
    """An interruption that ends a run with an error that says how to go on."""

    def stop(self, folder: Path) -> NoReturn:
        """End the run.

        Raises
        ------
        JobInterrupted
            Always.
        """
        raise JobInterrupted(
            f"interrupted; a checkpoint is in {folder}: run the same command with --resume"
        )
