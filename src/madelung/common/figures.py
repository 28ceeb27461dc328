"""What all figures share: their style, how they are written, units and numbers in them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from madelung.common.outputs import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "MOST_PANELS",
    "ORANGE",
    "in_style",
    "new_figure",
    "number_text",
    "pages_of",
    "save_figure",
    "save_pages",
    "subscripts",
    "superscripts",
    "unit_text",
]


# Those of figures.mplstyle, for what has a colour of its own.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A54A8", "#8C5A3C",
)  # fmt: skip
BLUE, ORANGE, GREEN = COLOURS[:3]
GREY = "#8a8a8a"

MOST_PANELS = 12
"""Most panels of a page: with more they become too small to read, or the page too long."""

_SUPERSCRIPTS = str.maketrans("0123456789-−+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NUMBER = r"[-+−]?\d+(?:\.\d+)?"
_POWER = re.compile(rf"(?:\^|\*\*)(?:\(({_NUMBER})\)|({_NUMBER}))")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")


def in_style(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function draw in the style of ``figures.mplstyle``, whatever the user's own is."""

    @functools.wraps(draw)
    def styled(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        from matplotlib.style import context

        with (
            as_file(files(__package__) / "figures.mplstyle") as style,
            context(["default", str(style)]),
        ):
            return draw(*arguments, **named)

    return styled


@in_style
def new_figure(width: float = 4.6, height: float = 3.4) -> Figure:
    """Return an empty figure, made without matplotlib's global state; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


@in_style
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
        figure.savefig(temporary, format=suffix)


def save_pages(figures: Sequence[Figure], path: str | os.PathLike[str]) -> None:
    """Write pages ``NAME.png``, ``NAME-2.png``, …, and remove pages of a former, longer figure.

    Parameters
    ----------
    figures
        The pages. Without any, nothing is written.
    path
        Name of the first page.

    Raises
    ------
    ValueError
        If matplotlib does not know the suffix.
    """
    first = Path(path)
    for number, figure in enumerate(figures, 1):
        save_figure(figure, _page_path(first, number))
    number = len(figures) + 1
    while _page_path(first, number).is_file():
        _page_path(first, number).unlink()
        number += 1


def _page_path(first: Path, number: int) -> Path:
    return first if number == 1 else first.with_stem(f"{first.stem}-{number}")


def pages_of(items: Sequence[Item], panels: int = 1) -> list[Sequence[Item]]:
    """Divide what is drawn among pages of at most :data:`MOST_PANELS` panels.

    Parameters
    ----------
    items
        What is drawn.
    panels
        Panels of each item.
    """
    size = max(MOST_PANELS // panels, 1)
    return [items[start : start + size] for start in range(0, len(items), size)]


def unit_text(unit: str) -> str:
    """Return what follows a quantity's name on an axis: its unit in brackets, if it has one."""
    return f" ({superscripts(unit)})" if unit else ""


def superscripts(text: str) -> str:
    """Return text with its powers raised: Å⁻² for Å^-2, and for Å**-2."""
    return _POWER.sub(_raised, text)


def _raised(found: re.Match[str]) -> str:
    power = found.group(1) or found.group(2)
    # There is no raised point among the letters.
    return f"$^{{{power}}}$" if "." in power else power.translate(_SUPERSCRIPTS)


def subscripts(formula: str) -> str:
    """Return a chemical formula with its numbers lowered: Ti₂O₄."""
    return formula.translate(_SUBSCRIPTS)


def number_text(value: float, decimals: int) -> str:
    """Return a number with so many decimals; what rounds to zero has no sign."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    return text.replace("-", "−")
