"""Crystal files that are broken, or odd but right, and what reading each must give.

``write_odd_files`` puts them all into one folder, bad ones among good neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OddFile:
    """A file, and either the formula of its last structure or a fragment of the refusal."""

    name: str
    content: bytes
    formula: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        """Make sure that exactly one outcome is stated."""
        assert (self.formula is None) != (self.error is None), self.name

    def __repr__(self) -> str:
        return self.name


def good(name: str, content: str | bytes, formula: str) -> OddFile:
    """Return a file that must be read."""
    return OddFile(name, _encoded(content), formula=formula)


def bad(name: str, content: str | bytes, error: str) -> OddFile:
    """Return a file that must be refused with a message that contains the fragment."""
    return OddFile(name, _encoded(content), error=error)


def _encoded(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def odd_files() -> list[OddFile]:
    """Return all the files."""
    from odd_cif_files import odd_cif_files
    from odd_other_files import odd_other_files

    files = odd_cif_files() + odd_other_files()
    assert len({file.name for file in files}) == len(files)
    return files


def write_odd_files(folder: Path) -> list[OddFile]:
    """Write all the files into a folder and return them."""
    files = odd_files()
    for file in files:
        (folder / file.name).write_bytes(file.content)
    return files
