"""Numbers in the JSON of models and force fields: all of them are finite."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from madelung.common.errors import MadelungError

__all__ = ["require_finite_numbers"]


def require_finite_numbers(
    document: Any, source: str, error: type[MadelungError], notes: Collection[str] = ()
) -> None:
    """Refuse NaN and infinity, which JSON knows no words for and Python reads all the same.

    Parameters
    ----------
    document
        What a file holds.
    source
        Name of the file, for the message.
    error
        What is raised.
    notes
        Keys of the document whose content is not looked at.

    Raises
    ------
    MadelungError
        Of the kind asked for, with the place of the first number that is not finite.
    """
    if isinstance(document, Mapping):
        document = {key: item for key, item in document.items() if key not in notes}
    for place, number in _numbers(document, ""):
        if not math.isfinite(number):
            raise error(f"{source}: {place} is {number}, no finite number; correct it")


def _numbers(document: Any, place: str) -> Iterator[tuple[str, float]]:
    """Numbers in order with their places; without recursion, as a file may be nested deeply."""
    waiting = [(place, document)]
    while waiting:
        place, value = waiting.pop()
        items: list[tuple[Any, Any]] = []
        if isinstance(value, float):
            yield place, value
        elif isinstance(value, Mapping):
            items = list(value.items())
        elif isinstance(value, list | tuple):
            items = list(enumerate(value))
        for key, item in reversed(items):
            # The texts of many integers and names would only be made to be thrown away.
            if isinstance(item, float | Mapping | list | tuple):
                waiting.append((f"{place}.{key}" if place else str(key), item))
