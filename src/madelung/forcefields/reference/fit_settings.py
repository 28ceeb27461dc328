"""Settings of fits: defaults, what a file says, changes to that, and the elements of the data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from madelung.common.errors import ForceFieldError
from madelung.common.settings_files import read_settings_file, validated_settings
from madelung.forcefields.reference.reference_data import ElementSource, elements_of

__all__ = ["read_fit_settings"]

Settings = TypeVar("Settings", bound=BaseModel)


def read_fit_settings(
    kind: type[Settings],
    path: str | os.PathLike[str] | None,
    changes: dict[str, Any],
    data: ElementSource,
) -> Settings:
    """Return settings: defaults, what a file says, and changes to that.

    Parameters
    ----------
    kind
        What they are; they have a field ``elements``.
    path
        YAML or JSON file with names and values; None for the defaults.
    changes
        Settings by name.
    data
        What elements are taken from if none are named.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, or a setting is wrong.
    """
    read = {} if path is None else read_settings_file(Path(path), ForceFieldError)
    content = {**read, **changes}
    if "elements" not in content:
        content["elements"] = elements_of(data)
    return validated_settings(kind, path, content, ForceFieldError)
