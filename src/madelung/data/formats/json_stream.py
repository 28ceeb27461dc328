"""JSON files of one long array, read item by item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from madelung.common.errors import DatasetError

__all__ = ["JsonStream"]

_CHUNK = 1 << 20
# Whole tables of crystals may be one value; what has no end shall not fill a memory.
_LONGEST_VALUE = 2**30
_BLANKS = " \t\r\n"
_AFTER_VALUE = frozenset(",:]}" + _BLANKS)


class JsonStream:
    """Reads values one after another, and holds no more text than one of them needs.

    Parameters
    ----------
    stream
        The text.
    source
        Name of the file, for messages.
    """

    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream = stream
        self._source = source
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, characters: str) -> str:
        """Pass over one of some characters, and return it.

        Raises
        ------
        DatasetError
            If another one comes next, or the file ends.
        """
        found = self.peek()
        if not found or found not in characters:
            raise self._error(f"{found or 'the end'!r} instead of one of {characters!r}")
        self._at += 1
        return found

    def value(self) -> Any:
        """Read a whole value.

        Raises
        ------
        DatasetError
            If it is no JSON, or the file ends within it.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ValueError as error:
                if not self._more():
                    raise self._error(str(error)) from None
                continue
            # A number could go on in the text that is not read yet (1.5e at the end is 1.5).
            if self._text[end : end + 1] in _AFTER_VALUE or not self._more():
                self._at = end
                return value

    def items(self) -> Iterator[Any]:
        """Read the items of an array, one at a time.

        Raises
        ------
        DatasetError
            If there is no array, or it is damaged or cut off.
        """
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Read the keys of an object; whoever asks reads the value after each.

        Raises
        ------
        DatasetError
            If there is no object, or it is damaged or cut off.
        """
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise self._error("a key is no text")
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def _more(self) -> bool:
        """Read on; returns whether there was anything."""
        if self._ended:
            return False
        self._passed += self._at
        # Values longer than a chunk are tried again after twice as much text, not after each chunk.
        rest = self._text[self._at :]
        if len(rest) > _LONGEST_VALUE:
            raise self._error(f"a value of more than {_LONGEST_VALUE} characters")
        added = self._stream.read(max(_CHUNK, len(rest)))
        self._text, self._at = rest + added, 0
        self._ended = not added
        return bool(added)

    def _error(self, detail: str) -> DatasetError:
        place = f"near character {self._passed + self._at}"
        return DatasetError(
            f"{self._source}: no readable JSON {place} ({detail}); the file may be cut off: fetch "
            "it again"
        )
