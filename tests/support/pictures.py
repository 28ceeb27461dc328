"""Figures are made in every test, and drawn in those that look at pictures: drawing takes longer
than the small trainings that end with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

_draw = Figure.savefig
_drawing = False


def _save(figure: Figure, place: Any, **options: Any) -> None:
    if _drawing or not isinstance(place, str | Path):
        _draw(figure, place, **options)
    else:
        Path(place).touch()


@contextmanager
def drawn(wanted: bool = True) -> Iterator[None]:
    """Draw figures that are saved in a block, or leave their files empty."""
    global _drawing
    before, _drawing = _drawing, wanted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _save)
        yield
    _drawing = before
