"""Whether a job that goes on is the job that was begun."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from madelung.common.errors import MadelungError

__all__ = ["require_same_job"]

_SETTINGS = "settings"
# What names that checkpoints hold are called in messages.
_WORDS = {"fingerprint": "data set", "initial_weights": "initial model"}


def require_same_job(
    begun: Mapping[str, Any],
    asked: Mapping[str, Any],
    folder: Path,
    error: type[MadelungError],
    *,
    defaults: Mapping[str, Any] | None = None,
    free: Collection[str] = (),
) -> None:
    """Refuse to go on with a job that was begun otherwise.

    Parameters
    ----------
    begun, asked
        What makes the job that is in the folder, and the one that is asked for: names and values
        that JSON can hold. Values under "settings" are compared name by name, in groups too.
    folder
        Folder of the job, for the message.
    error
        What is raised; it names all that differs, with both values where they are short.
    defaults
        Values of settings that the job did not know when it was begun.
    free
        Settings that change no result, and may change when a job goes on.
    """
    old = {**_flat(defaults or {}), **_flat(begun.get(_SETTINGS, {}))}
    new = _flat(_as_json(asked.get(_SETTINGS, {})))
    differences = [
        f"{name} was {old.get(name)!r} and is {value!r}"
        for name, value in new.items()
        if name not in free and old.get(name) != value
    ]
    if differences:
        raise error(
            f"{folder}: the job was begun with other settings: {'; '.join(differences)}; give the "
            "same ones, or another folder"
        )
    others = {name: value for name, value in asked.items() if name != _SETTINGS}
    changed = [name for name, value in _as_json(others).items() if begun.get(name) != value]
    if changed:
        names = " and ".join(_WORDS.get(name, name.replace("_", " ")) for name in changed)
        raise error(
            f"{folder}: the job was begun with another {names}; give the same, or another folder"
        )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by dotted names, those of groups too."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they come back from a JSON file: tuples as lists."""
    result: dict[str, Any] = json.loads(json.dumps(values))
    return result
