"""The public face: every name once, each with a docstring, and nothing heavy until it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import madelung as md

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
