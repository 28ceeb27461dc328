"""What all figures share: colours, fonts, saving."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from madelung.common.outputs import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "new_figure",
    "save_figure",
    "unit_text",
    "write_figure",
]


BLUE, ORANGE, GREY = "#1f5fa8", "#d9772b", "#8a8a8a"


def new_figure(width: float = 4.6, height: float = 3.4) -> Figure:
    """Return an empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(path: Path, figure: Figure) -> None:
    """Write a picture, its format that of the suffix."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)


_RASTER_RESOLUTION = 150


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file whose suffix says the format (.png, .svg, .pdf).

    Raises
    ------
    ValueError
        If matplotlib does not know the suffix.
    """
    known = figure.canvas.get_supported_filetypes()
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in known:
        raise ValueError(f"cannot draw {path}: choose a name that ends in .png, .svg or .pdf")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=_RASTER_RESOLUTION)


def unit_text(unit: str) -> str:
    """Return what follows a quantity's name on an axis: its unit in brackets, if it has one."""
    return f" ({unit})" if unit else ""
