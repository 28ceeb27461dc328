"""Write the stubs of the compiled modules, after a change of what they offer Python.

    pip install nanobind ruff
    python core/generate/write_stubs.py        # with the modules built and madelung importable

nanobind knows the signatures; shapes, which type checkers do not read, are left out, and ruff
breaks the lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nanobind.stubgen

FOLDER = Path(__file__).resolve().parents[2] / "src" / "madelung" / "common"
MODULES = ("_core", "_splines", "_uf3")
SHAPE = re.compile(r"Annotated\[(NDArray\[numpy\.\w+\]), dict\([^\]]*?\)\]")


def write_stub(module: str) -> Path:
    """Write the stub of a module beside it."""
    place = FOLDER / f"{module}.pyi"
    nanobind.stubgen.main(["--quiet", "-m", f"madelung.common.{module}", "-o", str(place)])
    text = SHAPE.sub(r"\1", place.read_text(encoding="utf-8"))
    text = text.replace(", Annotated", "").replace("import Annotated, ", "import ")
    text = text.replace("from typing import Annotated\n", "")
    # What is returned are tuples of arrays.
    text = text.replace("-> tuple:", "-> tuple[NDArray[Any], ...]:")
    if "Any]" in text:
        text = text.replace("from typing import ", "from typing import Any, ", 1)
        if "from typing" not in text:
            text = text.replace("\nimport numpy\n", "from typing import Any\n\nimport numpy\n", 1)
    place.write_text(text, encoding="utf-8")
    return place


if __name__ == "__main__":
    places = [str(write_stub(module)) for module in MODULES]
    for step in (["format", "--quiet"], ["check", "--fix", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *step, *places], check=True)
