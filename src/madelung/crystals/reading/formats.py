"""The formats of crystal files that are read here and not by ASE, one entry for each.

To add a format, write a function from its text to the builders of its crystals, and put it into
:data:`CRYSTAL_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from madelung.common.errors import CrystalError
from madelung.common.registry import Registry, imported
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.text import looks_like_cif

__all__ = ["CRYSTAL_FORMATS", "CrystalFormat", "detect_own_format"]


@dataclass(frozen=True)
class CrystalFormat:
    """How a format of crystal files is told from others, and read.

    Parameters
    ----------
    reader
        ``"module:function"``; called with the file's text and its name for messages, it returns a
        function for each structure of the file that makes the crystal. Both raise nothing but a
        :class:`~madelung.CrystalError` that names file and structure.
    suffixes
        Suffixes of its files, in small letters.
    recognises
        Whether the bytes of a file are in this format, whatever its name.
    """

    reader: str
    suffixes: tuple[str, ...] = ()
    recognises: Callable[[bytes], bool] = lambda data: False

    def builders(self, text: str, source: str) -> list[Callable[[], Crystal]]:
        """Return a function for each structure of a text that makes the crystal."""
        found: list[Callable[[], Crystal]] = imported(self.reader)(text, source)
        return found


CRYSTAL_FORMATS: Registry[CrystalFormat] = Registry(
    "format of crystal files",
    {
        "cif": CrystalFormat(
            "madelung.crystals.reading.cif:cif_builders", (".cif", ".mcif"), looks_like_cif
        ),
        "json": CrystalFormat("madelung.crystals.reading.structure_json:json_builders", (".json",)),
    },
    CrystalError,
)
"""All of them by name; suffixes count before content."""


def detect_own_format(data: bytes, name: str) -> str | None:
    """Return the format of a file from its name or content; None leaves it to ASE."""
    formats = {key: CRYSTAL_FORMATS.find(key) for key in CRYSTAL_FORMATS}
    for key, one in formats.items():
        if one.suffixes and name.lower().endswith(one.suffixes):
            return key
    return next((key for key, one in formats.items() if one.recognises(data)), None)
