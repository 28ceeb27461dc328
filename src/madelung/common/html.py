"""Results as tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["html_table"]


def html_table(rows: Iterable[tuple[str, str]], caption: str = "") -> str:
    """Return a table with a name and a value in each row, every text escaped."""
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows
    )
    head = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{head}{cells}</table>"
