"""Settings of fits from a file, and from short texts as on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from madelung.errors import ForceFieldError
from madelung.forcefields.reference_data import elements_of
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.settings_files import problems_of, read_settings_file

__all__ = ["read_meam_settings", "read_uf3_settings", "validated_settings"]

Settings = TypeVar("Settings", bound=BaseModel)


def read_uf3_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: tuple[str, ...]
) -> UF3Settings:
    """Return settings: defaults, what a file says, and changes to that.

    Parameters
    ----------
    path
        YAML or JSON file with names and values of :class:`UF3Settings`; None for the defaults.
    changes
        Settings by name. Ranges may be texts: ``1.5:5.5:25`` for pairs, and for triplets
        ``1.5:4.25:10,10,20`` or ``none``.
    data
        Files whose elements are taken if none are named.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, or a setting is wrong.
    """
    texts = {name: value for name, value in changes.items() if isinstance(value, str)}
    parsed = {name: _parsed(name, text) for name, text in texts.items()}
    return _settings(UF3Settings, path, {**changes, **parsed}, data)


def read_meam_settings(
    path: str | os.PathLike[str] | None, changes: dict[str, Any], data: tuple[str, ...]
) -> SplineMEAMSettings:
    """Return the settings of a spline MEAM; parameters and errors as for UF3."""
    return _settings(SplineMEAMSettings, path, changes, data)


def _settings(
    kind: type[Settings],
    path: str | os.PathLike[str] | None,
    changes: dict[str, Any],
    data: tuple[str, ...],
) -> Settings:
    read = {} if path is None else read_settings_file(Path(path), ForceFieldError)
    content = {**read, **changes}
    if "elements" not in content:
        content["elements"] = elements_of(data)
    return validated_settings(kind, path, content)


def validated_settings(
    kind: type[Settings], path: str | os.PathLike[str] | None, content: dict[str, Any]
) -> Settings:
    """Return settings of a kind.

    Parameters
    ----------
    kind
        What they are.
    path
        File that they come from, for the message.
    content
        Names and values.

    Raises
    ------
    ForceFieldError
        If one is wrong; the message names each.
    """
    try:
        return kind(**content)
    except ValidationError as problem:
        raise ForceFieldError(f"{path or 'settings'}: {problems_of(problem)}") from None


def _parsed(name: str, text: str) -> dict[str, Any] | None:
    """Turn MIN:MAX:N, or MIN:MAX:L,M,N, into a range."""
    if name == "three_body" and text == "none":
        return None
    try:
        minimum, maximum, intervals = text.split(":")
        counts = [int(part) for part in intervals.split(",")]
        return {
            "minimum": float(minimum),
            "maximum": float(maximum),
            "intervals": counts if name == "three_body" else counts[0],
        }
    except ValueError:
        form = "MIN:MAX:L,M,N or none" if name == "three_body" else "MIN:MAX:N"
        raise ForceFieldError(f"{name}: {text!r} is not of the form {form}") from None
