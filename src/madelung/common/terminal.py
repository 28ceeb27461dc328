"""Text on a terminal that is shown as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from madelung.common.text import shown

__all__ = ["LiteralConsole"]


class LiteralConsole(Console):
    """A console of Rich that shows all text as it is.

    Names from files are no markup (``gap [eV]``), no emoji (``:x:``), and no orders to a terminal.

    Parameters
    ----------
    options
        Those of ``rich.console.Console``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text, of a table's cell too, into what is printed."""
        return super().render_str(shown(text), **options)
