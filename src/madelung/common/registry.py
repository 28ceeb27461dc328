"""Things that are asked for by name: one line for each, and help where a name is not known."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from madelung.common.errors import MadelungError

__all__ = ["Registry", "did_you_mean", "imported"]

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name.

    Parameters
    ----------
    what
        What an entry is, in one or two words, for messages: ``"potential"``.
    entries
        Entries by name, in the order in which they are listed. One that is given as the text
        ``"module:attribute"`` is imported when it is first asked for.
    error
        Class of the error that an unknown name raises.
    aliases
        Further names, which are found and not listed, each with the name it stands for.
    """

    def __init__(
        self,
        what: str,
        entries: Mapping[str, Entry | str],
        error: type[MadelungError],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.what = what
        self._entries = dict(entries)
        self._error = error
        self._aliases = dict(aliases or {})

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that are listed."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        """Return whether a name, or another name of an entry, is known."""
        return name in self._entries or name in self._aliases

    @property
    def listed(self) -> str:
        """The names, divided by commas."""
        return ", ".join(self)

    def find(self, name: object, where: str = "") -> Entry:
        """Return an entry.

        Parameters
        ----------
        name
            Its name.
        where
            File or option that the name comes from, to begin the message with.

        Raises
        ------
        MadelungError
            Of the registry's class, if there is no such entry.
        """
        key = self._aliases.get(name, name) if isinstance(name, str) else name
        if not isinstance(key, str) or key not in self._entries:
            raise self._error(self.refusal(name, where))
        entry = self._entries[key]
        if isinstance(entry, str):
            entry = self._entries[key] = imported(entry)
        found: Any = entry
        result: Entry = found
        return result

    def refusal(self, name: object, where: str = "") -> str:
        """Return what is said of a name that is not known."""
        close = did_you_mean(name, [*self._entries, *self._aliases])
        return (
            f"{where}{': ' if where else ''}unknown {self.what} {name!r}; {close}"
            f"choose from {self.listed}"
        )


def imported(place: str) -> Any:
    """Return what stands at ``"module:attribute"``; an attribute may have attributes."""
    module, _, names = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def did_you_mean(name: object, names: Iterable[str], least: float = 0.6) -> str:
    """Return a question after the names nearest to one, such as ``"is it a or b? "``.

    Parameters
    ----------
    name
        What was asked for.
    names
        Those that there are.
    least
        How alike they must be, from 0 to 1.

    Returns
    -------
    str
        Empty where no name is near.
    """
    close = difflib.get_close_matches(str(name).lower(), list(names), n=3, cutoff=least)
    return f"is it {' or '.join(close)}? " if close else ""
