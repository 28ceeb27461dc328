"""Parts of the reference that are generated when the pages are built, so that none can be missing.

A line ``<!-- public names -->`` of a page becomes the public names, grouped as in the stub
``madelung/__init__.pyi``; ``<!-- commands -->`` becomes all commands with their options, as typer
documents them. A public name that no page describes is a warning.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import madelung

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STUB = Path(madelung.__file__).with_name("__init__.pyi")
NAME = re.compile(r"^from \S+ import \w+ as (\w+)$")


def grouped_names(stub: str) -> dict[str, list[str]]:
    """Return the public names of the stub's text below the comments that head them."""
    groups: dict[str, list[str]] = {}
    names: list[str] = []
    for line in stub.splitlines():
        if line.startswith("# "):
            names = groups.setdefault(line[2:].capitalize(), [])
        elif match := NAME.match(line):
            names.append(match[1])
    return groups


def reference_of_names() -> str:
    """Return Markdown that describes every public name."""
    lines = []
    for title, names in grouped_names(STUB.read_text(encoding="utf-8")).items():
        lines += [f"## {title}", "", "```{eval-rst}"]
        for name in names:
            lines += _directive(name, getattr(madelung, name))
        lines += ["```", ""]
    lines += ["## Version", "", "```{eval-rst}", ".. autodata:: madelung.__version__"]
    return "\n".join([*lines, "   :no-value:", "```"])


def _directive(name: str, found: Any) -> list[str]:
    if not isinstance(found, type):
        return [f".. autofunction:: madelung.{name}"]
    kind = "autoexception" if issubclass(found, BaseException) else "autoclass"
    return [f".. {kind}:: madelung.{name}", "   :members:"]


def reference_of_commands() -> str:
    """Return Markdown that describes every command of the program."""
    answer = subprocess.run(
        [sys.executable, "-m", "typer", "madelung.cli", "utils", "docs", "--name", "madelung"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    text = answer.stdout.partition("\n")[2]  # the page has a title of its own
    text = re.sub(r'<span style="font-weight: bold">(.*?)</span>', r"**\1**", text)
    # Lines of a help text that stand apart and are indented are lines of code.
    text = re.sub(r"(?:^  \S.*\n\n?)+", _as_code, text, flags=re.MULTILINE)
    return _with_whole_summaries(text)


def _with_whole_summaries(text: str) -> str:
    """Put the first sentences of commands where lists have their beginnings alone."""
    summaries = dict(re.findall(r"^#+ `(.+)`\n\n(.+)$", text, flags=re.MULTILINE))
    lines, owner = [], "madelung"
    for line in text.splitlines():
        if heading := re.match(r"#+ `(.+)`", line):
            owner = heading[1]
        elif entry := re.match(r"\* `(\w[\w-]*)`: ", line):
            line = f"{entry[0]}{summaries[f'{owner} {entry[1]}']}"
        lines.append(line)
    return "\n".join(lines)


def _as_code(match: re.Match[str]) -> str:
    lines = [line[2:] for line in match[0].splitlines() if line]
    return "\n".join(["```text", *lines, "```", "", ""])


def _fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    for mark, generate in (
        ("<!-- public names -->", reference_of_names),
        ("<!-- commands -->", reference_of_commands),
    ):
        if f"\n{mark}\n" in source[0]:
            source[0] = source[0].replace(mark, generate())


def _warn_of_missing_names(app: Sphinx, environment: Any) -> None:
    from sphinx.util import logging

    described = environment.domaindata["py"]["objects"]
    for name in madelung.__all__:
        if f"madelung.{name}" not in described:
            logging.getLogger(__name__).warning("public name madelung.%s is on no page", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.connect("source-read", _fill_in)
    app.connect("env-check-consistency", _warn_of_missing_names)
    return {"parallel_read_safe": True}
