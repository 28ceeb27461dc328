"""Files of settings, and what is wrong with them in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from madelung.errors import MadelungError

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["problems_of", "read_settings_file"]


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
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
