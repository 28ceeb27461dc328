"""The command ``madelung``: each command parses, calls one library function and prints."""

from __future__ import annotations

import importlib
import math
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from madelung.common.errors import MadelungError
from madelung.common.text import shown
from madelung.common.version import __version__

__all__ = ["app", "main"]

# In the order in which they are listed: where each command is, and the first line of its help. A
# command's module is imported when it is called for, and so none by the list of all.
_COMMANDS = {
    "sums": (
        "madelung.cli.sums.command",
        "Sum pair potentials over all images of an infinite crystal, for every pair of its atoms.",
    ),
    "predict": ("madelung.cli.predict", "Predict a property of crystals, with its uncertainty."),
    "train": ("madelung.cli.train", "Train a model on crystals with known properties."),
    "ensemble": ("madelung.cli.ensemble", "Make one model of several runs."),
    "evaluate": ("madelung.cli.evaluate", "Compare a model with the known values of a data set."),
    "benchmark": (
        "madelung.cli.benchmark",
        "Run a benchmark task: train on its official folds, and test each fold once.",
    ),
    "fit": (
        "madelung.cli.fit.command",
        "Fit a force field to reference energies, forces and stresses.",
    ),
    "phonons": (
        "madelung.cli.phonons.command",
        "Phonons of crystals: stability, bands, thermodynamics, each with its interval.",
    ),
    "rank": (
        "madelung.cli.rank",
        "Order the candidate crystals of a molecule by their stability.",
    ),
    "teach": (
        "madelung.cli.teach",
        "Let empirical potentials label configurations, and see which of them is good where.",
    ),
    "models": (
        "madelung.cli.models",
        "List the models that come with Madelung, or show the card of one.",
    ),
    "data": ("madelung.cli.data", "Find, download and convert data sets of crystals."),
    "run": (
        "madelung.cli.run",
        "Relax a crystal, find its elastic constants or its "
        "equation of state, make a vacancy, let it move.",
    ),
}


class _Commands(TyperGroup):
    """Commands that are imported one at a time, so that each starts as fast as it can."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in order."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command by its name."""
        if cmd_name not in _COMMANDS:
            return None
        place, summary = _COMMANDS[cmd_name]
        if self._listing:
            return TyperCommand(cmd_name, help=summary)
        module = importlib.import_module(place)
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        _require_finite(command)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, for which their first lines are enough."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


def _require_finite(command: Any) -> None:
    """Let every option of a command refuse infinity and what is no number."""
    for own in getattr(command, "commands", {}).values():
        _require_finite(own)
    for parameter in command.params:
        parameter.callback = _FiniteOnly(parameter.callback)


class _FiniteOnly:
    """The callback of a parameter, after a look at its value."""

    def __init__(self, then: Any) -> None:
        self._then = then

    def __call__(self, ctx: Any, parameter: Any, value: Any) -> Any:
        """Return the value.

        Raises
        ------
        typer.BadParameter
            If it is a float that is not finite.
        """
        if isinstance(value, float) and not math.isfinite(value):
            raise typer.BadParameter(f"{value} is no finite number", ctx=ctx, param=parameter)
        return value if self._then is None else self._then(ctx, parameter, value)


app = typer.Typer(
    cls=_Commands,
    name="madelung",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"madelung {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Complete lattice sums of crystals, with certified errors, and properties learnt from them."""


INTERRUPTED = 130
"""Exit code after Ctrl-C, as of all programs that SIGINT ends."""
INTERNAL_ERROR = 70
"""Exit code after an error that nobody foresaw (EX_SOFTWARE)."""


def main() -> None:
    """Run the command; whatever goes wrong becomes one line on stderr, and an exit code.

    ``python -X dev -m madelung ...`` shows where an error was raised.
    """
    try:
        app(prog_name="madelung")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _say("interrupted")
        raise
    except KeyboardInterrupt:
        _say("interrupted")
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read the output has had enough; Python would complain once more when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as problem:
        if sys.flags.dev_mode:
            raise
        text, code = _explained(problem)
        _say(text)
        raise SystemExit(code) from None


def _explained(problem: Exception) -> tuple[str, int]:
    """What went wrong, in words, and the exit code."""
    kind = type(problem).__name__
    if isinstance(problem, MadelungError):
        return str(problem), 1
    if isinstance(problem, OSError):
        reason = problem.strerror or str(problem) or kind
        return (f"{problem.filename}: {reason}" if problem.filename else reason), 1
    if _is_lack_of_memory(problem):
        return "there is not enough memory for this; give fewer atoms or smaller settings", 1
    if isinstance(problem, RecursionError):
        return "a file is nested too deeply to be read", 1
    return (
        f"an error that was not foreseen, {kind}: {problem}; please report it with the trace that "
        "'python -X dev -m madelung ...' prints",
        INTERNAL_ERROR,
    )


def _is_lack_of_memory(problem: Exception) -> bool:
    # PyTorch has no error of its own for the memory of the CPU.
    words = ("DefaultCPUAllocator", "out of memory", "bad_alloc")
    return isinstance(problem, MemoryError) or any(word in str(problem) for word in words)


def _say(text: str) -> None:
    """Print one line on stderr."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    try:
        print(f"madelung: {shown(line)}", file=sys.stderr)
    except OSError:
        # There is nobody to tell.
        return
