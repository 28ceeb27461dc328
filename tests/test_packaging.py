"""What surrounds the code: dependencies, stubs, completion, and how make finds PyTorch."""

import ast
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

import madelung as md
from madelung.common.native import native_core

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = Path(md.__file__).parent
PYTORCH = "https://download.pytorch.org/whl/cpu"


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / "constraints" / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_lowest_versions_are_those_that_the_package_allows() -> None:
    lowest = pins("lowest.txt")
    for dependency in PROJECT["dependencies"]:
        name, version = dependency.split(">=")
        assert lowest[name] in (version, f"{version}.0"), dependency


def test_every_dependency_is_pinned() -> None:
    names = {re.split(r"[<>=]", one)[0] for one in PROJECT["dependencies"]}
    assert names <= set(pins("cpu.txt"))


def test_pythons_that_are_named_are_built_and_tested() -> None:
    """Those of the classifiers: a wheel for each, and `make test-pythons` beside the lowest."""
    named = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if ":: Python :: 3." in one]
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert built["cibuildwheel"]["build"] == [f"cp{one.replace('.', '')}-*" for one in named]
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert built["mypy"]["python_version"] == named[0]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"PYTHONS ?= {' '.join(f'python{one}' for one in named[1:])}\n" in makefile


def test_versions_agree() -> None:
    weights = tomllib.loads((ROOT / "weights/pyproject.toml").read_text(encoding="utf-8"))
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["version"] == md.__version__
    assert f"\nversion: {md.__version__}\n" in citation
    spec = importlib.util.find_spec("madelung_models")
    assert spec is not None and spec.loader is not None
    assert importlib.import_module("madelung_models").__version__ == weights["project"]["version"]


@pytest.mark.skipif(native_core() is None, reason="the core is not built")
@pytest.mark.parametrize("name", ["_core", "_splines", "_uf3"])
def test_stubs_name_what_the_modules_have(name: str) -> None:
    module = importlib.import_module(f"madelung.common.{name}")
    tree = ast.parse((PACKAGE / "common" / f"{name}.pyi").read_text(encoding="utf-8"))
    members = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert {member.name for member in members} == {
        own for own in vars(module) if not own.startswith("_")
    }
    for member in members:
        if isinstance(member, ast.ClassDef):
            stated = {part.name for part in member.body if isinstance(part, ast.FunctionDef)}
            have = {own for own in vars(getattr(module, member.name)) if not own.startswith("_")}
            assert stated - {"__init__"} == have
    assert (PACKAGE / "py.typed").is_file()


def run_command(**environment: str) -> str:
    command = [sys.executable, "-m", "madelung"]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "text"),
    [("bash", "complete -o default"), ("zsh", "#compdef madelung"), ("fish", "complete ")],
)
def test_completion_scripts(shell: str, text: str) -> None:
    script = run_command(_MADELUNG_COMPLETE=f"source_{shell}")
    assert text in script and "madelung" in script


def test_completion_knows_commands_and_options() -> None:
    ask = {"_MADELUNG_COMPLETE": "complete_bash"}
    words = run_command(**ask, COMP_WORDS="madelung pre", COMP_CWORD="1").split()
    assert words == ["predict"]
    words = run_command(**ask, COMP_WORDS="madelung predict --mod", COMP_CWORD="2").split()
    assert words == ["--model"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("environment", "words", "offered"),
    [
        ({}, [], True),
        ({}, ["TORCH=cuda"], False),
        ({"PIP_INDEX_URL": "https://packages.example.org/simple"}, [], False),
        ({"PIP_FIND_LINKS": "/wheels"}, [], False),
    ],
)
def test_make_offers_pytorch_for_the_cpu_unless_pip_is_configured(
    environment: dict[str, str], words: list[str], offered: bool, tmp_path: Path
) -> None:
    """Make only prints what it would do, in an environment that is there already."""
    (tmp_path / "bin").mkdir()
    starter = tmp_path / "bin" / "python"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    shown = subprocess.run(
        ["make", "--dry-run", "demo", f"VENV={tmp_path}", *words],
        cwd=ROOT,
        env=own | {"PIP_CONFIG_FILE": os.devnull} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    (line,) = [line for line in shown.splitlines() if " install " in line]
    assert (PYTORCH in line) == offered
    assert "-c constraints/cpu.txt" in line
