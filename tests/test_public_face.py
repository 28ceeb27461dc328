"""The public face: every name once, each with a docstring, and nothing heavy until it is used."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import madelung as md
from madelung.common.former_paths import FORMER_MODULES

STUB = Path(md.__file__).with_suffix(".pyi")


def test_each_name_is_written_once() -> None:
    lines = STUB.read_text(encoding="utf-8").splitlines()
    names = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("from ")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert {*names, "__version__"} == set(md.__all__)
    assert set(names) <= set(dir(md))


@pytest.mark.parametrize("name", [name for name in md.__all__ if name != "__version__"])
def test_public_names_exist_and_are_explained(name: str) -> None:
    value = getattr(md, name)
    assert inspect.getdoc(value), f"{name} has no docstring"
    assert inspect.isclass(value) or inspect.isfunction(value)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, madelung; "
        "print(*sorted({'numpy', 'torch', 'ase', 'scipy', 'pydantic', 'typer'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        md.no_such_name  # noqa: B018


@pytest.mark.parametrize("former", sorted(FORMER_MODULES))
def test_former_paths_give_what_is_public_today(former: str) -> None:
    home = importlib.import_module(FORMER_MODULES[former])
    name = next(name for name in home.__all__ if hasattr(home, name))
    with pytest.warns(DeprecationWarning, match=rf"{former}\.{name} has moved.*use madelung\."):
        value = getattr(importlib.import_module(former), name)
    assert value is getattr(home, name)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("madelung.sums", "complete_sums"),
        ("madelung.inputs", "build_input"),
        ("madelung.forcefields.uf3", "UF3Settings"),
        ("madelung.forcefields.neural", "NeuralForceField"),
    ],
)
def test_packages_that_had_public_names_still_give_them(package: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"use madelung.{name}"):
        assert getattr(importlib.import_module(package), name) is getattr(md, name)


def test_a_module_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("madelung.no_such_module")
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("madelung.crystal").no_such_name  # noqa: B018
