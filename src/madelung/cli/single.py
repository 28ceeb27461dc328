"""Applications of one command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

__all__ = ["single_command"]


def single_command(function: Callable[..., Any]) -> typer.Typer:
    """Make an application whose only command is a function; without arguments it shows help."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(no_args_is_help=True)(function)
    return app
