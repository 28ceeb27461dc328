"""The reference names everything, the README stays short, and no page needs the network."""

import json
import re
import sys
import typing

import pytest
import typer
from places import ROOT
from typer.testing import CliRunner

import madelung
from madelung.cli import app

sys.path.append(str(ROOT / "docs" / "_extensions"))
import generated_pages

OUTPUTS = ROOT / "docs" / "outputs.md"


def test_every_public_name_is_in_the_library_page() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert "\n<!-- public names -->\n" in page
    described = re.findall(
        r"^\.\. auto\w+:: madelung\.(\w+)$", generated_pages.reference_of_names(), re.MULTILINE
    )
    assert sorted(described) == sorted(madelung.__all__)


def test_kinds_of_names() -> None:
    text = generated_pages.reference_of_names()
    assert "\n## Complete sums\n" in text
    assert "\n.. autofunction:: madelung.complete_sums\n" in text
    assert "\n.. autoclass:: madelung.Crystal\n   :members:\n" in text
    assert "\n.. autoexception:: madelung.CrystalError\n" in text


def command_paths(command: typing.Any, path: str, parent: typer.Context | None) -> list[str]:
    context = typer.Context(command, info_name=path, parent=parent)
    paths = [path]
    if isinstance(command, typer.core.TyperGroup):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            paths += command_paths(below, f"{path} {name}", context)
    return paths


def test_every_command_is_in_the_commands_page() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert "\n<!-- commands -->\n" in page
    text = generated_pages.reference_of_commands()
    paths = command_paths(typer.main.get_command(app), "madelung", None)
    assert len(paths) > 25
    assert re.findall(r"^#+ `(.+)`$", text, re.MULTILINE) == paths[1:]
    assert "* `sums`: Sum pair potentials over all images of an infinite crystal" in text
    assert "```text\nmadelung sums NaCl.cif\n" in text
    assert "`-t, --tolerance NUMBER`" in text


@pytest.mark.parametrize("command", ["sums", "predict", "phonons"])
def test_keys_of_json_are_documented(command: str) -> None:
    section = OUTPUTS.read_text(encoding="utf-8").split(f"## `madelung {command} --json`\n")[1]
    rows = re.findall(r"^\| (`.*?`) \|", section.split("\n## ")[0], re.MULTILINE)
    documented = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    answer = CliRunner().invoke(app, [command, "example:NaCl", "--json"])
    assert answer.exit_code == 0
    assert documented == list(json.loads(answer.stdout)[0])


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 6000


def test_pages_load_nothing_from_the_network() -> None:
    assert "sphinx-mathjax-offline" in (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\bcdn\b|<script|!\[[^]]*\]\(https?:", text), page


def test_displayed_equations_have_no_rows() -> None:
    """Sphinx wraps rows of backslashes in an environment without tags; `cr` ends a row as well."""
    for page in (ROOT / "docs").rglob("*.md"):
        for equation in re.findall(r"\$\$(.+?)\$\$", page.read_text(encoding="utf-8"), re.DOTALL):
            assert "\\\\" not in equation, f"{page}: {equation}"


BUILT = ROOT / "docs" / "_build" / "html"


@pytest.mark.skipif(not BUILT.is_dir(), reason="make docs has not been run")
def test_built_pages_load_nothing_from_the_network() -> None:
    for page in BUILT.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'<(script|link|img)\b[^>]*(src|href)="(https?:)?//', text), page
    assert (BUILT / "_static" / "mathjax" / "tex-chtml.js").is_file()
