"""Whether a job that goes on is the job that was begun."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madelung.common.errors import MadelungError
from madelung.common.outputs import json_text

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["default_settings", "differences", "require_same_job"]

_SETTINGS = "settings"
# What names that checkpoints hold are called in messages.
_WORDS = {
    "configurations": "set of configurations",
    "fingerprint": "data set",
    "forces": "wish for forces",
    "initial_weights": "initial model",
    "labels": "set of labels",
    "members": "number of members",
    "shares": "division of the configurations",
    "teachers": "set of teachers",
}


def require_same_job(
    begun: Mapping[str, Any],
    asked: Mapping[str, Any],
    place: Path,
    error: type[MadelungError],
    *,
    defaults: Mapping[str, Any] | None = None,
    free: Collection[str] = (),
    subject: str = "the job was begun",
    remedy: str = "give the same, or another folder",
) -> None:
    """Refuse to go on with a job that was begun otherwise.

    Parameters
    ----------
    begun, asked, defaults, free
        See :func:`differences`.
    place
        Folder or file of the job, for the message.
    error
        What is raised; it names all that differs, with both values where they are short.
    subject, remedy
        What was done with the other settings, and what to do about it, for the message.
    """
    found = differences(begun, asked, defaults=defaults, free=free)
    if found:
        raise error(f"{place}: {subject} with {', and with '.join(found)}; {remedy}")


def differences(
    begun: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    free: Collection[str] = (),
) -> list[str]:
    """Return in what a job differs from another one, in words.

    Parameters
    ----------
    begun, asked
        What makes the job that was begun, and the one that is asked for: names and values that
        JSON can hold. Groups of values are compared name by name, in groups in them too.
    defaults
        Values of "settings" that the job did not know when it was begun.
    free
        Settings that change no result, and may change when a job goes on.
    """
    groups, others, old_job = [], [], _as_json(begun)
    for name, value in _as_json(asked).items():
        before = old_job.get(name)
        if isinstance(value, dict):
            old = before if isinstance(before, Mapping) else {}
            if name == _SETTINGS:
                old = _completed(old, _as_json(defaults or {}))
            changed = _changes(old, value, free if name == _SETTINGS else ())
            if changed:
                groups.append(f"other {name}: {'; '.join(changed)}")
        elif before != value:
            others.append(_WORDS.get(name, name.replace("_", " ")))
    return [*groups, f"another {' and '.join(others)}"] if others else groups


def default_settings(settings: BaseModel) -> dict[str, Any]:
    """Return the defaults of settings, and of the groups in them as far as they have any.

    Parameters
    ----------
    settings
        Settings of the kind, and with groups of the kinds, whose defaults are wanted.
    """
    from pydantic import BaseModel

    found: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        group = default_settings(value) if isinstance(value, BaseModel) else None
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            if group is None or type(default) is type(value):
                own = settings.model_copy(update={name: default}).model_dump(mode="json")[name]
                found[name] = own if group is None else {**group, **own}
                continue
        if group is not None:
            found[name] = group
    return found


def _completed(begun: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was begun with, and defaults where it says nothing."""
    found = {**defaults, **begun}
    for name, own in begun.items():
        default = defaults.get(name)
        if isinstance(own, Mapping) and isinstance(default, Mapping):
            found[name] = _completed(own, default)
    return found


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], free: Collection[str], prefix: str = ""
) -> list[str]:
    """Return what differs, by dotted names."""
    found = []
    for name in dict.fromkeys((*new, *old)):
        before, value = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found += _changes(before, value, free, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in free and (before != value or (name in old) != (name in new)):
            words = (repr(one[name]) if name in one else "not there" for one in (old, new))
            found.append(f"{prefix}{name} was {next(words)} and is {next(words)}")
    return found


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they come back from a JSON file: tuples as lists."""
    result: dict[str, Any] = json.loads(json_text(values))
    return result
