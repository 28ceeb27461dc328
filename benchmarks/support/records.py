"""What every benchmark writes beside its numbers: command, commit, machine, versions, tables."""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = [
    "ROOT",
    "command",
    "commit",
    "header",
    "machine",
    "replace_block",
    "versions",
    "write_csv",
    "write_json",
]

ROOT = Path(__file__).resolve().parents[2]


def commit() -> str | None:
    """Return the commit that is checked out."""
    answer = _git("rev-parse", "HEAD")
    return answer.strip() if answer is not None else None


def has_changes() -> bool | None:
    """Whether the sources differ from the commit; None outside of a repository."""
    answer = _git("status", "--porcelain", "--", "src", "core", "benchmarks/*.py")
    return bool(answer.strip()) if answer is not None else None


def command() -> str:
    """Return the command line that is running."""
    return " ".join(["python", *sys.orig_argv[1:]])


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields = [line.split(":", 1) for line in lines if ":" in line]
    first = {name.strip(): value.strip() for name, value in reversed(fields)}
    name = first.get("model name", platform.processor())
    # Virtual machines often hide the model's name, but not its family.
    family = (first.get("cpu family"), first.get("model"), first.get("stepping"))
    return f"{name} (family {family[0]}, model {family[1]}, stepping {family[2]})"


def machine() -> dict[str, Any]:
    """Describe the processor, its cores, what the native core uses of it, and the system."""
    description: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }
    if importlib.util.find_spec("madelung.common._core") is not None:
        core: Any = importlib.import_module("madelung.common._core")
        description["instruction_sets"] = core.instruction_sets()
        description["instruction_set"] = core.instruction_set()
    return description


def versions(distributions: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of installed distributions; None for those that are not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def header(seed: int) -> dict[str, Any]:
    """Return what a record of any benchmark starts with."""
    return {
        "command": command(),
        "commit": commit(),
        "uncommitted_changes": has_changes(),
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Write a table."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record."""
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def replace_block(path: Path, mark: str, text: str) -> None:
    """Replace what stands between two lines ``<!-- mark -->`` of a page.

    Raises
    ------
    ValueError
        If the page does not have the mark exactly twice.
    """
    line = f"<!-- {mark} -->"
    parts = path.read_text(encoding="utf-8").split(line)
    if len(parts) != 3:
        raise ValueError(f"{path} has {len(parts) - 1} lines {line!r}, not 2")
    page = f"{parts[0]}{line}\n{text.strip()}\n{line}{parts[2]}"
    path.write_text(page, encoding="utf-8")


def _git(*arguments: str) -> str | None:
    answer = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout if answer.returncode == 0 else None
