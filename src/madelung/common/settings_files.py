"""Files of settings, and what is wrong with them in words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from madelung.common.errors import MadelungError
from madelung.common.text import bounded_text

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    Settings = TypeVar("Settings", bound=BaseModel)

__all__ = ["problems_of", "read_settings_file", "validated_settings", "with_present_names"]


def read_settings_file(path: Path, error: type[MadelungError]) -> dict[str, Any]:
    """Read names and values from a YAML or JSON file; an empty file holds none.

    Parameters
    ----------
    path
        The file.
    error
        What is raised if it cannot be read, or holds something else.
    """
    import yaml

    try:
        content = yaml.safe_load(bounded_text(path))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(f"{path}: no YAML ({problem})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise error(f"{path}: settings are names with values, not {type(content).__name__}")
    return content


def problems_of(problem: ValidationError) -> str:
    """Return each setting that is wrong, and why."""
    return "; ".join(
        ": ".join(
            [*(str(part) for part in error["loc"]), error["msg"].removeprefix("Value error, ")]
        )
        for error in problem.errors()
    )


def validated_settings(
    kind: type[Settings],
    path: str | os.PathLike[str] | None,
    content: dict[str, Any],
    error: type[MadelungError],
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
    error
        What is raised if one is wrong; the message names each.
    """
    from pydantic import ValidationError

    try:
        return kind(**content)
    except ValidationError as problem:
        raise error(f"{path or 'settings'}: {problems_of(problem)}") from None


def with_present_names(content: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """Return settings in which names of an earlier version are those of today, with a warning."""
    result = {}
    for name, value in content.items():
        if name in former:
            warnings.warn(
                f"the setting {name!r} is now {former[name]!r}, and its old name will be gone in "
                "the next version",
                DeprecationWarning,
                stacklevel=2,
            )
        result[former.get(name, name)] = value
    return result
