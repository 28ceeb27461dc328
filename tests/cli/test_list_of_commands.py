"""``madelung --help``: what it says of each command, without importing any."""

import subprocess
import sys

import typer
from typer.core import TyperGroup

from madelung.cli import _COMMANDS, app


def test_the_list_of_commands_shows_the_first_line_of_each_help() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name, (_, summary) in _COMMANDS.items():
        command = group.get_command(None, name)
        assert command is not None and command.help is not None
        assert command.help.strip().split("\n\n")[0] == summary


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from madelung.cli import app; app(['--help'], standalone_mode=False); "
        "print(*sorted({'numpy', 'torch', 'pydantic', 'madelung.cli.train'} & set(sys.modules)), "
        "file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.split() == []
    assert "predict" in ran.stdout
